"""Options with commas go in, the cells of a matrix come out: what calls are to be compared in.

A cell is a codec, where the picture is seen, the camera's size and rate, and the renderer and the
driver of the avatar. What is as usual does not stand in its name, so that figures of a matrix are
found again in a run of a single cell.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from benchmarks.call import Sink
from live.errors import BadRequest

CODECS = ("H264", "VP8")
SINKS: tuple[Sink, ...] = ("track", "display")
SIZE, FPS, RENDERER = (512, 512), 30, "warp"

T = TypeVar("T")


class Cell(NamedTuple):
    """What calls that are compared have in common."""

    codec: str
    sink: Sink
    size: tuple[int, int] = SIZE
    """Width and height of the camera's picture."""
    fps: int = FPS
    renderer: str = RENDERER
    driver: str = ""
    """Empty: the server's own choice."""

    @property
    def name(self) -> str:
        """Such as `H264 track`, or `VP8 display 1280x720 60 fps echo face`."""
        words = [self.codec, self.sink]
        words += [f"{self.size[0]}x{self.size[1]}"] if self.size != SIZE else []
        words += [f"{self.fps} fps"] if self.fps != FPS else []
        words += [self.renderer] if self.renderer != RENDERER else []
        words += [self.driver] if self.driver else []
        return " ".join(words)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that make the matrix."""
    parser.add_argument("--codecs", default="H264,VP8", help="with commas (H264,VP8)")
    parser.add_argument("--sinks", default="track,display", help="with commas (track,display)")
    parser.add_argument("--sizes", default="512x512", help="the camera's, with commas (512x512)")
    parser.add_argument("--fps", default="30", help="pictures a second, with commas (30)")
    parser.add_argument("--renderers", default=RENDERER, help="with commas (warp)")
    parser.add_argument("--drivers", default="", help="with commas (the server's own choice)")


def cells(
    args: argparse.Namespace, sinks: Sequence[str] = SINKS, codecs: Sequence[str] = CODECS
) -> list[Cell]:
    """The matrix; raises `BadRequest`.

    `sinks` and `codecs`: what the client can do; others that are asked for are left out, and where
    nothing is left that is an error.
    """
    found = [
        Cell(codec, "track" if sink == "track" else "display", *rest)
        for codec, sink, *rest in itertools.product(
            _chosen("--codecs", args.codecs.upper(), CODECS, codecs),
            _chosen("--sinks", args.sinks, SINKS, sinks),
            _list(args.sizes, _size),
            _list(args.fps, _fps),
            _list(args.renderers, str),
            args.drivers.split(","),
        )
    ]
    return list(dict.fromkeys(found))


def _chosen(option: str, text: str, known: Sequence[str], can: Sequence[str]) -> list[str]:
    wanted = text.split(",")
    for name in wanted:
        if name not in known:
            raise BadRequest(f"{option}: {name!r} is none of {', '.join(known)}")
    left = [name for name in wanted if name in can]
    if not left:
        raise BadRequest(f"{option}: this client can do none but {', '.join(can)}")
    return left


def _list(text: str, parse: Callable[[str], T]) -> list[T]:
    return [parse(word) for word in text.split(",")]


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError as error:
        raise BadRequest(f"--sizes: {text!r} is no WIDTHxHEIGHT such as 512x512") from error
    if not (64 <= width <= 1920 and 64 <= height <= 1920 and width % 2 == height % 2 == 0):
        raise BadRequest("--sizes: width and height are even numbers from 64 to 1920")
    return width, height


def _fps(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 120:
        raise BadRequest(f"--fps: {text!r} is no number of pictures a second from 1 to 120")
    return int(text)
