"""Calls over bad lines go in; figures, the goals they are held against, and a table come out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import mean
from typing import Any

from benchmarks import faulty, freezes, spread
from benchmarks.faulty import Observed
from benchmarks.netem.cases import CASES

Calls = defaultdict[tuple[str, str], dict[str, list[Observed]]]
"""By codec and case, then by kind."""

OURS = ("echo", "avatar")
"""Kinds of calls that have goals."""

LOSS_P99_MS, LOSS_FREEZE_MS = 200.0, 250.0
"""At 5 % loss."""
FRESH_MS, SAME_DELAY_MS = 400.0, 10.0
"""After an outage."""

_SHOWN = {"NACK": "nackCount", "PLI": "pliCount", "key": "keyFramesDecoded"}


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
        if kind in OURS
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
            "cpu_percent": _percent(seen.link_cpu_s, seen),
        },
        "server": seen.report,
        "others_cpu_percent": _percent(seen.others_cpu_s, seen),
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


def _percent(cpu_s: float, seen: Observed) -> float:
    return round(100_000 * cpu_s / (seen.ended_ms - seen.began_ms), 1)


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


def progress(number: int, codec: str, case: str, kind: str, seen: Observed) -> str:
    """What is said of one call as soon as it is over."""
    age = spread.summary([row.age_ms for row in seen.rows], 1)
    one = freezes.smoothness(seen.rows, seen.began_ms, seen.ended_ms)
    delay = f"{age['p50']:6.1f} / {age['p99']:7.1f} ms" if age else "no pictures"
    back = ""
    if seen.cut_ms is not None:
        back = f", fresh after {freezes.recovery(seen.rows, *seen.cut_ms)['fresh_ms']} ms"
    return (
        f"round {number + 1}  {codec:5}{case:9}{kind:8}{delay}  {one['fps']:5.1f} fps"
        f"  frozen {one['frozen_ms']} ms, longest {one['longest_ms']} ms{back}"
        f"  (others {_percent(seen.others_cpu_s, seen)} % CPU)"
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
