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
"""Lines that stay above are not named."""
_DECADES = 10
_POINTS = 200
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
        if min(value for _, value in shares) >= _FULL:
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


def survival(curves: Mapping[str, NDArray[np.float64]], bounds: Mapping[str, Curve]) -> str:
    """An SVG of the shares of scores that are greater than a score, on a logarithmic axis.

    `curves`: scores by name, drawn as they are; `bounds`: functions of the score, drawn dashed.
    """
    wide, high = 2 * _WIDTH, 2 * _HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide + 5 * _GAP} {high + 2 * _GAP}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<g transform="translate({_GAP} {_GAP / 2})">',
    ]
    most = 15.0

    def place(score: float, share: float) -> str:
        depth = min(1.0, math.log10(max(share, 1e-12)) / -_DECADES)
        return f"{wide * score / most:.1f},{high * depth:.1f}"

    for decade in range(_DECADES + 1):
        y = round(high * decade / _DECADES)
        parts.append(f'<line x1="0" x2="{wide}" y1="{y}" y2="{y}" stroke="#e5e7e9"/>')
        parts.append(f'<text x="-8" y="{y + 4}" text-anchor="end">1e-{decade}</text>')
    for score in range(0, 16, 3):
        x = wide * score / most
        parts.append(f'<text x="{x}" y="{high + 20}" text-anchor="middle">{score}</text>')
    steps = np.linspace(0, most, 151)
    lines = [
        (name, [place(at, function(at)) for at in steps], ' stroke-dasharray="5 4"')
        for name, function in bounds.items()
    ]
    for name, scores in curves.items():
        ordered = np.sort(scores)[::-1]
        ranks = np.unique(np.geomspace(1, len(ordered), _POINTS).astype(int))
        points = [place(float(ordered[rank - 1]), rank / len(ordered)) for rank in ranks]
        lines.append((name, points, ""))
    for number, (name, points, dashes) in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}"{dashes}/>'
            f'<text x="{wide + 12}" y="{16 * number + 12}" fill="{colour}">{escape(name)}</text>'
        )
    parts.append(f'<text x="{wide / 2}" y="{high + 42}" text-anchor="middle">score</text></g>')
    return "\n".join([*parts, "</svg>\n"])


def sheet(file: Path, streams: Sequence[Stream]) -> None:
    """Writes the contact sheet of the streams' last pictures, in full size."""
    rows = []
    for each in streams:
        plain, marked = each.unmarked[-1], each.marked[-1]
        difference = _GAIN * (marked.astype(np.int16) - plain) + 128
        seen = [
            call(Video(each.marked), codec, _SHOWN_BITRATE).video.pictures[-1] for codec in Codec
        ]
        rows.append(np.hstack([plain, marked, _levels(difference), *seen]))
    picture = np.vstack(rows)
    if not cv2.imwrite(str(file), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise OSError(f"the contact sheet {file} cannot be written")


def _levels(values: np.ndarray[Any, Any]) -> Rgb:
    return np.asarray(np.clip(values, 0, 255), np.uint8)
