"""Pairs of records in, what has changed out: as lines for a terminal and as a part of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.reporting import differences, figures
from benchmarks.reporting.differences import Difference
from benchmarks.reporting.markup import Markup, badge, section, table
from benchmarks.reporting.records import BUSY_PERCENT, Record
from live.errors import BadRequest

_MACHINE = ("cpu", "cores", "memory_gb")
_NOT_ASKED = ("plot", "sheet", "json", "clip")
"""Arguments that say where something is put, or a file's name without its content."""

Pairs = Sequence[tuple[Record, Record]]


def between(pairs: Pairs, *, anyway: bool = False) -> list[Difference]:
    """Every figure that both of a pair have; raises `BadRequest` where they cannot be compared."""
    found = []
    for older, newer in pairs:
        if not anyway:
            _check_alike(older, newer)
        before = {figure.name: figure for figure in figures.of(older)}
        found += [
            differences.between(newer.name, before[figure.name], figure)
            for figure in figures.of(newer)
            if figure.name in before
        ]
    return found


def lines(found: Sequence[Difference]) -> Iterator[str]:
    """One for each figure."""
    for one in found:
        yield f"{one.benchmark}: {one.name}: {_values(one)}: {words(one)}"


def words(one: Difference) -> str:
    """What may be said of a difference."""
    apart = _signed(one.after - one.before, one.unit)
    if one.interval is None:
        return f"{apart}, of unknown noise (less than three runs, or not kept apart)"
    low, high = (_signed(edge) for edge in one.interval)
    if not one.is_shown:
        return f"no difference shown: {apart} ({low} to {high})"
    return f"{'worse' if one.is_worse else 'better'}: {apart} ({low} to {high})"


def section_of(pairs: Pairs, found: Sequence[Difference]) -> Markup | None:
    """The part of the page; `None` where nothing was compared."""
    if not pairs:
        return None
    rows = [
        (
            f"{one.benchmark}: {one.name}",
            _value(one.before, one.unit),
            _value(one.after, one.unit),
            _signed(one.after - one.before, one.unit),
            "–" if one.interval is None else " to ".join(_signed(edge) for edge in one.interval),
            _badge(one),
        )
        for one in sorted(found, key=_weight)
    ]
    head = ("figure", "before", "after", "difference", "95 % interval", "")
    about = (
        "A difference counts where its 95 % interval, between calls, keeps it from zero. "
        + " ".join(_conditions(older, newer) for older, newer in pairs)
    )
    return section("changes", "Changes", table(head, rows, "After less before"), about=about)


def _check_alike(older: Record, newer: Record) -> None:
    for key in _MACHINE:
        one, other = older.machine.get(key), newer.machine.get(key)
        if one != other:
            raise BadRequest(
                f"{older.file} and {newer.file} are of different machines ({key}: {one}, {other});"
                " measure on one, or say --anyway"
            )
    for key in sorted({*older.arguments, *newer.arguments} - set(_NOT_ASKED)):
        if key in older.arguments and key in newer.arguments:
            one, other = older.arguments[key], newer.arguments[key]
            if one != other:
                raise BadRequest(
                    f"{older.file} and {newer.file} were asked for different things (--{key}:"
                    f" {one}, {other}); measure the same, or say --anyway"
                )


def _conditions(older: Record, newer: Record) -> str:
    said = f"{newer.name}: {older.values.get('commit', 'unknown')} to"
    said += f" {newer.values.get('commit', 'unknown')}"
    old, new = older.values.get("versions", {}), newer.values.get("versions", {})
    changed = [name for name in new if name in old and old[name] != new[name]]
    said += "".join(f", {name} {old[name]} to {new[name]}" for name in changed)
    busy = [
        one.file
        for one in (older, newer)
        if (one.load.get("others_cpu_percent") or 0) > BUSY_PERCENT
    ]
    return said + (f" (the machine was busy: {', '.join(busy)})." if busy else ".")


def _badge(one: Difference) -> Markup:
    if one.interval is None:
        return badge("noise unknown", "open")
    if not one.is_shown:
        return badge("no difference shown", "open")
    return badge("worse", "bad") if one.is_worse else badge("better", "good")


def _weight(one: Difference) -> int:
    return 0 if one.is_worse else 1 if one.is_shown else 2


def _values(one: Difference) -> str:
    return f"{_value(one.before, one.unit)} → {_value(one.after, one.unit)}"


def _value(value: float, unit: str = "") -> str:
    shown = f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    return f"{shown} {unit}".rstrip()


def _signed(value: float, unit: str = "") -> str:
    shown = f"{value:+.2g}" if abs(value) < 1 else f"{value:+.1f}"
    return f"{shown} {unit}".rstrip().replace("-", "\N{MINUS SIGN}")
