"""The session's clock: `int` nanoseconds that only go forward; RTP ticks exist at the edge only.

Every time inside Visavis is read from `now_ns`; it has no relation to the time of day and none to
another process's. What leaves carries its time twice: as RTP ticks, and, in sender reports, as the
time of day that those ticks stand for. `SessionClock` makes both of one origin for both tracks.
"""

from __future__ import annotations

import time

VIDEO_RATE = 90_000
"""RTP ticks a second of every video codec (RFC 7741, RFC 6184)."""
VOICE_RATE = 48_000
"""RTP ticks a second of Opus, and its samples a second (RFC 7587)."""

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
_NTP_BEFORE_UNIX_S = 2_208_988_800


def now_ns() -> int:
    """The present on the session's clock."""
    return time.monotonic_ns()


def ns_from_ticks(ticks: int, rate: int) -> int:
    """RTP ticks as nanoseconds, rounded to the nearest."""
    return (ticks * SECOND + rate // 2) // rate


def ticks_from_ns(ns: int, rate: int) -> int:
    """Nanoseconds as RTP ticks, rounded to the nearest."""
    return (ns * rate + SECOND // 2) // SECOND


class SessionClock:
    """The one origin of a session's outgoing tracks, in ticks and in time of day.

    A sender report pairs a tick with a time of day (RFC 3550 6.4.1); viewers bring tracks together
    by nothing else. The time of day is read once, so that its corrections move no picture.
    """

    def __init__(self) -> None:
        """Begins a second ago: what was captured just before has a place, too."""
        self._origin_ns = now_ns() - SECOND
        self._day_ns = time.time_ns() - SECOND

    def ticks(self, pts_ns: int, rate: int) -> int:
        """The RTP ticks of a moment, `rate` a second."""
        return ticks_from_ns(pts_ns - self._origin_ns, rate)

    def ntp(self, pts_ns: int) -> int:
        """The moment as an NTP timestamp: seconds since 1900 in 32.32 bits."""
        seconds, rest = divmod(self._day_ns + pts_ns - self._origin_ns, SECOND)
        return (seconds + _NTP_BEFORE_UNIX_S << 32) | (rest << 32) // SECOND
