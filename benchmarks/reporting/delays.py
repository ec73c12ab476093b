"""The parts of the page about delay: kinds of calls beside each other, and where the time goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.reporting import plots
from benchmarks.reporting.markup import Markup, folded, part, side_by_side, signed, table
from benchmarks.reporting.records import Record, percentiles

_OPEN_CELLS = 3
_SIDES = ("page", "server", "network", "rest")
_AGES = {"p50": "p50 ms", "p95": "p95 ms", "p99": "p99 ms", "max": "largest"}
_ALSO = {"fps": "fps", "server_cpu_ms_per_picture": "server CPU ms"}
_THINGS = {"voice_latency": "sound"}
"""What is late, where it is no picture."""


def latency(record: Record) -> list[Markup]:
    """Of `visavis bench latency` and its like: one part for each cell of the matrix."""
    cells: Mapping[str, Any] = record.figures.get("cells") or record.figures.get("calls") or {}
    kinds = {name: _kinds(cell) for name, cell in cells.items()}
    parts = [
        side_by_side(
            plots.bars("Delay, median", _of(kinds, "p50"), "ms"),
            plots.bars("Delay, 95th percentile", _of(kinds, "p95"), "ms"),
        )
    ]
    parts += _movement(record.figures.get("movement") or {})
    thing = _THINGS.get(record.name, "picture")
    for index, (name, cell) in enumerate(cells.items()):
        body = _cell(kinds[name], cell, thing)
        parts.append(part(name, *body) if index < _OPEN_CELLS else folded(name, *body))
    return parts


def _movement(found: Mapping[str, Any]) -> list[Markup]:
    """The black box beside the time code: both have to agree where nothing smooths."""
    rows = [
        (kind, one["time_code_ms"], *(_sure(one.get(part)) for part in ("jaw", "yaw")))
        for kind, one in found.items()
        if "time_code_ms" in one
    ]
    head = ("", "by time code, ms", "by the jaw's movement", "by the head's")
    about = "Delay by the time code, and by movement alone, without any help of the server"
    return [table(head, rows, about)] if rows else []


def _sure(found: Mapping[str, Any] | None) -> str | None:
    return None if found is None else f"{found['ms']:.1f} ± {found['uncertainty_ms']:.1f}"


def _kinds(cell: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {
        kind: one
        for kind, one in cell.items()
        if isinstance(one, Mapping) and percentiles(one.get("age_ms"))
    }


def _of(
    kinds: Mapping[str, Mapping[str, Mapping[str, Any]]], which: str
) -> dict[str, dict[str, float]]:
    """By cell, without the words that all of them share, then by kind."""
    shared = set.intersection(*(set(name.split()) for name in kinds)) if len(kinds) > 1 else set()
    return {
        " ".join(word for word in name.split() if word not in shared) or name: {
            kind: float(one["age_ms"][which]) for kind, one in found.items()
        }
        for name, found in kinds.items()
        if found
    }


def _cell(
    kinds: Mapping[str, Mapping[str, Any]], cell: Mapping[str, Any], thing: str
) -> list[Markup]:
    also = {key: head for key, head in _ALSO.items() if any(one.get(key) for one in kinds.values())}
    rows = [
        (
            kind,
            one["age_ms"]["n"],
            *(float(one["age_ms"][key]) for key in _AGES),
            *(one.get(key) for key in also),
        )
        for kind, one in kinds.items()
    ]
    head = ("", f"{thing}s", *_AGES.values(), *also.values())
    body = [table(head, rows, "Delay of each kind of call"), _added(cell)]
    figures = [*_over_time(kinds, thing), *_falls(kinds)]
    return [each for each in (*body, side_by_side(*figures) if figures else Markup()) if each]


def _added(cell: Mapping[str, Any]) -> Markup:
    rows = []
    for name, found in cell.items():
        if isinstance(found, Mapping) and "by_run" in found and "median" in found:
            interval = found.get("interval95")
            between = " to ".join(signed(end) for end in interval) if interval else "–"
            rows.append(
                (name.replace("_", " "), signed(found["median"]), between, found.get("p95"))
            )
    if not rows:
        return Markup()
    return table(("", "median ms", "95 % interval", "p95 ms"), rows, "Differences, calls in turn")


def _over_time(kinds: Mapping[str, Mapping[str, Any]], thing: str) -> list[Markup]:
    series = {kind: calls for kind, one in kinds.items() if (calls := ages(one))}
    if not series:
        return []
    return [
        plots.scatter(f"Delay of every {thing}", series, "seconds, calls one after another", "ms"),
        plots.tails(
            "How often delay is larger",
            {kind: [ms for _, ms in points] for kind, points in series.items()},
            "ms",
            f"share of {thing}s above",
        ),
    ]


def ages(one: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Every picture's moment and delay, the calls behind each other."""
    found: list[tuple[float, float]] = []
    begins = 0.0
    for call in one.get("by_call") or ():
        pairs = [pair for pair in call.get("ages") or () if isinstance(pair[1], int | float)]
        found += [(begins + float(at), float(ms)) for at, ms in pairs]
        if pairs:
            begins = found[-1][0] + 0.5
    return found


def _falls(kinds: Mapping[str, Mapping[str, Any]]) -> list[Markup]:
    found = []
    for kind, one in kinds.items():
        stages = [
            (
                str(stage["stage"]).replace("_", " "),
                float(stage["ms"]),
                _SIDES.index(stage["side"]) if stage.get("side") in _SIDES else 3,
            )
            for stage in one.get("stages") or ()
        ]
        if stages:
            title = f"Where the time goes: {kind}"
            found.append(plots.waterfall(title, stages, "ms, means", _SIDES))
        elif rooms := _rooms(one.get("server_ms") or {}):
            found.append(plots.waterfall(f"In the server: {kind}", rooms, "ms, medians"))
    return found


def _rooms(server: Mapping[str, Any]) -> list[tuple[str, float, int]]:
    """Of records older than the stages: the rooms, and the rest of the way through the server."""
    found = [
        (name, float(one["p50"]), 1)
        for name, one in server.items()
        if name != "captured_to_sent" and percentiles(one)
    ]
    whole = percentiles(server.get("captured_to_sent"))
    if found and whole:
        found.append(("rest", max(0.0, whole["p50"] - sum(ms for _, ms, _ in found)), 3))
    return found
