"""`visavis models`: the networks, where they come from, making and comparing them.

Each part is a module; it is imported when it is run, so that listing needs nothing of exporting.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engines.weights import MODELS

if TYPE_CHECKING:
    from live.__main__ import Subparsers

_Add = Callable[[argparse.ArgumentParser], None]


def add_to(subparsers: Subparsers) -> None:
    """Adds the command's options."""
    parser = subparsers.add_parser(
        "models",
        help="show, fetch, make and compare the networks",
        description="Shows the networks and their origins, fetches, makes and compares them.",
    )
    parts = parser.add_subparsers(title="parts", metavar="PART", required=True)
    for name, line, add in (
        ("list", "every network: origin, licence, hash, what runs it", _add_list),
        ("fetch", "fetch the networks that are not here yet", _add_fetch),
        ("export", "make networks of a checkpoint (needs torch)", _add_export),
        ("parity", "compare the networks on every backend, on random inputs", _add_parity),
        ("fit", "find out how a portrait's networks answer to camera and voice", _add_fit),
        ("compile", "build the engines of a portrait's networks ahead", _add_compile),
    ):
        part = parts.add_parser(name, help=line, description=f"{line[0].upper()}{line[1:]}.")
        part.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")
        part.set_defaults(run=_runs(name))
        add(part)


def _runs(part: str) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        code: int = importlib.import_module(f"live.commands.models.{part}").run(args)
        return code

    return run


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _add_fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", type=_known, metavar="NAME", help=f"{' or '.join(MODELS)}; unset: all"
    )


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", choices=("portrait",), help="which networks")
    weights = parser.add_mutually_exclusive_group(required=True)
    weights.add_argument(
        "--checkpoint", type=Path, metavar="DIR", help="folder of the trained weights' files"
    )
    weights.add_argument(
        "--random", type=int, metavar="SEED", help="random weights, for trying the machinery"
    )
    parser.add_argument(
        "--sizes",
        choices=("official", "compact"),
        default="official",
        help="the networks' sizes: the public checkpoints' (default) or the small ones",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="unset: `portrait` in the folder of models"
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16"),
        action="append",
        help="once or twice; unset: both",
    )
    parser.add_argument(
        "--sampling",
        choices=("atlas", "native", "gather"),
        default="atlas",
        help="how the volume is read: as 4-D pictures, which runs everywhere (default), by 5-D"
        " GridSample, or cell by cell",
    )
    parser.add_argument("--name", metavar="TEXT", help="of the set; unset: the folder's")
    parser.add_argument("--origin", metavar="TEXT", help="whose weights these are")
    parser.add_argument("--licence", metavar="TEXT", help="under which licence they are")


def _add_parity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network",
        nargs="?",
        metavar="NETWORK",
        help="portrait, speech, or the folder of a set of a portrait's networks; unset: what is"
        " here",
    )
    parser.add_argument(
        "--backend", action="append", metavar="NAME", help="once or more; unset: all that work"
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="DIR", help="the weights the set was made of, for torch"
    )
    parser.add_argument("--trials", type=_several, default=3, metavar="N", help="2…100; unset: 3")
    parser.add_argument("--seed", type=int, help="of the random inputs; unset: another each time")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _add_fit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network",
        nargs="?",
        default="portrait",
        metavar="NETWORK",
        help="portrait, or the folder of a set of a portrait's networks",
    )
    parser.add_argument(
        "--samples", type=_many, default=90, metavar="N", help="pictures of each avatar; unset: 90"
    )


def _add_compile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network",
        nargs="?",
        default="portrait",
        metavar="NETWORK",
        help="portrait, or the folder of a set of a portrait's networks",
    )
    parser.add_argument("--backend", choices=("tensorrt",), default="tensorrt")
    parser.add_argument(
        "--capability",
        action="append",
        metavar="SM89",
        help="once or more: see whether it can be built for GPUs of this kind, none needed here;"
        " unset: build and keep for the GPU that is here",
    )
    parser.add_argument(
        "--precision", choices=("fp32", "fp16"), action="append", help="unset: both"
    )


def _known(name: str) -> str:
    if name not in MODELS:
        known = ", ".join(MODELS)
        raise argparse.ArgumentTypeError(f"no model is called {name!r}; known are: {known}")
    return name


def _several(text: str) -> int:
    return _between(text, 2, 100)


def _many(text: str) -> int:
    return _between(text, 10, 10_000)


def _between(text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from error
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"between {least} and {most}")
    return number
