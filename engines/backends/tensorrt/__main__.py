"""`python -m engines.backends.tensorrt FILE.onnx …`: what TensorRT-RTX makes of files, as a table.

Needs neither GPU nor driver. "built" says that the network was accepted and compiled ahead of time,
not that it was ever run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from engines.backends.tensorrt import build, package
from engines.errors import EngineError, UnsupportedNetwork

_COLUMNS = ("network", "for", "ONNX MB", "plan MB", "parse CPU s", "build CPU s")


def main(arguments: list[str] | None = None) -> int:
    """Prints a line for each file and capability; 1 where a network was refused."""
    args = _parser().parse_args(arguments)
    found = package.find()
    _line(f"{found.name} {found.version}\n")
    _row(*_COLUMNS)
    _row(*("---" for _ in _COLUMNS))
    refused = 0
    for file in args.files:
        onnx = file.read_bytes()
        name = file.name.removesuffix(".onnx")
        for capability in args.capability or build.CAPABILITIES:
            try:
                made = build.build(
                    onnx, name, capabilities=(capability,), shapes=dict(args.shape or ())
                )
            except UnsupportedNetwork as error:
                refused += 1
                _row(name, capability, _mb(onnx), f"refused: {error}", "", "")
                continue
            times = (f"{seconds:.2f}" for seconds in (made.parse_s, made.build_s))
            _row(name, capability, _mb(onnx), _mb(made.plan), *times)
    return 1 if refused else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m engines.backends.tensorrt",
        description="Builds engines of ONNX files and tells sizes and times; keeps nothing.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.onnx")
    parser.add_argument(
        "--capability",
        action="append",
        metavar="SM89",
        help=f"what to build for, again for more; unset: {', '.join(build.CAPABILITIES)}",
    )
    parser.add_argument(
        "--shape",
        action="append",
        type=_shape,
        metavar="INPUT=1,3,256,256",
        help="an input's shape, where the file leaves sizes open",
    )
    return parser


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, sizes = text.partition("=")
    return name, tuple(int(size) for size in sizes.split(","))


def _mb(content: bytes) -> str:
    return f"{len(content) / 1e6:.1f}"


def _row(*cells: str) -> None:
    _line(f"| {' | '.join(cells)} |")


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (EngineError, OSError) as error:
        sys.exit(str(error))
