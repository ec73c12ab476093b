"""The compact portrait's training: `python -m engines.nets.portrait --help`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

# One thread a process: many make data, and on a GPU they only load. Before numpy is first loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main() -> None:
    """Parses the command line and runs one command."""
    parser = argparse.ArgumentParser(prog="python -m engines.nets.portrait", description=__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("portrait-net"), help="folder of data and checkpoints"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_data(commands.add_parser("data", help="make synthetic people"))
    _add_train(commands.add_parser("train", help="train, or go on training"))
    measure = commands.add_parser("measure", help="compare with the warp renderer")
    measure.add_argument("--people", type=int, default=16, help="held-out ones")
    measure.add_argument("--sheet", type=Path, metavar="PNG", help="write a contact sheet")
    measure.set_defaults(run=_measure)
    export = commands.add_parser("export", help="write the averaged weights as a checkpoint")
    export.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    export.set_defaults(run=_export)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except FileNotFoundError as error:
        parser.exit(1, f"{error}\n")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first person's seed")
    parser.add_argument(
        "--step", type=int, default=1, help="from seed to seed, where processes share the work"
    )
    parser.add_argument("--pictures", type=int, default=12, help="of each person")
    parser.add_argument(
        "--assets", type=Path, metavar="FOLDER", help="MakeHuman's CC0 textures and teeth"
    )
    parser.set_defaults(run=_data)


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=int, default=300_000, help="earlier runs included")
    parser.add_argument("--batch", type=int, default=32, help="pairs in a step")
    parser.add_argument("--rate", type=float, default=2e-4, help="the highest learning rate")
    parser.add_argument(
        "--critic-from", type=int, default=20_000, metavar="STEP", help="the discriminator's first"
    )
    parser.add_argument(
        "--told-from",
        type=int,
        default=5_000,
        metavar="STEP",
        help="until then the true keypoints give way to those of the motion network",
    )
    parser.add_argument("--examine-every", type=int, default=1000, metavar="STEPS")
    parser.add_argument("--workers", type=int, default=0, help="processes that load pairs")
    parser.add_argument("--seed", type=int, default=3)
    parser.set_defaults(run=_train)


# Each command imports its own tools: what is installed may be enough for some of them only.


def _data(arguments: argparse.Namespace) -> None:
    import cv2  # noqa: PLC0415

    from engines.nets.portrait.config import COMPACT  # noqa: PLC0415
    from engines.nets.portrait.training import people  # noqa: PLC0415

    cv2.setNumThreads(1)
    people.make_all(
        arguments.work / "people",
        first=arguments.first,
        count=arguments.people,
        step=arguments.step,
        pictures=arguments.pictures,
        size=COMPACT.input_size,
        assets=arguments.assets,
    )


def _train(arguments: argparse.Namespace) -> None:
    from engines.nets.portrait.training.training import Plan, Training  # noqa: PLC0415

    _one_thread()
    plan = Plan(
        steps=arguments.steps,
        count=arguments.batch,
        rate=arguments.rate,
        critic_from=arguments.critic_from,
        told_from=arguments.told_from,
        examine_every=arguments.examine_every,
        workers=arguments.workers,
        seed=arguments.seed,
    )
    Training(arguments.work, plan).run()


def _measure(arguments: argparse.Namespace) -> None:
    from engines.nets.portrait.training import beside_warp  # noqa: PLC0415
    from engines.nets.portrait.training.training import averaged  # noqa: PLC0415

    _one_thread()
    beside_warp.run(averaged(arguments.work), arguments.work, arguments.people, arguments.sheet)


def _export(arguments: argparse.Namespace) -> None:
    from engines.nets.portrait.training import folder  # noqa: PLC0415
    from engines.nets.portrait.training.training import averaged  # noqa: PLC0415

    folder.write(averaged(arguments.work), arguments.out)
    print(
        f"visavis models export portrait --checkpoint {arguments.out} --sizes compact"
        ' --origin "engines/nets/portrait/training" --licence Apache-2.0'
    )


def _one_thread() -> None:
    import cv2  # noqa: PLC0415
    import torch  # noqa: PLC0415

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


if __name__ == "__main__":
    main()
