"""From the command to the page, to the first call's first picture, and the memory along the way.

A server process is started several times; each time it is asked for the page and then called twice
(by aiortc, without a browser). The first call is cold: it prepares the avatar. The second finds it
ready. Files are in the system's cache after the first start, and machine code in the user's
(`docs/engines.md`), so it is reported apart; remove `~/.cache/visavis/code` to have it compile.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from aiohttp import ClientSession

from benchmarks import caller, clip, record, spread
from benchmarks.call import CallPlan
from benchmarks.serving import Serving
from live.errors import BadRequest

_CLIP_PICTURES = 60
_STARTS = 5
_QUICK_STARTS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    record.add_arguments(parser)
    clip.add_arguments(parser)
    parser.add_argument("--starts", type=int, help=f"how many ({_STARTS}; {_QUICK_STARTS})")
    parser.add_argument("--avatar", default="mira", help="built-in avatar (mira)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints a table, writes the record and returns it."""
    starts = args.starts or (_QUICK_STARTS if args.quick else _STARTS)
    if starts < 1:
        raise BadRequest("--starts: at least one start is needed")
    recorder = record.Recorder("startup", args)
    found = clip.read(args.clip, _CLIP_PICTURES)
    # The coded parts, so that a picture's way back can be recognized; they load what any call does.
    plan = CallPlan("H264", "track", warm_s=1.0, seconds=1.0, avatar=args.avatar)
    rows = []
    for _ in range(starts):
        with Serving("avatar", {"LOGS__LEVEL": "warning", "SESSIONS__PLACES": "2"}) as server:
            rows.append(asyncio.run(_measure(server, plan, found)))
        recorder.ended(server.stopped_cpu_s)
    figures = {
        "first": rows[0],
        "rows": rows,
        "all": {name: spread.summary([row[name] for row in rows]) for name in rows[0]},
    }
    show(figures)
    done = recorder.finish(figures)
    record.write(done, args.json)
    return done


def show(figures: dict[str, Any]) -> None:
    """Prints the table."""
    print(f"{'':28}{'median':>10}{'largest':>10}{'first':>10}")
    for name, found in figures["all"].items():
        print(f"{name:28}{found['p50']:10.1f}{found['max']:10.1f}{figures['first'][name]:10.1f}")


async def _measure(server: Serving, plan: CallPlan, found: Any) -> dict[str, float]:
    row = {
        "start_to_listening_ms": 1000 * server.started_s,
        "start_to_ready_ms": 1000 * server.ready_s,
    }
    began = time.perf_counter()
    async with ClientSession() as http, http.get(f"{server.address}/") as page:
        await page.read()
        if page.status != 200:
            raise BadRequest(f"the page was answered with {page.status}")
    row["page_ms"] = 1000 * (time.perf_counter() - began)
    row["idle_mb"] = server.usage.resident_mb
    for name in ("cold", "warm"):
        seen, _, _ = await caller.call(server, plan, found)
        row[f"{name}_call_first_picture_ms"] = seen.first_frame_ms
        row[f"after_{name}_call_mb"] = server.usage.resident_mb
    row["start_cpu_s"] = server.started_cpu_s
    row["ready_cpu_s"] = server.ready_cpu_s
    return {key: round(value, 1) for key, value in row.items()}
