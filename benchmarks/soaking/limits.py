"""What a server holds goes in, the first limit that broke comes out.

Looked at when no call is held: what is left then is left for good. The first look after warming up
is what later ones are held against, as allocators, thread pools and OpenSSL keep what they have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.processes import tree_usage

NAMES = ("memory_mb", "tasks", "threads", "handles", "temp_files", "delay_ms")


@dataclass(frozen=True, slots=True)
class Limits:
    """By how much each may be above what it was after warming up."""

    memory_mb: float = 64.0
    """Of one process, resident (PSS). A call holds some 40 MB: two that are never freed show at
    once."""
    tasks: float = 0.0
    threads: float = 4.0
    """Of one process: the pool of its event loop fills up when several calls end at once."""
    handles: float = 4.0
    temp_files: float = 0.0
    delay_ms: float = 15.0
    """Of the median of a reference call: of the last three looks, against the first three."""

    def times(self, processes: int) -> Limits:
        """Of a server whose calls are held in so many processes."""
        return replace(
            self,
            memory_mb=self.memory_mb * processes,
            threads=self.threads * processes,
            handles=self.handles * processes,
        )


@dataclass(frozen=True, slots=True)
class Look:
    """What the server held while nobody called, and how it then served one call."""

    at_s: float
    step: int
    values: Mapping[str, float]
    """By the names in `NAMES`."""


def held(pid: int, metrics: str, folder: Path) -> dict[str, float]:
    """What a server's processes hold now: by `/proc`, by its `/metrics`, and in its folder."""
    now = tree_usage(pid)
    return {
        "memory_mb": round(now.resident_mb, 1),
        "tasks": series(metrics, "visavis_tasks"),
        "threads": now.threads,
        "handles": now.handles,
        "temp_files": float(sum(1 for _ in folder.rglob("*"))),
    }


def series(metrics: str, name: str) -> float:
    """The value of a Prometheus series without labels; raises `ValueError` where there is none."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", metrics, re.M)
    if found is None:
        raise ValueError(f"the server's /metrics has no series {name}")
    return float(found[1])


def broken(looks: Sequence[Look], limits: Limits) -> str:
    """What the latest look shows to be too much; empty where nothing is."""
    first, last = looks[0].values, looks[-1].values
    for name in NAMES[:-1]:
        most = getattr(limits, name)
        grown = last[name] - first[name]
        if grown > most:
            return f"{name}: {first[name]:g} became {last[name]:g}; {most:g} more are allowed"
    return _slower([look.values["delay_ms"] for look in looks], limits.delay_ms)


def _slower(delays_ms: Sequence[float], most: float) -> str:
    """Whether delay has drifted: three looks each, as one call's delay varies with its phase."""
    if len(delays_ms) < 6:
        return ""
    before, now = np.median(delays_ms[:3]), np.median(delays_ms[-3:])
    if now - before <= most:
        return ""
    return f"delay_ms: {before:.1f} became {now:.1f}; {most:g} more are allowed"


def slope_per_hour(looks: Sequence[Look], name: str) -> dict[str, float] | None:
    """How a thing grows in an hour, by least squares, with its standard error.

    `None` for less than four looks: so few say nothing.
    """
    if len(looks) < 4:
        return None
    hours = np.array([look.at_s / 3600 for look in looks])
    values = np.array([look.values[name] for look in looks])
    spread = hours - hours.mean()
    square = float((spread**2).sum())
    slope = float((spread * values).sum()) / square
    left = values - values.mean() - slope * spread
    error = float(np.sqrt((left**2).sum() / (len(looks) - 2) / square))
    return {"an_hour": round(slope, 2), "standard_error": round(error, 2)}
