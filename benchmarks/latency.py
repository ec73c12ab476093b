"""What the avatar adds to a call's delay, over a plain echo through the same server.

A caller sends a clip whose pictures carry the time at which they were drawn (`benchmarks.timecode`)
and looks at the code of what comes back; both ends are one program on one clock. Three kinds of
call are made in turn, in an order that is reversed from round to round, so that what changes on the
machine meanwhile falls on all alike:

* avatar: the whole flow (track, drive, draw, stamp); the code's strip is copied past the drawing.
* echo: the same server, flow, stamp and codecs, but nothing is tracked, heard or drawn.
* aiortc: aiortc as it is installed sends the track back; what a call costs without us.
* theirs, where a server is named (`--offer URL`, or `--whip URL --whep URL`): somebody else's,
  which is told nothing and asked for nothing but a call (`benchmarks.targets`).

The figure is avatar − echo. Two ways of seeing, by a real browser:

* track: from a MediaStreamTrackGenerator to a MediaStreamTrackProcessor, free of the display's
  60 Hz, hence the figure to compare from version to version (Chromium alone has both);
* display: until a video element shows the picture, as a person gets it; it jumps by up to 17 ms
  with the phase between the camera and the display.

`--codecs`, `--sinks`, `--sizes`, `--fps`, `--renderers` and `--drivers` take lists, and every
combination is a cell of its own (`benchmarks.cells`). What a delay consists of is told stage by
stage (`benchmarks.stages`). `--client aiortc` needs no browser, and tells no stages.

`--movement` measures a second way, without any help from the server: what comes back is tracked
again, and the delay is that between the movement sent and the movement seen
(`benchmarks.movement`). It holds the smoothing of tracker and driver too, which the time code
cannot see. A foreign server whose pictures do not carry the code is measured so in any case.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import clip, goals, movement, record, targets
from benchmarks.cells import Cell, cells
from benchmarks.cells import add_arguments as add_cell_arguments
from benchmarks.latency_calls import KINDS, THEIRS, Bench
from benchmarks.latency_figures import figures_of, show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    record.add_arguments(parser)
    clip.add_arguments(parser)
    add_cell_arguments(parser)
    parser.add_argument("--client", choices=("browser", "aiortc"), default="browser")
    parser.add_argument("--browser", choices=("chromium", "firefox"), default="chromium")
    parser.add_argument("--visible", action="store_true", help="in a window, not headless")
    parser.add_argument("--avatar", default="mira", help="built-in avatar (mira)")
    parser.add_argument("--rounds", type=int, help="calls of each kind (4; 1 with --quick)")
    parser.add_argument("--seconds", type=float, help="measured of each call (10; 4)")
    parser.add_argument("--warm", type=float, help="before that (5; 2)")
    parser.add_argument("--silent", action="store_true", help="calls without sound")
    parser.add_argument("--heard", action="store_true", help="calls whose sound is wanted back")
    parser.add_argument("--movement", action="store_true", help="measure by the movement, too")
    add_target_arguments(parser)


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that name somebody else's server."""
    parser.add_argument("--offer", metavar="URL", help="where it takes an offer, SDP or JSON")
    parser.add_argument("--whip", metavar="URL", help="where it is sent to, by WHIP")
    parser.add_argument("--whep", metavar="URL", help="where it is received from, by WHEP")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="bearer token for it")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints a table, writes the record and returns it."""
    theirs = targets.named(args.offer, args.whip, args.whep, args.token_file)
    matrix = _matrix(args)
    recorder = record.Recorder("latency", args)
    figures: dict[str, Any] = {}
    with ExitStack() as stack:
        bench = Bench(args, stack, matrix, theirs)
        kinds: list[str] = [*KINDS]
        coded = theirs is None or bench.is_coded(matrix[0])
        moved = ["echo", "avatar"] if args.movement or not coded else []
        if theirs is not None:
            (kinds if coded else moved).append(THEIRS)
        runs = bench.runs(args.rounds or (1 if args.quick else 4), matrix, kinds)
        if moved:
            figures["movement"] = {kind: bench.movement(matrix[0], kind) for kind in moved}
            figures["movement_after_code_ms"] = movement.apart(figures["movement"]["echo"])
    for server in bench.servers.values():
        recorder.ended(server.stopped_cpu_s)
    figures["cells"] = {cell.name: figures_of(runs, cell, kinds) for cell in matrix}
    figures["goals"] = [row for cell in matrix for row in _goals(args, cell, figures["cells"])]
    show(figures["cells"], kinds)
    movement.show(figures.get("movement", {}))
    goals.show(figures["goals"])
    done = recorder.finish(figures)
    record.write(done, args.json)
    return done


def _matrix(args: argparse.Namespace) -> list[Cell]:
    if args.client == "aiortc":
        return cells(args, sinks=("track",))
    if args.browser == "firefox":
        return cells(args, sinks=("display",), codecs=("VP8",))
    return cells(args, sinks=("track",) if args.quick else ("track", "display"))


def _goals(
    args: argparse.Namespace, cell: Cell, found: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    stated = args.client == "browser" and args.browser == "chromium"
    return goals.of(cell, found[cell.name]) if stated else []
