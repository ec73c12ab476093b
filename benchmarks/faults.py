"""What a bad line does to a call: the same faults, by the same lots, in front of several servers.

A real Chromium calls through a link that delays, loses, holds up or cuts what passes, both ways
(`benchmarks.netem`; the cases are in `benchmarks.netem.cases`, 20 ms each way in all). The pictures
carry the time at which they were drawn, so delay is measured on one clock, as displayed. A call
begins on a calm line; once it has settled the fault begins, and from then on it is measured. The
kinds of calls (`echo`, `avatar`, `aiortc` as in `visavis bench latency`) are made in turn, with the
same seeds: the n-th packet of a call is lost whoever sent it.

* delay: of each picture when it is first shown. A picture whose time code cannot be read has none
  and is counted as unreadable: smeared, or, of an avatar, drawn without a camera picture.
* freezes: gaps of more than 100 ms between two readable new pictures; their sum, and the longest.
* after an outage: from when the link is back until a new picture is shown (`first`), and one that
  was drawn since (`fresh`); the delay before, and from two seconds after.
* counters: of the browser (`getStats`), both ways; of the link, of which `late_ms` is what it costs
  itself; and the server's own report.

`--heard` wants sound back, too: then pictures wait for it, and concealed sound is counted.
"""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from statistics import mean
from typing import Any

from benchmarks import browser, clip, faulty, freezes, record, spread
from benchmarks.call import CallPlan
from benchmarks.faulty import Observed
from benchmarks.netem.cases import CASES
from benchmarks.serving import Kind, Serving
from live.errors import BadRequest

Calls = defaultdict[tuple[str, str], dict[str, list[Observed]]]
"""By codec and case, then by kind."""

_KINDS: tuple[Kind, ...] = ("echo", "avatar", "aiortc")
_OURS = ("echo", "avatar")
_CLIP_PICTURES = 120
_SIZE = (512, 512)
_SETTINGS = {
    "SESSIONS__PLACES": "4",
    "SERVER__POSTS_PER_MINUTE": "10000",
    "LOGS__LEVEL": "warning",
}

LOSS_P99_MS, LOSS_FREEZE_MS = 200.0, 250.0
"""At 5 % loss."""
FRESH_MS, SAME_DELAY_MS = 400.0, 10.0
"""After an outage."""

_SHOWN = {"NACK": "nackCount", "PLI": "pliCount", "key": "keyFramesDecoded"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    record.add_arguments(parser)
    clip.add_arguments(parser)
    parser.add_argument("--cases", help=f"which, with commas ({','.join(CASES)})")
    parser.add_argument("--kinds", help=f"which, with commas ({','.join(_KINDS)})")
    parser.add_argument("--codecs", help="which, with commas (H264,VP8; H264 with --quick)")
    parser.add_argument("--seconds", type=float, help="measured of each call (12; 6 with --quick)")
    parser.add_argument("--warm", type=float, help="before the fault begins (3; 2)")
    parser.add_argument("--rounds", type=int, default=1, help="calls of each, with other seeds (1)")
    parser.add_argument("--seed", type=int, default=1, help="of the first round (1)")
    parser.add_argument("--heard", action="store_true", help="calls whose sound is wanted back")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints, writes the record and returns it."""
    cases = _chosen("--cases", args.cases or ("loss5,outage" if args.quick else None), CASES)
    kinds = _chosen("--kinds", args.kinds or ("echo,aiortc" if args.quick else None), _KINDS)
    codecs = _chosen("--codecs", args.codecs or ("H264" if args.quick else None), ("H264", "VP8"))
    recorder = record.Recorder("faults", args)
    calls: Calls = defaultdict(dict)
    with ExitStack() as stack:
        servers = {kind: stack.enter_context(Serving(kind, _SETTINGS)) for kind in kinds}
        tabs = stack.enter_context(browser.running("chromium"))
        camera = browser.Camera.showing(clip.read(args.clip, _CLIP_PICTURES, _SIZE))
        for number, codec, case in itertools.product(range(args.rounds), codecs, cases):
            for kind in kinds if number % 2 == 0 else reversed(kinds):
                plan = _plan(args, kind, codec)
                seed = args.seed + number
                seen = faulty.call(tabs, servers[kind], plan, camera, CASES[case], seed)
                calls[codec, case].setdefault(kind, []).append(seen)
                print(_progress(number, codec, case, kind, seen), flush=True)
    for server in servers.values():
        recorder.ended(server.stopped_cpu_s)
    figures = figures_of(calls)
    show(figures)
    done = recorder.finish(figures)
    record.write(done, args.json)
    return done


def _chosen(option: str, text: str | None, known: Iterable[str]) -> list[Any]:
    known = list(known)
    names = known if text is None else text.split(",")
    for name in names:
        if name not in known:
            raise BadRequest(f"{option}: {name!r} is none of {', '.join(known)}")
    return names


def _plan(args: argparse.Namespace, kind: Kind, codec: str) -> CallPlan:
    return CallPlan(
        codec,
        "display",
        warm_s=args.warm or (2.0 if args.quick else 3.0),
        seconds=args.seconds or (6.0 if args.quick else 12.0),
        heard=args.heard,
        tuned=kind != "aiortc",
    )


def figures_of(calls: Calls) -> dict[str, Any]:
    """What is said of all calls, by codec and case, then by kind."""
    cells = {
        f"{codec} {case}": {kind: _figures(case, seen) for kind, seen in by_kind.items()}
        for (codec, case), by_kind in calls.items()
    }
    goals = [
        {"what": f"{name}, {kind}: {what}", **goal}
        for name, by_kind in cells.items()
        for kind, one in by_kind.items()
        if kind in _OURS
        for what, goal in _goals(name.partition(" ")[2], one).items()
    ]
    return {
        "cases": {case: asdict(CASES[case]) for _, case in calls},
        "cells": cells,
        "goals": goals,
    }


def _figures(case: str, calls: Sequence[Observed]) -> dict[str, Any]:
    by_call = [_of_one(seen) for seen in calls]
    figures = {
        "age_ms": spread.summary([row.age_ms for seen in calls for row in seen.rows], 1),
        "fps": round(mean(one["fps"] for one in by_call), 1),
        "frozen_ms": round(mean(one["frozen_ms"] for one in by_call)),
        "longest_ms": max(one["longest_ms"] for one in by_call),
        "unreadable": sum(seen.uncoded for seen in calls),
        "by_call": by_call,
    }
    if all("sound" in one["browser"] for one in by_call):
        figures["sound"] = _sound([one["browser"]["sound"] for one in by_call])
    if CASES[case].cut_s:
        figures["outage"] = _worst([one["outage"] for one in by_call])
    return figures


def _of_one(seen: Observed) -> dict[str, Any]:
    took_s = (seen.ended_ms - seen.began_ms) / 1000
    figures = {
        **freezes.smoothness(seen.rows, seen.began_ms, seen.ended_ms),
        "ages": _ages(seen),
        "unreadable": seen.uncoded,
        "first_frame_ms": round(seen.first_frame_ms),
        "browser": faulty.counters(seen.before, seen.after, took_s),
        "link": {
            "up": asdict(seen.passage.up),
            "down": asdict(seen.passage.down),
            "late_ms": spread.summary(seen.passage.late_ms),
            "cpu_percent": round(100 * seen.link_cpu_s / took_s, 1),
        },
        "server": seen.report,
        "server_cpu_percent": round(100 * seen.server_cpu_s / took_s),
        "others_cpu_percent": round(100 * seen.others_cpu_s / took_s),
    }
    if seen.cut_ms is not None:
        figures["outage"] = freezes.recovery(seen.rows, *seen.cut_ms)
    return figures


def _sound(calls: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What was made up for sound that did not come in time, in % of all; silence is not heard."""
    heard, made_up, silent = (
        sum(call[name] for call in calls)
        for name in ("totalSamplesReceived", "concealedSamples", "silentConcealedSamples")
    )
    return {"concealed_percent": round(100 * (made_up - silent) / max(heard, 1), 2)}


def _ages(seen: Observed) -> list[tuple[float, float]]:
    """Each picture's delay in ms, and when it was seen, in seconds since the fault began."""
    return [
        (round((row.at_ms - seen.began_ms) / 1000, 3), round(row.age_ms, 1)) for row in seen.rows
    ]


def _worst(outages: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """The slowest of each figure; `None` where one call had none."""
    worst: dict[str, float | None] = {}
    for name in outages[0]:
        found = [one[name] for one in outages]
        worst[name] = None if None in found else max(each for each in found if each is not None)
    return worst


def _goals(case: str, one: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    if case == "loss5":
        age = one["age_ms"]
        return {
            "p99 of the delay": _goal(LOSS_P99_MS, age and age["p99"]),
            "longest gap": _goal(LOSS_FREEZE_MS, one["longest_ms"]),
        }
    if case == "outage":
        found = one["outage"]
        before, after = found["before_ms"], found["after_ms"]
        more = None if before is None or after is None else round(after - before, 1)
        return {
            "link back to a fresh picture": _goal(FRESH_MS, found["fresh_ms"]),
            "delay after over delay before": _goal(SAME_DELAY_MS, more),
        }
    return {}


def _goal(limit: float, found: float | None) -> dict[str, Any]:
    return {"goal_ms": limit, "found_ms": found, "met": found is not None and found <= limit}


def _progress(number: int, codec: str, case: str, kind: Kind, seen: Observed) -> str:
    age = spread.summary([row.age_ms for row in seen.rows], 1)
    one = freezes.smoothness(seen.rows, seen.began_ms, seen.ended_ms)
    delay = f"{age['p50']:6.1f} / {age['p99']:7.1f} ms" if age else "no pictures"
    back = ""
    if seen.cut_ms is not None:
        back = f", fresh after {freezes.recovery(seen.rows, *seen.cut_ms)['fresh_ms']} ms"
    return (
        f"round {number + 1}  {codec:5}{case:9}{kind:8}{delay}  {one['fps']:5.1f} fps"
        f"  frozen {one['frozen_ms']} ms, longest {one['longest_ms']} ms{back}"
    )


def show(figures: Mapping[str, Any]) -> None:
    """Prints the table: ms, and thousands of bits a second of the pictures, up and down."""
    words = ("p50", "p95", "p99", "fps", "frozen", "longest", "unread", "up", "down", *_SHOWN)
    print(f"\n{'':24}" + "".join(f"{word:>8}" for word in words))
    for name, by_kind in figures["cells"].items():
        for kind, one in by_kind.items():
            print(f"{name:15}{kind:9}" + "".join(f"{cell:>8}" for cell in _cells(one)))
            for also in ("outage", "sound"):
                if also in one:
                    found = ", ".join(f"{what} {value}" for what, value in one[also].items())
                    print(f"{'':24}  {also}: {found}")
    for goal in figures["goals"]:
        sign = "met" if goal["met"] else "missed"
        print(f"goal {sign:7}{goal['found_ms']} of {goal['goal_ms']:.0f} ms  {goal['what']}")


def _cells(one: Mapping[str, Any]) -> list[Any]:
    age = one["age_ms"] or dict.fromkeys(("p50", "p95", "p99"), float("nan"))
    counted = [call["browser"] for call in one["by_call"]]
    return [
        *(f"{age[p]:.0f}" for p in ("p50", "p95", "p99")),
        *(one[name] for name in ("fps", "frozen_ms", "longest_ms", "unreadable")),
        *(round(mean(each[way]["kbits"] for each in counted)) for way in ("camera", "picture")),
        *(sum(each["picture"].get(name, 0) for each in counted) for name in _SHOWN.values()),
    ]
