"""The parts of the page about many calls and long ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.reporting import plots
from benchmarks.reporting.markup import Markup, badge, side_by_side, table, text
from benchmarks.reporting.records import Record

_GROWN = {
    "memory_mb": "Memory, MB",
    "delay_ms": "Delay of a reference call, ms",
}
_HELD = ("tasks", "threads", "handles", "temp_files")


def sessions(record: Record) -> list[Markup]:
    """How far calls can be added."""
    figures = record.figures
    levels: Sequence[Mapping[str, Any]] = figures["levels"]

    def of(*keys: str) -> list[tuple[float, float]]:
        found = []
        for level in levels:
            value: Any = level
            for key in keys:
                value = value.get(key) if isinstance(value, Mapping) else None
            if isinstance(value, int | float):
                found.append((float(level["calls"]), float(value)))
        return found

    fps = {"slowest call": of("fps", "slowest"), "fastest call": of("fps", "fastest")}
    delay = {"p95": of("age_ms", "p95"), "p50": of("age_ms", "p50")}
    cpu = {"server": of("server_cpu_percent"), "callers": of("callers_cpu_percent")}
    drawn = [
        plots.lines("Pictures a second", fps, "calls", "fps", limit=25.0, dots=True),
        plots.lines("Delay of the first call", delay, "calls", "ms", dots=True),
        plots.lines("CPU", cpu, "calls", "% of a core", dots=True),
    ]
    head = (
        "calls",
        "slowest fps",
        "fastest fps",
        "p50 ms",
        "p95 ms",
        "CPU ms a picture",
        "server MB",
    )
    rows = [
        (
            str(level["calls"]),
            level["fps"]["slowest"],
            level["fps"]["fastest"],
            (level["age_ms"] or {}).get("p50"),
            (level["age_ms"] or {}).get("p95"),
            level.get("server_cpu_ms_per_picture"),
            level.get("server_mb"),
        )
        for level in levels
    ]
    words = f"{figures['held']} calls are held; {figures['why']}."
    beyond = figures.get("beyond") or {}
    more = beyond.get("words") or beyond.get("outcome")
    if more:
        words += f" One call more: {more}."
    return [
        Markup(f'<p class="note">{text(words)}</p>'),
        side_by_side(*drawn),
        table(head, rows, "Level by level; the dashed line is 25 pictures a second"),
    ]


def soak(record: Record) -> list[Markup]:
    """What hours leave behind."""
    figures, looks = record.figures, record.figures["looks"]
    hours = [look["at_s"] / 3600 for look in looks]

    def of(name: str) -> list[tuple[float, float]]:
        return [
            (hour, float(look["values"][name]))
            for hour, look in zip(hours, looks, strict=True)
            if look["values"].get(name) is not None
        ]

    drawn = [
        plots.lines(title, {name.replace("_", " "): of(name)}, "hours", "", dots=True)
        for name, title in _GROWN.items()
        if of(name)
    ]
    held = {name.replace("_", " "): of(name) for name in _HELD if of(name)}
    if held:
        drawn.append(plots.lines("Held while nobody calls", held, "hours", "", dots=True))
    outcome = (
        badge("a limit broke", "bad") if figures["broken"] else badge("no limit broke", "good")
    )
    said = f" {figures['step']} steps in {figures['hours']:g} hours. {figures['broken']}"
    growth = [
        (name.replace("_", " "), each["an_hour"], each["standard_error"])
        for name, each in figures["growth"].items()
        if each
    ]
    steps = [(name.replace("_", " "), count) for name, count in figures["steps"].items()]
    tables = [table(("what callers did", "times"), steps, "Steps, drawn by lot from a seed")]
    if growth:
        tables.insert(0, table(("", "an hour", "± standard error"), growth, "Growth"))
    return [
        Markup(f'<p class="note">{outcome}{text(said)}</p>'),
        side_by_side(*drawn),
        side_by_side(*tables),
    ]
