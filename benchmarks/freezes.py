"""Pictures and when they were seen go in, how smoothly they came and came back comes out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from benchmarks.call import Row

FREEZE_MS = 100.0
"""From here on a gap between two pictures is a freeze: three at 30 a second."""

_SETTLED_MS = 2000.0


def smoothness(rows: Sequence[Row], began_ms: float, ended_ms: float) -> dict[str, float | int]:
    """Of coded pictures, each where it was first seen, in a stretch of time on their clock.

    A gap counts from the stretch's beginning and to its end, too: who never comes back has frozen.
    """
    seen = [row.at_ms for row in rows if began_ms <= row.at_ms <= ended_ms]
    gaps = [late - early for early, late in pairwise([began_ms, *seen, ended_ms])]
    frozen = [gap for gap in gaps if gap > FREEZE_MS]
    return {
        "fps": round(1000 * len(seen) / (ended_ms - began_ms), 1),
        "freezes": len(frozen),
        "frozen_ms": round(sum(frozen)),
        "longest_ms": round(max(gaps)),
    }


def recovery(rows: Sequence[Row], cut_ms: float, back_ms: float) -> dict[str, float | None]:
    """Of coded pictures, each where it was first seen, round an outage; times on their clock.

    `first_ms`: from when the link is back until any new picture is seen; `fresh_ms`: until one is
    seen that was drawn after that; `before_ms`, `after_ms`: the median delay before the outage, and
    from two seconds after it. `None`: no such picture.
    """
    later = [row for row in rows if row.at_ms >= back_ms]
    fresh = [row for row in later if row.at_ms - row.age_ms >= back_ms]
    return {
        "first_ms": round(later[0].at_ms - back_ms) if later else None,
        "fresh_ms": round(fresh[0].at_ms - back_ms) if fresh else None,
        "before_ms": _middle([row.age_ms for row in rows if row.at_ms < cut_ms]),
        "after_ms": _middle([row.age_ms for row in later if row.at_ms >= back_ms + _SETTLED_MS]),
    }


def _middle(ages_ms: Sequence[float]) -> float | None:
    return round(median(ages_ms), 1) if ages_ms else None
