"""The speech network's command line: `python -m engines.nets.speech --help`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

# The matrices are small: threads would only wait for each other. Before numpy is first loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main() -> None:
    """Parses the command line and runs one command."""
    parser = argparse.ArgumentParser(prog="python -m engines.nets.speech", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("speech-net"), help="folder of it all")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="learn from the data")
    train.add_argument("net", choices=("teacher", "listener"))
    train.add_argument("--minutes", type=float, default=60, help="of processor time, in all")
    train.add_argument("--name", help="of the checkpoint; the net's unless told")
    train.add_argument("--rate", type=float, default=2e-3, help="the highest learning rate")
    train.add_argument("--workers", type=int, default=1, help="processes that make batches")
    train.set_defaults(run=_train)
    arguments = parser.parse_args()
    arguments.run(arguments)


def _train(arguments: argparse.Namespace) -> None:
    from engines.nets.speech import lessons  # noqa: PLC0415 - torch is for these commands only

    lessons.train(
        arguments.work,
        arguments.net,
        arguments.name or arguments.net,
        minutes=arguments.minutes,
        rate=arguments.rate,
        workers=arguments.workers,
    )


if __name__ == "__main__":
    main()
