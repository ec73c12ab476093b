"""A record in, the figures out that can be compared with another record's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.reporting.differences import Figure
from benchmarks.reporting.records import Record, percentiles

_PERCENTILES = ("p50", "p95")


def of(record: Record) -> Iterator[Figure]:
    """What a record says that a later one may say differently; nothing for most benchmarks."""
    known: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Figure]]] = {
        "latency": _latency,
        "voice_latency": _latency,
        "faults": _faults,
        "rooms": _rooms,
        "sessions": _sessions,
        "startup": _startup,
        "soak": _soak,
        "mark": _mark,
    }
    if record.name in known:
        yield from known[record.name](record.figures)


def _latency(figures: Mapping[str, Any]) -> Iterator[Figure]:
    cells: Mapping[str, Any] = figures.get("cells") or figures.get("calls") or {}
    for name, cell in cells.items():
        for kind, one in cell.items():
            if not isinstance(one, Mapping):
                continue
            if percentiles(one.get("age_ms")):
                yield from _delays(f"{name}, {kind}", one)
            elif "by_run" in one:  # the kinds of calls were made in turn: pairs of them
                words = kind.replace("_", " ")
                yield Figure(f"{name}, {words}", "ms", "lower", one["by_run"], one["median"])


def _delays(name: str, one: Mapping[str, Any]) -> Iterator[Figure]:
    calls: Sequence[Mapping[str, Any]] = one.get("by_call") or ()
    for which in _PERCENTILES:
        runs = [found for call in calls if (found := _of_call(call, which)) is not None]
        yield Figure(f"{name}, {which}", "ms", "lower", runs, float(one["age_ms"][which]))


def _of_call(call: Mapping[str, Any], which: str) -> float | None:
    """Of one call: by its pictures where they were kept, as the records before them tell it."""
    ages = [ms for _, ms in call.get("ages") or () if isinstance(ms, int | float)]
    if ages:
        return float(np.percentile(ages, int(which[1:])))
    found = call.get(which)
    return float(found) if isinstance(found, int | float) else None


def _faults(figures: Mapping[str, Any]) -> Iterator[Figure]:
    for name, cell in figures["cells"].items():
        for kind, one in cell.items():
            if percentiles(one["age_ms"]):
                yield from _delays(f"{name}, {kind}", one)
            longest = [float(call["longest_ms"]) for call in one["by_call"]]
            yield Figure(f"{name}, {kind}, longest gap", "ms", "lower", longest)


def _rooms(figures: Mapping[str, Any]) -> Iterator[Figure]:
    total = float(figures["total_cpu_ms_per_picture"])
    blocks = figures.get("total_by_block") or ()
    yield Figure("CPU of a picture, whole way", "ms", "lower", blocks, total)
    for name, room in figures["rooms"].items():
        cost = float(room["cpu_ms_per_picture"])
        yield Figure(f"CPU, {name.strip()}", "ms", "lower", room.get("by_block") or (), cost)


def _sessions(figures: Mapping[str, Any]) -> Iterator[Figure]:
    yield Figure("calls held", "", "higher", whole=float(figures["held"]))
    for level in figures["levels"]:
        cost = float(level["server_cpu_ms_per_picture"])
        yield Figure(f"CPU of a picture with {level['calls']} calls", "ms", "lower", whole=cost)


def _startup(figures: Mapping[str, Any]) -> Iterator[Figure]:
    rows: Sequence[Mapping[str, float]] = figures.get("rows") or ()
    for name, found in figures["all"].items():
        unit = name.rpartition("_")[2].replace("mb", "MB")
        words = name.rpartition("_")[0].replace("_", " ")
        yield Figure(words, unit, "lower", [row[name] for row in rows], float(found["p50"]))


def _soak(figures: Mapping[str, Any]) -> Iterator[Figure]:
    for name, growth in figures["growth"].items():
        if growth:
            words = f"growth of {name.replace('_', ' ')} an hour"
            yield Figure(words, "", "lower", whole=float(growth["an_hour"]))


def _mark(figures: Mapping[str, Any]) -> Iterator[Figure]:
    for name, found in (("promised", figures["promised"]), ("below that", figures["below"])):
        share = found["right"] / found["windows"]
        yield Figure(f"windows read, {name}", "", "higher", (), share, found["windows"])
