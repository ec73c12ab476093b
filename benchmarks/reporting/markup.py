"""Text and values in, HTML out; everything that comes from a record is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

_LONG = 30
"""Characters; longer cells are text to be read rather than values to be compared."""

_MINUS = "\N{MINUS SIGN}"

Cell = object
"""Text or a number; `Markup` goes in as it is."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: Cell, digits: int = 2) -> str:
    """A value as escaped text: numbers without noise, nothing for `None`."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value, digits)
    return escape(str(value))


def number(value: float, digits: int = 2) -> str:
    """As few digits as tell it: 12.3, 0.04, 1500, −2.1."""
    if not math.isfinite(value):
        return "–"
    if value < 0:
        return f"{_MINUS}{number(-value, digits)}"
    value = abs(value)  # of −0.0
    if value >= 100:
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    if value >= 10:
        return f"{value:.1f}"
    if 0 < value < 0.005:
        return f"{value:.1g}"
    return f"{value:.{digits}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], caption: str) -> Markup:
    """A table whose first column names its rows."""
    columns = "".join(f'<th scope="col">{text(name)}</th>' for name in head)
    lines = []
    for first, *rest in rows:
        cells = "".join(f"<td{_side(cell)}>{text(cell)}</td>" for cell in rest)
        lines.append(f'<tr><th scope="row">{text(first)}</th>{cells}</tr>')
    return Markup(
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(caption)}">'
        f"<table><caption>{text(caption)}</caption><thead><tr>{columns}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def section(name: str, title: str, *parts: str, about: str = "") -> Markup:
    """A part of the page with a heading that can be linked to."""
    lead = f'<p class="about">{text(about)}</p>' if about else ""
    return Markup(f'<section id="{name}"><h2>{text(title)}</h2>{lead}{"".join(parts)}</section>')


def part(title: str, *parts: str) -> Markup:
    """A smaller part."""
    return Markup(f"<h3>{text(title)}</h3>{''.join(parts)}")


def side_by_side(*figures: str) -> Markup:
    """Plots that share a line where it is wide enough."""
    return Markup(f'<div class="plots">{"".join(figures)}</div>')


def folded(title: str, *parts: str) -> Markup:
    """What is there for whoever asks."""
    return Markup(f"<details><summary>{text(title)}</summary>{''.join(parts)}</details>")


def signed(value: float) -> str:
    """A difference: its sign is always there."""
    return f"{value:+.1f}".replace("-", _MINUS)


def badge(words: str, kind: str) -> Markup:
    """A word with a colour: `good`, `bad` or `open`."""
    return Markup(f'<span class="badge {kind}">{text(words)}</span>')


def _side(cell: Cell) -> str:
    if isinstance(cell, str) and not isinstance(cell, Markup) and len(cell) > _LONG:
        return ' class="words"'
    return ""
