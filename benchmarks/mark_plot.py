"""The benchmark's figures and streams go in; a plot and a contact sheet come out.

The plots are SVG. `recovery`: for each codec the share of windows recovered over the bit rate, one
line for each attack, a thick one over all with its interval. `survival`: tails of scores on a
logarithmic axis. The sheet is a PNG: for each stream a row of unmarked, marked, difference × 10
about grey, and what a viewer sees at 300 kbit/s of both codecs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.mark_codecs import Codec, Video, call
from benchmarks.mark_trials import Stream
from engines.types import Rgb

_GAIN = 10
_SHOWN_BITRATE = 300_000
_WIDTH, _HEIGHT, _GAP = 380, 260, 60
_FULL = 0.99
"""Lines that stay above it from `_SHOWN_BITRATE` on are not named."""
_DECADES = 10
_POINTS = 200
_MOST_SCORE = 15.0
_COLOURS = ("#c0392b", "#d68910", "#7d3c98", "#1f618d", "#117864", "#839192")


Curve = Callable[[float], float]


def recovery(figures: dict[str, Any]) -> str:
    """The plot, as the text of an SVG file."""
    wide = len(Codec) * (_WIDTH + 4 * _GAP) + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {_HEIGHT + 2 * _GAP}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, codec in enumerate(Codec):
        left = _GAP + number * (_WIDTH + 4 * _GAP)
        parts.append(f'<g transform="translate({left} {_GAP})">{_panel(figures, codec)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(figures: dict[str, Any], codec: Codec) -> str:
    lines = [line for line in figures["lines"] if line["codec"] == codec]
    cells = [cell for cell in figures["cells"] if cell["codec"] == codec]
    parts = [_axes(str(codec), [line["bitrate"] for line in lines])]
    low = [(line["bitrate"], line["interval95"][0]) for line in lines]
    high = [(line["bitrate"], line["interval95"][1]) for line in lines]
    parts.append(f'<polygon points="{_points([*low, *high[::-1]])}" fill="#000" opacity=".12"/>')
    named = 0
    for attack in dict.fromkeys(cell["attack"] for cell in cells):
        shares = [
            (cell["bitrate"], cell["right"] / cell["windows"])
            for cell in cells
            if cell["attack"] == attack
        ]
        if all(value >= _FULL for bitrate, value in shares if bitrate >= _SHOWN_BITRATE):
            parts.append(_line(shares, "#d5d8dc", 1.5))
            continue
        colour = _COLOURS[named % len(_COLOURS)]
        parts.append(_line(shares, colour, 1.5))
        parts.append(
            f'<text x="{_WIDTH + 8}" y="{14 * named + 12}" fill="{colour}">{escape(attack)}</text>'
        )
        named += 1
    parts.append(_line([(line["bitrate"], line["right"] / line["windows"]) for line in lines]))
    return "".join(parts)


def _axes(title: str, bitrates: Sequence[int]) -> str:
    parts = [f'<text x="0" y="-16" font-size="15">{title}: % of windows recovered</text>']
    for percent in range(0, 101, 20):
        y = _y(percent / 100)
        parts.append(f'<line x1="0" x2="{_WIDTH}" y1="{y}" y2="{y}" stroke="#e5e7e9"/>')
        parts.append(f'<text x="-8" y="{y + 4}" text-anchor="end">{percent}</text>')
    for bitrate in bitrates:
        x = _x(bitrate)
        parts.append(
            f'<text x="{x}" y="{_HEIGHT + 20}" text-anchor="middle">{bitrate // 1000}</text>'
        )
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT + 42}" text-anchor="middle">kbit/s</text>')
    return "".join(parts)


def _line(shares: Sequence[tuple[int, float]], colour: str = "#000", width: float = 3) -> str:
    points = _points(shares)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _points(shares: Sequence[tuple[int, float]]) -> str:
    return " ".join(f"{_x(bitrate)},{_y(value)}" for bitrate, value in shares)


def _x(bitrate: int) -> float:
    """Logarithmic, 100 kbit/s … 2 Mbit/s."""
    return round(_WIDTH * math.log(bitrate / 1e5) / math.log(20), 1)


def _y(share: float) -> float:
    return round(_HEIGHT * (1 - share), 1)


def survival(
    curves: Mapping[str, NDArray[np.float64]],
    bounds: Mapping[str, tuple[float, Curve]],
    limit: tuple[str, float],
) -> str:
    """An SVG of the shares of scores that are greater than a score, on a logarithmic axis.

    `curves`: scores by name; `bounds`: functions of the score, drawn dashed from a score on;
    `limit`: a score that is drawn upright.
    """
    wide, high = 2 * _WIDTH, 2 * _HEIGHT
    lines = [
        (name, [(at, function(at)) for at in np.linspace(start, _MOST_SCORE, 200)], True)
        for name, (start, function) in bounds.items()
    ]
    lines += [(name, _tail_points(scores), False) for name, scores in curves.items()]
    lines.append((limit[0], [(limit[1], 1.0), (limit[1], 0.0)], False))
    parts = [_logarithmic_axes(wide, high)]
    for number, (name, points, dashed) in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        drawn = " ".join(
            f"{wide * at / _MOST_SCORE:.1f},{high * _depth(share):.1f}"
            for at, share in points
            if at >= 0 and (share >= 10.0**-_DECADES or at == limit[1])
        )
        dashes = ' stroke-dasharray="6 4"' if dashed else ""
        parts.append(
            f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
            f'<text x="{wide + 12}" y="{16 * number + 12}" fill="{colour}">{escape(name)}</text>'
        )
    inside = "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide + 6 * _GAP} {high + 2 * _GAP}"'
        ' font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f'\n<g transform="translate({_GAP} {_GAP / 2})">{inside}</g></svg>\n'
    )


def _logarithmic_axes(wide: int, high: int) -> str:
    parts = []
    for decade in range(_DECADES + 1):
        y = round(high * decade / _DECADES)
        parts.append(f'<line x1="0" x2="{wide}" y1="{y}" y2="{y}" stroke="#e5e7e9"/>')
        label = f"1e-{decade}" if decade else "1"
        parts.append(f'<text x="-8" y="{y + 4}" text-anchor="end">{label}</text>')
    for score in range(0, int(_MOST_SCORE) + 1, 3):
        x = wide * score / _MOST_SCORE
        parts.append(f'<text x="{x}" y="{high + 20}" text-anchor="middle">{score}</text>')
    parts.append(
        f'<text x="{wide / 2}" y="{high + 42}" text-anchor="middle">'
        "share of scores above this score</text>"
    )
    return "".join(parts)


def _tail_points(scores: NDArray[np.float64]) -> list[tuple[float, float]]:
    ordered = np.sort(scores)[::-1]
    ranks = np.unique(np.geomspace(1, len(ordered), _POINTS).astype(int))[::-1]
    return [(float(ordered[rank - 1]), rank / len(ordered)) for rank in ranks]


def _depth(share: float) -> float:
    return min(1.0, -math.log10(max(share, 1e-300)) / _DECADES)


def row(stream: Stream) -> Rgb:
    """The sheet's row for a stream: its last picture, in full size."""
    plain, marked = stream.unmarked[-1], stream.marked[-1]
    difference = _GAIN * (marked.astype(np.int16) - plain) + 128
    video = Video(stream.marked)
    seen = [call(video, codec, _SHOWN_BITRATE).video.pictures[-1] for codec in Codec]
    return np.hstack([plain, marked, _levels(difference), *seen])


def sheet(file: Path, rows: Sequence[Rgb]) -> None:
    """Writes the contact sheet; raises `OSError`."""
    if not cv2.imwrite(str(file), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)):
        raise OSError(f"the contact sheet {file} cannot be written")


def _levels(values: np.ndarray[Any, Any]) -> Rgb:
    return np.asarray(np.clip(values, 0, 255), np.uint8)
