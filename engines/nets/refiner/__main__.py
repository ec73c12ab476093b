"""The refiner's command line: `python -m engines.nets.refiner --help`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

# The matrices are small: threads would only wait for each other. Before numpy is first loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_MODELS = Path(__file__).parents[2] / "models"


def main() -> None:
    """Parses the command line and runs one command."""
    parser = argparse.ArgumentParser(prog="python -m engines.nets.refiner", description=__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("refiner-net"), help="folder of data and checkpoints"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_data(commands.add_parser("data", help="make synthetic people and their pairs"))
    _add_drawn(commands.add_parser("drawn", help="make crops that are to stay as they are"))
    _add_train(commands.add_parser("train", help="train, or go on training"))
    export = commands.add_parser("export", help="write the ONNX files and their model card")
    export.add_argument("--out", type=Path, default=_MODELS, metavar="FOLDER")
    export.add_argument("--version", required=True, help="to be stored in the files")
    export.set_defaults(run=_export)
    measure = commands.add_parser("measure", help="examine the networks on people held out")
    measure.add_argument("--curve", type=Path, metavar="FILE.png", help="draws how it was learnt")
    measure.add_argument("--sheets", type=Path, metavar="FOLDER", help="saves pictures of crops")
    measure.set_defaults(run=_measure)
    arguments = parser.parse_args()
    arguments.run(arguments)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first person's seed")
    parser.add_argument(
        "--step", type=int, default=1, help="from seed to seed, where processes share the work"
    )
    parser.add_argument("--pictures", type=int, default=36, help="of each person")
    parser.add_argument(
        "--assets", type=Path, metavar="FOLDER", help="MakeHuman's CC0 textures and teeth"
    )
    parser.set_defaults(run=_data)


def _add_drawn(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("portraits", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--people", type=int, default=8, help="whose acts each portrait repeats")
    parser.set_defaults(run=_drawn)


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("part", choices=("mouth", "eyes"))
    parser.add_argument(
        "--minutes", type=float, default=60, help="of processor time, earlier runs included"
    )
    parser.add_argument("--rate", type=float, default=1.5e-3, help="the highest learning rate")
    parser.set_defaults(run=_train)


# Each command imports its own tools: what is installed may be enough for some of them only.


def _data(arguments: argparse.Namespace) -> None:
    import cv2  # noqa: PLC0415

    from engines.nets.refiner import making  # noqa: PLC0415
    from engines.weights import ModelStore  # noqa: PLC0415

    cv2.setNumThreads(1)
    making.make(
        arguments.work / "people",
        ModelStore(),
        first=arguments.first,
        people=arguments.people,
        step=arguments.step,
        pictures=arguments.pictures,
        assets=arguments.assets,
    )


def _drawn(arguments: argparse.Namespace) -> None:
    import cv2  # noqa: PLC0415

    from engines.nets.refiner import drawn, pairs  # noqa: PLC0415
    from engines.trackers.litert import LitertTracker  # noqa: PLC0415
    from engines.weights import ModelStore  # noqa: PLC0415

    cv2.setNumThreads(1)
    people = list(pairs.files(arguments.work / "people"))[: arguments.people]
    tracker = LitertTracker(ModelStore())
    drawn.make(arguments.portraits, people, arguments.work / "drawn", tracker)


def _train(arguments: argparse.Namespace) -> None:
    import torch  # noqa: PLC0415

    from engines.nets.refiner import training  # noqa: PLC0415

    torch.set_num_threads(1)
    training.train(arguments.part, arguments.work, training.Plan(arguments.minutes, arguments.rate))


def _export(arguments: argparse.Namespace) -> None:
    import torch  # noqa: PLC0415

    from engines.nets.refiner import card  # noqa: PLC0415

    torch.set_num_threads(1)
    for path in card.finish(arguments.work, arguments.out, arguments.version):
        print(path)


def _measure(arguments: argparse.Namespace) -> None:
    import torch  # noqa: PLC0415

    from engines.nets.refiner import curve, measure  # noqa: PLC0415
    from engines.nets.refiner.network import PARTS  # noqa: PLC0415

    torch.set_num_threads(1)
    for part in PARTS:
        for row in measure.measure(arguments.work, part):
            print(part, "  ".join(f"{key} {value:.3f}" for key, value in row.items()), flush=True)
        if arguments.sheets is not None:
            arguments.sheets.mkdir(parents=True, exist_ok=True)
            measure.sheet(arguments.work, part, arguments.sheets / f"{part}.png")
    if arguments.curve is not None:
        lines = {part: curve.notes(arguments.work / f"{part}.jsonl") for part in PARTS}
        curve.draw(lines, arguments.curve)


if __name__ == "__main__":
    main()
