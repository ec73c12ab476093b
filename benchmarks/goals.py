"""Figures of `latency` go in, the goals they are held against come out, met or missed.

For two shared cores with browser and server on one machine, in Chromium. Who did not keep up with
the camera has met no goal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from benchmarks.cells import FPS, SIZE, Cell


class _Goal(NamedTuple):
    what: str
    kind: str
    sink: str
    percentile: str
    ms: float


_GOALS = (
    _Goal("echo, as displayed, median", "echo", "display", "p50", 22.0),
    _Goal("echo, as displayed, p95", "echo", "display", "p95", 32.0),
    _Goal("echo, track to track, median", "echo", "track", "p50", 12.0),
)
_ADDED = {"median": 18.0, "p95": 30.0}
"""What the avatar may add to the echo."""
_START_MS = 600.0
"""From the offer; of most calls the server is warm by then, so the median is a warm call's."""
_HD_MS = 60.0
"""An avatar of a camera of 1280 × 720."""


def of(cell: Cell, figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The goals of one cell, with what was found."""
    if cell.fps != FPS:
        return []
    if cell.size == (1280, 720) and "avatar" in figures:
        avatar = figures["avatar"]
        found = avatar["age_ms"]["p50"]
        return [_row(cell, "avatar, 720p, median", _HD_MS, found, avatar["kept_up"])]
    if cell.size != SIZE:
        return []
    rows = []
    for goal in _GOALS:
        one = figures.get(goal.kind)
        if one is not None and goal.sink == cell.sink:
            rows.append(
                _row(cell, goal.what, goal.ms, one["age_ms"][goal.percentile], one["kept_up"])
            )
    if "avatar" in figures:
        first_ms = figures["avatar"]["first_frame_ms"]["p50"]
        rows.append(_row(cell, "offer to first avatar picture, median", _START_MS, first_ms, True))
    added = figures.get("avatar_over_echo")
    if added is not None:
        kept_up = figures["avatar"]["kept_up"] and figures["echo"]["kept_up"]
        for name, ms in _ADDED.items():
            rows.append(_row(cell, f"avatar over echo, {name}", ms, added[name], kept_up))
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Prints them."""
    for row in rows:
        met = "met" if row["met"] else "missed"
        print(f"goal {met:7} {row['found_ms']:6.1f} of {row['goal_ms']:5.1f} ms  {row['what']}")


def _row(cell: Cell, what: str, goal_ms: float, found_ms: float, kept_up: bool) -> dict[str, Any]:
    return {
        "what": f"{cell.name}: {what}",
        "goal_ms": goal_ms,
        "found_ms": round(found_ms, 1),
        "met": kept_up and found_ms <= goal_ms,
    }
