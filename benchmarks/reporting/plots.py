"""Series in, plots as inline SVG out: no script, colours of the page's own.

Each plot is a `<figure>` with a title and a sentence for who cannot see it; its numbers stand in a
table beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.reporting.axes import Axis, reaching
from benchmarks.reporting.markup import Markup, number, text

WIDTH, HEIGHT = 460, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 26, 42
_TOP_OF_BARS = 8
_ROW = 22
_MOST_POINTS = 600
_LONGEST_NAME = 26

Points = Sequence[tuple[float, float]]


def lines(
    title: str,
    series: Mapping[str, Points],
    x_name: str,
    y_name: str,
    *,
    limit: float | None = None,
    dots: bool = False,
    from_zero: bool = True,
) -> Markup:
    """Lines over x; `limit`: drawn across, as what is not to be passed."""
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    x = _across(*reaching(xs, from_zero=False)) if dots else _across(min(xs), max(xs) or 1.0)
    x = replace(x, whole=all(each == round(each) for each in xs))
    y = _up(*reaching([*ys, *([limit] if limit is not None else [])], from_zero=from_zero))
    parts = [_frame(x, y, x_name, y_name)]
    for index, points in enumerate(series.values()):
        kept = _thinned(points)
        path = " ".join(f"{x.at(a)},{y.at(b)}" for a, b in kept)
        parts.append(f'<polyline class="line s{index % 8}" points="{path}"/>')
        if dots:
            parts += [
                f'<circle class="dot s{index % 8}" cx="{x.at(a)}" cy="{y.at(b)}" r="3.2"/>'
                for a, b in kept
            ]
    parts.append(_rule(y, limit))
    return figure(title, parts, list(series), _ranges(series, y_name))


def scatter(title: str, series: Mapping[str, Points], x_name: str, y_name: str) -> Markup:
    """Single values over x: every picture a point."""
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    x, y = _across(min(xs), max(xs) or 1.0), _up(*reaching(ys))
    parts = [_frame(x, y, x_name, y_name)]
    for index, points in enumerate(series.values()):
        marks = "".join(f"M{x.at(a)} {y.at(b)}h0" for a, b in _thinned(points, 1500))
        parts.append(f'<path class="points s{index % 8}" d="{marks}"/>')
    return figure(title, parts, list(series), _ranges(series, y_name))


def tails(title: str, series: Mapping[str, Sequence[float]], x_name: str, y_name: str) -> Markup:
    """Which share of the values is above x, on a logarithmic scale: the tail is where it hurts."""
    least = min(1 / len(values) for values in series.values())
    everything = [value for values in series.values() for value in values]
    x = _across(0.0, reaching(everything)[1])
    y = Axis(min(max(least, 1e-4), 0.01), 1.0, HEIGHT - _BOTTOM, _TOP, log=True)
    parts = [_frame(x, y, x_name, y_name, percent=True)]
    for index, values in enumerate(series.values()):
        ordered = np.sort(np.asarray(values, np.float64))
        shares = 1 - np.arange(len(ordered)) / len(ordered)
        steps = _thinned(list(zip(ordered.tolist(), shares.tolist(), strict=True)))
        path = " ".join(f"{x.at(a)},{y.at(b)}" for a, b in steps)
        parts.append(f'<polyline class="line s{index % 8}" points="{path}"/>')
    said = "; ".join(
        f"{name}: half above {number(float(np.median(values)))}, 1 % above"
        f" {number(float(np.percentile(values, 99)))} ms"
        for name, values in series.items()
    )
    return figure(title, parts, list(series), said)


def waterfall(
    title: str,
    stages: Sequence[tuple[str, float, int]],
    x_name: str,
    owners: Sequence[str] = (),
) -> Markup:
    """Stages one after another, each where the one before ended: name, length, whose it is.

    `owners`: what the last of these numbers stands for.
    """
    height = _TOP_OF_BARS + _ROW * len(stages) + _BOTTOM
    left = _room_for(name for name, _, _ in stages)
    ends = np.cumsum([length for _, length, _ in stages])
    x = Axis(0.0, float(max(ends.max(), 1e-9)) * 1.12, left, WIDTH - _RIGHT)
    parts = [_frame_below(x, x_name, height, left)]
    for row, ((name, length, colour), end) in enumerate(zip(stages, ends, strict=True)):
        top = _TOP_OF_BARS + row * _ROW
        start, stop = sorted((x.at(float(end) - length), x.at(float(end))))
        parts.append(
            f"{_name(name, left, top + 15)}"
            f'<rect class="bar s{colour % 8}" x="{start}" y="{top + 3}"'
            f' width="{max(stop - start, 1.2):.1f}" height="{_ROW - 6}" rx="2"/>'
            f'<text class="value" x="{stop + 5}" y="{top + 15}">{number(length)}</text>'
        )
    said = ", ".join(f"{name} {number(length)} ms" for name, length, _ in stages)
    return figure(title, parts, owners, said, height)


def bars(
    title: str,
    groups: Mapping[str, Mapping[str, float]],
    x_name: str,
    *,
    limit: float | None = None,
) -> Markup:
    """For each group a bar for each of its members, lying, the value beside it."""
    members = list(dict.fromkeys(name for group in groups.values() for name in group))
    row = max(9, _ROW - 4 * (len(members) - 1))
    tall = [row * len(group) + 10 for group in groups.values()]
    height, left = _TOP_OF_BARS + sum(tall) + _BOTTOM, _room_for(groups)
    values = [value for group in groups.values() for value in group.values()]
    x = Axis(0.0, max([*values, limit or 0.0, 1e-9]) * 1.14, left, WIDTH - _RIGHT)
    parts = [_frame_below(x, x_name, height, left)]
    top = float(_TOP_OF_BARS)
    for (name, group), size in zip(groups.items(), tall, strict=True):
        middle = top + (size - 10) / 2 + 4
        parts.append(f"{_name(name, left, middle)}")
        for place, (member, value) in enumerate(group.items()):
            y, colour = top + place * row, members.index(member) % 8
            parts.append(
                f'<rect class="bar s{colour}" x="{left}" y="{y + 1:.1f}"'
                f' width="{max(x.at(value) - left, 1.2):.1f}" height="{row - 2}" rx="2"/>'
                f'<text class="value" x="{x.at(value) + 4}" y="{y + row / 2 + 4:.1f}">'
                f"{number(value)}</text>"
            )
        top += size
    if limit is not None:
        parts.append(
            f'<line class="limit" x1="{x.at(limit)}" x2="{x.at(limit)}" y1="{_TOP_OF_BARS}"'
            f' y2="{height - _BOTTOM}"/>'
        )
    said = "; ".join(
        f"{name}: " + ", ".join(f"{member} {number(value)}" for member, value in group.items())
        for name, group in groups.items()
    )
    return figure(title, parts, members if len(members) > 1 else [], said, height)


def stacked(title: str, groups: Mapping[str, Mapping[str, float]], x_name: str) -> Markup:
    """For each group one bar made of its members."""
    members = list(dict.fromkeys(name for group in groups.values() for name in group))
    height, left = _TOP_OF_BARS + 40 * len(groups) + _BOTTOM, _room_for(groups)
    longest = max(sum(group.values()) for group in groups.values())
    x = Axis(0.0, longest * 1.12, left, WIDTH - _RIGHT)
    parts = [_frame_below(x, x_name, height, left)]
    for row, (name, group) in enumerate(groups.items()):
        top, end = _TOP_OF_BARS + 40 * row, 0.0
        parts.append(f"{_name(name, left, top + 22)}")
        for member, value in group.items():
            start, end = end, end + value
            parts.append(
                f'<rect class="bar s{members.index(member) % 8}" x="{x.at(start)}" y="{top + 4}"'
                f' width="{max(x.at(end) - x.at(start) - 0.6, 0.4):.1f}" height="28"/>'
            )
        parts.append(f'<text class="value" x="{x.at(end) + 5}" y="{top + 22}">{number(end)}</text>')
    said = "; ".join(
        f"{name}: " + ", ".join(f"{member} {number(value)}" for member, value in group.items())
        for name, group in groups.items()
    )
    return figure(title, parts, members, said, height)


def figure(
    title: str, parts: Sequence[str], names: Sequence[str], said: str, height: int = HEIGHT
) -> Markup:
    """A plot with its title, its legend, and what it shows in words."""
    keys = "".join(
        f'<li><i class="s{index % 8}"></i>{text(name)}</li>' for index, name in enumerate(names)
    )
    legend = f'<ul class="legend">{keys}</ul>' if keys else ""
    return Markup(
        f"<figure><figcaption>{text(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img"><title>{text(title)}</title>'
        f"<desc>{text(said)}</desc>{''.join(parts)}</svg>{legend}</figure>"
    )


def _name(name: str, left: float, y: float) -> str:
    shown = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    return f'<text class="name" x="{left - 6}" y="{y:.1f}" text-anchor="end">{text(shown)}</text>'


def _room_for(names: Iterable[str]) -> int:
    """Where bars begin, right of their names."""
    longest = min(max((len(name) for name in names), default=0), _LONGEST_NAME)
    return 14 + round(7 * longest)


def _across(low: float, high: float) -> Axis:
    return Axis(low, high if high > low else low + 1.0, _LEFT, WIDTH - _RIGHT)


def _up(low: float, high: float) -> Axis:
    return Axis(low, high, HEIGHT - _BOTTOM, _TOP)


def _frame(x: Axis, y: Axis, x_name: str, y_name: str, *, percent: bool = False) -> str:
    parts = [_frame_below(x, x_name, HEIGHT, _LEFT)]
    for tick in y.ticks():
        at = y.at(tick)
        words = f"{tick * 100:g} %" if percent else _tick(tick)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>'
            f'<text class="tick" x="{_LEFT - 5}" y="{at + 4}" text-anchor="end">{words}</text>'
        )
    parts.append(f'<text class="axis" x="4" y="{_TOP - 12}">{text(y_name)}</text>')
    return "".join(parts)


def _frame_below(x: Axis, name: str, height: int, left: int) -> str:
    base = height - _BOTTOM
    top = _TOP if height == HEIGHT else _TOP_OF_BARS
    parts = [f'<line class="base" x1="{left}" x2="{WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>']
    for tick in x.ticks():
        at = x.at(tick)
        parts.append(
            f'<line class="grid" x1="{at}" x2="{at}" y1="{top}" y2="{base}"/>'
            f'<text class="tick" x="{at}" y="{base + 15}" text-anchor="middle">{_tick(tick)}</text>'
        )
    parts.append(
        f'<text class="axis" x="{(left + WIDTH - _RIGHT) / 2}" y="{base + 33}"'
        f' text-anchor="middle">{text(name)}</text>'
    )
    return "".join(parts)


def _rule(y: Axis, limit: float | None) -> str:
    if limit is None:
        return ""
    at = y.at(limit)
    return f'<line class="limit" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>'


def _tick(value: float) -> str:
    return f"{value:g}" if abs(value) < 10_000 else f"{value / 1000:g}k"


def _thinned(points: Points, most: int = _MOST_POINTS) -> Points:
    """Not more than `most`: of each stretch its lowest and highest, so that no peak is lost."""
    if len(points) <= most:
        return points
    kept: list[tuple[float, float]] = []
    for stretch in np.array_split(np.arange(len(points)), most // 2):
        some = [points[index] for index in stretch]
        ends = {min(some, key=lambda one: one[1]), max(some, key=lambda one: one[1])}
        kept += sorted(ends)
    return kept


def _ranges(series: Mapping[str, Points], y_name: str) -> str:
    said = []
    for name, points in series.items():
        ys = [y for _, y in points]
        said.append(f"{name}: {number(min(ys))} to {number(max(ys))}")
    return f"{y_name}. " + "; ".join(said)
