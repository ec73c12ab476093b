"""The session's clock: `int` nanoseconds that only go forward; RTP ticks exist at the edge only.

Every time inside Visavis is read from `now_ns`; it has no relation to the time of day and none to
another process's.
"""

from __future__ import annotations

import time

VIDEO_RATE = 90_000
"""RTP ticks a second of every video codec (RFC 7741, RFC 6184)."""
VOICE_RATE = 48_000
"""RTP ticks a second of Opus, and its samples a second (RFC 7587)."""

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


def now_ns() -> int:
    """The present on the session's clock."""
    return time.monotonic_ns()


def ns_from_ticks(ticks: int, rate: int) -> int:
    """RTP ticks as nanoseconds, rounded to the nearest."""
    return (ticks * SECOND + rate // 2) // rate


def ticks_from_ns(ns: int, rate: int) -> int:
    """Nanoseconds as RTP ticks, rounded to the nearest."""
    return (ns * rate + SECOND // 2) // SECOND
