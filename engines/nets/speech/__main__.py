"""The speech network's command line: `python -m engines.nets.speech --help`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.nets.speech.measure import Score

# The matrices are small: threads would only wait for each other. Before numpy is first loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_MODEL = Path(__file__).parents[2] / "models" / "speech.onnx"


def main() -> None:
    """Parses the command line and runs one command."""
    parser = argparse.ArgumentParser(prog="python -m engines.nets.speech", description=__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("speech-net"), help="folder of data and checkpoints"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_data(commands.add_parser("data", help="align recordings, let synthesisers speak"))
    _add_train(commands.add_parser("train", help="train, or go on training"))
    teach = commands.add_parser("teach", help="write down what the teacher says about the data")
    teach.set_defaults(run=_teach)
    export = commands.add_parser("export", help="tune thresholds, write the ONNX file, compare")
    export.add_argument("--out", type=Path, default=_MODEL)
    export.add_argument("--version", required=True, help="to be stored in the file")
    export.set_defaults(run=_export)
    measure = commands.add_parser("measure", help="examine the ONNX file on the test sets")
    measure.add_argument("--model", type=Path, default=_MODEL)
    measure.set_defaults(run=_measure)
    card = commands.add_parser("card", help="examine, and write the model card beside the file")
    card.add_argument("--model", type=Path, default=_MODEL)
    card.set_defaults(run=_card)
    arguments = parser.parse_args()
    arguments.run(arguments)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recorded",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="recordings with transcripts to learn from; the speakers whom a hash picks are"
        " left for tests",
    )
    parser.add_argument(
        "--test",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="recordings with transcripts never to learn from",
    )
    parser.add_argument(
        "--spoken",
        action="append",
        default=[],
        metavar="TEACHER:COUNT",
        help="synthetic utterances to learn from: espeak, espeak-foreign, flite, hibari, kokoro;"
        " festival goes into the tests",
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.set_defaults(run=_data)


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("net", choices=("teacher", "listener", "curves"))
    parser.add_argument(
        "--minutes", type=float, default=60, help="of processor time, earlier runs included"
    )
    parser.add_argument("--rate", type=float, default=2e-3, help="the highest learning rate")
    parser.add_argument("--workers", type=int, default=1, help="processes that make batches")
    parser.add_argument(
        "--begin-with", type=Path, metavar="CHECKPOINT", help="listener: weights to start from"
    )
    parser.set_defaults(run=_train)


# Each command imports its own tools: what is installed may be enough for some of them only.


def _data(arguments: argparse.Namespace) -> None:
    from engines.nets.speech import making  # noqa: PLC0415

    making.make(
        arguments.work,
        recorded=arguments.recorded,
        test=arguments.test,
        spoken=arguments.spoken,
        seed=arguments.seed,
    )


def _train(arguments: argparse.Namespace) -> None:
    from engines.nets.speech import lessons  # noqa: PLC0415
    from engines.nets.speech.training import Plan  # noqa: PLC0415

    plan = Plan(arguments.minutes, arguments.rate, arguments.workers)
    if arguments.net == "teacher":
        lessons.train_teacher(arguments.work, plan)
    elif arguments.net == "curves":
        lessons.train_curves(arguments.work, plan)
    else:
        lessons.train_listener(arguments.work, plan, begin_with=arguments.begin_with)


def _teach(arguments: argparse.Namespace) -> None:
    from engines.nets.speech import lessons  # noqa: PLC0415

    lessons.teach(arguments.work)


def _export(arguments: argparse.Namespace) -> None:
    from engines.nets.speech import finishing  # noqa: PLC0415

    finishing.finish(arguments.work, arguments.out, arguments.version)


def _measure(arguments: argparse.Namespace) -> None:
    list(_results(arguments))


def _card(arguments: argparse.Namespace) -> None:
    from engines.nets.speech import card  # noqa: PLC0415

    print(card.write(arguments.model, arguments.work, _results(arguments)))


def _results(arguments: argparse.Namespace) -> Iterator[tuple[str, str, Score]]:
    """What the examination finds, printed as it comes."""
    from engines.nets.speech import examination  # noqa: PLC0415

    print(examination.HEADER)
    sets = examination.test_sets(arguments.work)
    for name, condition, score in examination.examine(arguments.model, sets):
        print(examination.row(name, condition, score), flush=True)
        yield name, condition, score


if __name__ == "__main__":
    main()
