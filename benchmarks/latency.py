"""What the avatar adds to a call's delay, over a plain echo through the same server.

A caller sends a clip whose pictures carry the time at which they were drawn (`benchmarks.timecode`)
and looks at the code of what comes back; both ends are one program on one clock. Three kinds of
call are made in turn, in an order that is reversed from round to round, so that what changes on the
machine meanwhile falls on all alike:

* avatar: the whole flow (track, drive, draw, stamp); the code's strip is copied past the drawing.
* echo: the same server, flow, stamp and codecs, but nothing is tracked or drawn.
* aiortc: aiortc as it is installed sends the track back; what a call costs without us.

The figure is avatar − echo. Two ways of seeing, by a real Chromium:

* track: from a MediaStreamTrackGenerator to a MediaStreamTrackProcessor, free of the display's
  60 Hz, hence the figure to compare from version to version;
* display: until a video element shows the picture, as a person gets it; it jumps by up to 17 ms
  with the phase between the camera and the display.

`--client aiortc` needs no browser. `--movement` measures a second way, without any help from the
server: what comes back is tracked again, and the delay is that between the movement sent and the
movement seen. It holds the smoothing of tracker and driver too, which the time code cannot see.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from statistics import median
from typing import Any

from benchmarks import browser, caller, clip, movement, record, spread
from benchmarks.call import CallFailed, CallPlan, Seen
from benchmarks.serving import Kind, Serving
from engines.types import Rgb
from live.errors import BadRequest

GOAL_MS = 35.0
"""What the avatar may add: median, 512 × 512, 30 pictures a second, two cores, browser included."""

_CLIP_PICTURES = 120
_KINDS: tuple[Kind, ...] = ("echo", "avatar", "aiortc")

Cell = tuple[str, str]
"""Codec and sink."""
Runs = dict[tuple[Kind, Cell], list[Seen]]
Call = Callable[[Serving, CallPlan], Seen]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    record.add_arguments(parser)
    clip.add_arguments(parser)
    parser.add_argument("--client", choices=("browser", "aiortc"), default="browser")
    parser.add_argument("--codecs", default="H264,VP8", help="which, with commas (H264,VP8)")
    parser.add_argument("--sinks", default="track,display", help="with commas (track,display)")
    parser.add_argument("--size", default="512x512", help="the camera's (512x512)")
    parser.add_argument("--fps", type=int, default=30, help="pictures a second (30)")
    parser.add_argument("--avatar", default="mira", help="built-in avatar (mira)")
    parser.add_argument("--rounds", type=int, help="calls of each kind (4; 1 with --quick)")
    parser.add_argument("--seconds", type=float, help="measured of each call (10; 5)")
    parser.add_argument("--warm", type=float, help="before that (5; 3)")
    parser.add_argument("--silent", action="store_true", help="calls without sound")
    parser.add_argument("--heard", action="store_true", help="calls whose sound is wanted back")
    parser.add_argument("--movement", action="store_true", help="measure by the movement, too")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints a table, writes the record and returns it."""
    rounds = args.rounds or (1 if args.quick else 4)
    cells = _cells(args)
    recorder = record.Recorder("latency", args)
    found = clip.read(args.clip, _CLIP_PICTURES, _size(args.size))
    runs: Runs = defaultdict(list)
    figures: dict[str, Any] = {}
    with ExitStack() as stack:
        # One call at a time is held; the next may come before the last is quite gone.
        servers = {kind: stack.enter_context(Serving(kind, _SETTINGS)) for kind in _KINDS}
        if args.movement:
            # Before the browser is there: driving it takes this thread's event loop.
            plan = replace(_plan(args, "avatar", cells[0]), seconds=8.0 if args.quick else 20.0)
            figures["movement"] = movement.measure(
                {kind: servers[kind] for kind in ("echo", "avatar")},
                plan,
                clip.read(args.clip, movement.PICTURES, _size(args.size)),
            )
        call = _browser_call(stack, found) if args.client == "browser" else _aiortc_call(found)
        for number, cell in itertools.product(range(rounds), cells):
            for kind in _KINDS if number % 2 == 0 else reversed(_KINDS):
                seen = call(servers[kind], _plan(args, kind, cell))
                runs[kind, cell].append(seen)
                print(_progress(number, cell, kind, seen), flush=True)
    for server in servers.values():
        recorder.ended(server.stopped_cpu_s)
    figures["cells"] = {" ".join(cell): figures_of(runs, cell, args.fps) for cell in cells}
    show(figures)
    done = recorder.finish(figures)
    record.write(done, args.json)
    return done


_SETTINGS = {
    "SESSIONS__PLACES": "4",
    "SERVER__POSTS_PER_MINUTE": "10000",
    "LOGS__LEVEL": "warning",
}


def _cells(args: argparse.Namespace) -> list[Cell]:
    codecs, sinks = args.codecs.upper().split(","), args.sinks.split(",")
    if args.quick or args.client == "aiortc":
        sinks = ["track"]
    for name in codecs:
        if name not in ("H264", "VP8"):
            raise BadRequest(f"--codecs: {name!r} is none of H264, VP8")
    for name in sinks:
        if name not in ("track", "display"):
            raise BadRequest(f"--sinks: {name!r} is none of track, display")
    return list(itertools.product(codecs, sinks))


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError as error:
        raise BadRequest(f"--size: {text!r} is no WIDTHxHEIGHT such as 512x512") from error
    if not (64 <= width <= 1920 and 64 <= height <= 1920 and width % 2 == height % 2 == 0):
        raise BadRequest("--size: width and height are even numbers from 64 to 1920")
    return width, height


def _plan(args: argparse.Namespace, kind: Kind, cell: Cell) -> CallPlan:
    codec, sink = cell
    return CallPlan(
        codec,
        "track" if sink == "track" else "display",
        warm_s=args.warm or (3.0 if args.quick else 5.0),
        seconds=args.seconds or (5.0 if args.quick else 10.0),
        fps=args.fps,
        sound=not args.silent,
        heard=args.heard,
        tuned=kind != "aiortc",
        avatar=args.avatar,
    )


def _browser_call(stack: ExitStack, found: Sequence[Rgb]) -> Call:
    chromium = stack.enter_context(browser.chromium())
    camera = browser.Camera.showing(found)
    return lambda server, plan: browser.call(chromium, server, plan, camera)


def _aiortc_call(found: Sequence[Rgb]) -> Call:
    return lambda server, plan: asyncio.run(caller.call(server, plan, found))[0]


def figures_of(runs: Runs, cell: Cell, fps: int) -> dict[str, Any]:
    """What is said of one codec and sink; raises `CallFailed` where a call had no pictures."""
    if not all(seen.ages_ms for kind in _KINDS for seen in runs[kind, cell]):
        raise CallFailed(f"{' '.join(cell)}: a call brought no picture while it was measured")
    figures: dict[str, Any] = {kind: _kind_figures(runs[kind, cell], fps) for kind in _KINDS}
    ages = {kind: [seen.ages_ms for seen in runs[kind, cell]] for kind in _KINDS}
    figures["avatar_over_echo"] = spread.added(ages["avatar"], ages["echo"])
    avatar, echo = figures["avatar"]["age_ms"], figures["echo"]["age_ms"]
    figures["avatar_over_echo"]["p95"] = round(avatar["p95"] - echo["p95"], 2)
    figures["echo_over_aiortc"] = spread.added(ages["echo"], ages["aiortc"])
    return figures


def _kind_figures(runs: Sequence[Seen], fps: int) -> dict[str, Any]:
    pictures = sum(len(seen.ages_ms) for seen in runs)
    return {
        "age_ms": spread.summary(list(itertools.chain.from_iterable(s.ages_ms for s in runs))),
        "by_call": [
            {
                "p50": round(median(seen.ages_ms), 1),
                "others_cpu_percent": round(100 * seen.others_cpu_s / seen.seconds),
            }
            for seen in runs
        ],
        "fps": round(pictures / sum(seen.seconds for seen in runs), 1),
        "kept_up": all(seen.fps > 0.95 * fps for seen in runs),
        "lost": max(0, sum(seen.sent for seen in runs) - pictures),
        "uncoded": sum(seen.uncoded for seen in runs),
        "size": runs[-1].size,
        "first_frame_ms": spread.summary([seen.first_frame_ms for seen in runs], 0),
        "server_cpu_ms_per_picture": round(
            1000 * sum(seen.server_cpu_s for seen in runs) / pictures, 2
        ),
        "caller_cpu_ms_per_picture": round(
            1000 * sum(seen.caller_cpu_s for seen in runs) / pictures, 2
        ),
        "caller_ms": runs[-1].caller_ms,
        "server_ms": _server_ms([seen.report for seen in runs if seen.report]),
    }


def _server_ms(reports: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """By the server's own reports: from a picture's first packet in to its last packet out, and in
    each room; the median over the calls of each call's percentiles."""
    rows: defaultdict[str, list[Mapping[str, float]]] = defaultdict(list)
    for report in reports:
        named = {"captured_to_sent": report["latency_ms"], **report["rooms_ms"]}
        for name, found in named.items():
            if found:
                rows[name].append(found)
    return {
        name: {p: round(median(each[p] for each in found), 2) for p in ("p50", "p95", "p99")}
        for name, found in rows.items()
    }


def _progress(number: int, cell: Cell, kind: Kind, seen: Seen) -> str:
    age = spread.summary(seen.ages_ms, 1)
    delay = f"{age['p50']:6.1f} / {age['p95']:6.1f} ms" if age else "no pictures"
    others = f"(others {100 * seen.others_cpu_s / seen.seconds:.0f} % CPU)"
    return (
        f"round {number + 1}  {' '.join(cell):13} {kind:7} {delay}  {seen.fps:5.1f} fps  {others}"
    )


def show(figures: dict[str, Any]) -> None:
    """Prints the table."""
    print(f"\n{'ms':15}{'':8}{'p50':>7}{'p95':>7}{'p99':>7}{'fps':>7}{'CPU/picture':>13}")
    for name, cell in figures["cells"].items():
        for kind in _KINDS:
            one = cell[kind]
            age = one["age_ms"]
            late = "" if one["kept_up"] else "  did not keep up"
            print(
                f"{name:15}{kind:8}{age['p50']:7.1f}{age['p95']:7.1f}{age['p99']:7.1f}"
                f"{one['fps']:7.1f}{one['server_cpu_ms_per_picture']:13.1f}{late}"
            )
        added = cell["avatar_over_echo"]
        interval = added["interval95"]
        sure = f" (95 %: {interval[0]:.1f} to {interval[1]:.1f})" if interval else ""
        print(f"{name:15}the avatar adds {added['median']:.1f} ms{sure}; p95 {added['p95']:+.1f}\n")
    for kind, found in figures.get("movement", {}).items():
        print(f"{kind} by movement: time code {found['time_code_ms']} ms (mean)", end="")
        for name in movement.SIGNALS:
            one = found[name]
            words = one if isinstance(one, str) else f"{one['ms']} ± {one['uncertainty_ms']} ms"
            print(f"; {name} {words}", end="")
        print()
