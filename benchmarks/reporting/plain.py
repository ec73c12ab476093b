"""The part of the page about any other benchmark: its figures as tables, as they were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.reporting.markup import Cell, Markup, folded, part, table
from benchmarks.reporting.records import Record

_MOST_ROWS = 40
_MOST_COLUMNS = 10


def figures(record: Record) -> list[Markup]:
    """Single values in one table, then a table for each group of them."""
    return _tables("", record.figures)


def _tables(title: str, values: Mapping[str, Any]) -> list[Markup]:
    single = [(_words(key), _cell(value)) for key, value in values.items() if _is_single(value)]
    parts = [table(("", "value"), single, title or "Figures")] if single else []
    for key, value in values.items():
        if _is_single(value):
            continue
        name = f"{title}, {_words(key)}" if title else _words(key)
        rows = _rows(value)
        if rows is not None:
            parts.append(_table(name, rows))
        elif isinstance(value, Mapping):
            parts += _tables(name, value)
    return parts if title else [part("Figures", *parts)] if parts else []


def _rows(value: Any) -> dict[str, Mapping[str, Any]] | None:
    """A table's rows by name, where a value is one: groups of single values alike."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = {str(index + 1): each for index, each in enumerate(value)}
    if not isinstance(value, Mapping) or not value:
        return None
    if not all(isinstance(each, Mapping) for each in value.values()):
        return None
    if any(not _is_single(cell) for each in value.values() for cell in each.values()):
        return None
    return dict(value)


def _table(name: str, rows: Mapping[str, Mapping[str, Any]]) -> Markup:
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))[:_MOST_COLUMNS]
    lines = [
        (_words(key), *(_cell(row.get(column)) for column in columns)) for key, row in rows.items()
    ]
    made = table(("", *map(_words, columns)), lines, name)
    return folded(f"{name}: {len(lines)} rows", made) if len(lines) > _MOST_ROWS else made


def _is_single(value: Any) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return len(value) <= 4 and all(_is_single(each) for each in value)
    return value is None or isinstance(value, str | int | float)


def _cell(value: Cell) -> Cell:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in value)
    return value


def _words(key: str) -> str:
    return key.replace("_", " ").strip()
