"""The parts of the page about rooms, bad lines and the mark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.reporting import plots
from benchmarks.reporting.delays import ages
from benchmarks.reporting.markup import Markup, folded, number, part, side_by_side, table, text
from benchmarks.reporting.records import Record, percentiles

_CODED = ("decode", "encode")


def rooms(record: Record) -> list[Markup]:
    """CPU of each room, and of each network on each backend."""
    found: Mapping[str, Any] = record.figures["rooms"]
    whole: dict[str, float] = {}
    for name, room in found.items():
        if not name.startswith(" "):
            way = name.partition(" ")[0]  # of the codecs, whose mean counts
            share = 0.5 if way in _CODED else 1.0
            whole[way] = whole.get(way, 0.0) + share * float(room["cpu_ms_per_picture"])
    inside = {name.strip(): room for name, room in found.items() if name.startswith(" ")}
    head = ("", "calls", "CPU p50 ms", "p95", "wall p50 ms", "p95", "cold ms", "CPU ms a picture")
    rows = [
        (
            name.strip() if not name.startswith(" ") else Markup(f"&emsp;{text(name.strip())}"),
            room["calls"],
            *_two(room["cpu_ms"]),
            *_two(room["wall_ms"]),
            room["cold_ms"],
            room["cpu_ms_per_picture"],
        )
        for name, room in found.items()
    ]
    total = record.figures["total_cpu_ms_per_picture"]
    drawn = [
        plots.stacked("CPU of one picture, room by room", {"a picture": whole}, "ms"),
        plots.bars(
            "CPU of networks and drawing stages, a picture",
            {name: {"": float(room["cpu_ms_per_picture"])} for name, room in inside.items()},
            "ms",
        ),
    ]
    words = f"{number(float(total))} ms of CPU a picture, with the mean of the two codecs."
    parts = [
        Markup(f'<p class="note">{text(words)}</p>'),
        side_by_side(*drawn),
        table(head, rows, "Every room; indented: what is inside of one"),
    ]
    return parts + _networks(record.figures.get("networks") or {})


def _networks(tables: Mapping[str, Any]) -> list[Markup]:
    head = ("", "threads", "CPU ms", "wall ms", "load ms", "first ms", "off by")
    keys = ("threads", "cpu_ms", "wall_ms", "load_ms", "first_ms", "difference")
    parts = []
    for name, found in tables.items():
        rows = [(way["name"], *(way.get(key) for key in keys)) for way in found["ways"]]
        words = f"{name}: medians of {found['rounds']} rounds in turn"
        parts.append(table(head, rows, words))
    return [part("Networks, on each backend", *parts)] if parts else []


def _two(summary: Any) -> tuple[float | None, float | None]:
    found = percentiles(summary)
    return (None, None) if found is None else (found["p50"], found["p95"])


def faults(record: Record) -> list[Markup]:
    """The same faults in front of several servers."""
    cells: Mapping[str, Mapping[str, Any]] = record.figures["cells"]
    cases: Mapping[str, Any] = record.figures.get("cases") or {}

    def of(read: Any) -> dict[str, dict[str, float]]:
        return {
            name: {kind: float(read(one)) for kind, one in cell.items() if read(one) is not None}
            for name, cell in cells.items()
        }

    drawn = [
        plots.bars(
            "Delay, 99th percentile", of(lambda one: (one["age_ms"] or {}).get("p99")), "ms"
        ),
        plots.bars("Longest gap between pictures", of(lambda one: one["longest_ms"]), "ms"),
    ]
    head = ("", "p50 ms", "p95", "p99", "fps", "frozen ms", "longest gap", "fresh after an outage")
    rows = []
    for name, cell in cells.items():
        for kind, one in cell.items():
            age = one["age_ms"] or {}
            rows.append(
                (
                    f"{name}, {kind}",
                    *(age.get(key) for key in ("p50", "p95", "p99")),
                    one["fps"],
                    one["frozen_ms"],
                    one["longest_ms"],
                    (one.get("outage") or {}).get("fresh_ms"),
                )
            )
    known = [(name, Markup(text(case["words"]))) for name, case in cases.items()]
    parts = [side_by_side(*drawn), table(head, rows, "Every case and kind of call")]
    if known:
        parts.insert(1, folded("What the cases are", table(("case", "line"), known, "Cases")))
    return parts + [_course(name, cell) for name, cell in cells.items()]


def _course(name: str, cell: Mapping[str, Any]) -> Markup:
    series = {kind: points for kind, one in cell.items() if (points := ages(one))}
    if not series:
        return Markup()
    plot = plots.scatter(f"{name}: delay of every picture", series, "seconds", "ms")
    return folded(f"{name}, over time", side_by_side(plot))


def mark(record: Record) -> list[Markup]:
    """Which attacks the mark lives through."""
    cells = record.figures["cells"]
    lines = list(dict.fromkeys((cell["codec"], cell["bitrate"]) for cell in cells))
    attacks = list(dict.fromkeys(cell["attack"] for cell in cells))
    by_place = {(cell["attack"], cell["codec"], cell["bitrate"]): cell for cell in cells}
    rows = []
    for attack in attacks:
        found = [by_place.get((attack, *line)) for line in lines]
        rows.append((attack, *(None if cell is None else _right(cell) for cell in found)))
    head = ("", *(f"{codec} {bitrate // 1000}k" for codec, bitrate in lines))
    promised = record.figures["promised"]
    words = (
        f"{promised['right']} of {promised['windows']} windows of two seconds are read back whole"
        f" at the promised rates, {promised['wrong']} wrongly."
    )
    by_rate = {
        f"{line['codec']} {line['bitrate'] // 1000}k": {"": line["right"] / line["windows"] * 100}
        for line in record.figures["lines"]
    }
    return [
        Markup(f'<p class="note">{text(words)}</p>'),
        side_by_side(plots.bars("Windows read back, all attacks", by_rate, "%")),
        table(head, rows, "Windows read back, of those tried"),
    ]


def _right(cell: Mapping[str, Any]) -> Markup:
    kind = "good" if cell["right"] == cell["windows"] else "open" if cell["right"] else "bad"
    return Markup(f'<span class="badge {kind}">{cell["right"]}/{cell["windows"]}</span>')
