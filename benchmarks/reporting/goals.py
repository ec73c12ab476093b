"""Records in, what of our goals they meet out; a goal that no record speaks of is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.reporting.markup import Cell, Markup, badge, number, table, text
from benchmarks.reporting.records import UNREADABLE, Record, percentiles


@dataclass(frozen=True, slots=True)
class Goal:
    """What was wanted and what was found; `found` is `None` where it could not be measured."""

    what: str
    unit: str
    found: float | None
    wanted: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        if self.found is None:
            return False
        return self.found >= self.wanted if self.at_least else self.found <= self.wanted


_ECHO = {"track": {"p50": 12.0}, "display": {"p50": 22.0, "p95": 32.0}}
_ADDED = {"median": 18.0, "p95": 30.0}
_CPU_MS = 14.0
_CALLS_PER_CORE = 2.0
_FIRST_PICTURE_MS = 600.0
_HEAD = ("", "found", "goal", "")


def headline(records: Sequence[Record], title: Callable[[Record], str]) -> list[Markup]:
    """What a reader sees first: how many goals are met, which are not, and a table of each record.

    `title`: what a record is called.
    """
    found = {title(record): goals for record in records if (goals := _readable(record))}
    if not found:
        return []
    every = [(name, goal) for name, goals in found.items() for goal in goals]
    missed = [f"{name}, {goal.what}" for name, goal in every if not goal.met]
    said = f"{len(every) - len(missed)} of {len(every)} goals are met."
    if missed:
        said += f" Missed: {'; '.join(missed)}."
    tables = (table(_HEAD, map(_row, goals), name) for name, goals in found.items())
    return [Markup(f'<p class="note">{text(said)}</p>'), *tables]


def _row(goal: Goal) -> tuple[Cell, ...]:
    return (
        goal.what,
        "–" if goal.found is None else _said(goal.found, goal.unit),
        f"{'≥' if goal.at_least else '≤'} {_said(goal.wanted, goal.unit)}",
        badge("met", "good") if goal.met else badge("missed", "bad"),
    )


def _readable(record: Record) -> list[Goal]:
    try:
        return list(of(record))
    except UNREADABLE:
        return []


def of(record: Record) -> Iterator[Goal]:
    """A record's goals: those that it states itself, or those known here."""
    stated = record.figures.get("goals")
    if isinstance(stated, Sequence):
        for goal in stated:
            wanted, found = float(goal["goal_ms"]), goal["found_ms"]
            yield Goal(str(goal["what"]), "ms", None if found is None else float(found), wanted)
        return
    known = {"latency": _latency, "rooms": _rooms, "sessions": _sessions, "startup": _startup}
    if record.name in known:
        yield from known[record.name](record)


def _latency(record: Record) -> Iterator[Goal]:
    for name, cell in record.figures.get("cells", {}).items():
        sink = next((sink for sink in _ECHO if sink in name), None)
        age = percentiles((cell.get("echo") or {}).get("age_ms"))
        if sink and age:
            for which, wanted in _ECHO[sink].items():
                yield Goal(f"Echo, {name}: delay, {which}", "ms", age[which], wanted)
        added: Mapping[str, Any] = cell.get("avatar_over_echo") or {}
        for which, wanted in _ADDED.items():
            if isinstance(added.get(which), int | float):
                yield Goal(f"Avatar over echo, {name}: {which}", "ms", added[which], wanted)


def _rooms(record: Record) -> Iterator[Goal]:
    total = record.figures.get("total_cpu_ms_per_picture")
    yield Goal("CPU of a picture in all rooms, coding included", "ms", total, _CPU_MS)


def _sessions(record: Record) -> Iterator[Goal]:
    cores = record.machine.get("cores") or 1
    held = float(record.figures["held"])
    wanted = _CALLS_PER_CORE * cores
    yield Goal(f"Calls held at 25 fps on {cores} cores", "", held, wanted, at_least=True)


def _startup(record: Record) -> Iterator[Goal]:
    first = percentiles(record.figures["all"].get("warm_call_first_picture_ms"))
    if first:
        yield Goal("Warm: from POST to the first picture", "ms", first["p50"], _FIRST_PICTURE_MS)


def _said(value: float, unit: str) -> str:
    return f"{number(value)} {unit}" if unit else f"{value:g}"
