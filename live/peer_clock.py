"""When what the peer sent was captured: RTP ticks of its streams as times of the session's clock.

Ticks are as regular as the sender's clock, arrivals are late by turns; so a stream is tied to the
session's clock by what was least late of it in the last seconds. That ties every stream for
itself, though, and a picture takes longer to encode and to send than a piece of sound. Sender
reports (RFC 3550 6.4.1) say which ticks of the two are one moment; from then on sound, which is the
master, gives the pictures their times. Nothing jumps: a clock that is wrong is slewed.
"""

from __future__ import annotations

import threading
from collections import deque
from statistics import median

from live.clock import MILLISECOND, SECOND, VIDEO_RATE, VOICE_RATE, ns_from_ticks

_ANEW_NS = 250 * MILLISECOND
"""What is off by more is another stream: the sender paused, or began again."""
_WINDOW_NS = 5 * SECOND
_EARLIER_NS = 2 * MILLISECOND
_LATER_NS = MILLISECOND // 4
"""How far a clock is slewed with each frame: back, as when frames come less late; forth."""
_REPORTS = 5
_NTP_FRACTION = 1 << 32


class StreamClock:
    """One stream's ticks, counted from 0 on, as times on the session's clock."""

    def __init__(self, rate: int) -> None:
        """`rate`: ticks a second."""
        self._rate = rate
        self._offset_ns: int | None = None
        """From the ticks' own nanoseconds to the session's."""
        self._least_ns = [0, 0]
        """The least offset of the running window and of the one before."""
        self._window_ends_ns = 0
        self._reports: deque[int] = deque(maxlen=_REPORTS)

    def at(self, ticks: int, arrived_ns: int, wanted_ns: int | None = None) -> int:
        """When the frame with these ticks, which arrived then, was captured.

        `wanted_ns`: the offset that is known to be right, where one is.
        """
        ns = ns_from_ticks(ticks, self._rate)
        found_ns = arrived_ns - ns
        if self._offset_ns is None or abs(found_ns - self._offset_ns) > _ANEW_NS:
            self._least_ns = [found_ns, found_ns]
            self._offset_ns, self._window_ends_ns = found_ns, arrived_ns + _WINDOW_NS
            return arrived_ns
        if arrived_ns >= self._window_ends_ns:
            self._least_ns = [found_ns, self._least_ns[0]]
            self._window_ends_ns = arrived_ns + _WINDOW_NS
        self._least_ns[0] = min(self._least_ns[0], found_ns)
        least_ns = self.least_ns
        if wanted_ns is None or abs(wanted_ns - least_ns) > _ANEW_NS:
            wanted_ns = least_ns
        self._offset_ns += min(max(wanted_ns - self._offset_ns, -_EARLIER_NS), _LATER_NS)
        return self._offset_ns + ns

    @property
    def least_ns(self) -> int:
        """The offset by what was least late."""
        return min(self._least_ns)

    def report(self, ticks: int, ntp: int) -> None:
        """Takes a sender report: which time of day, in NTP's 32.32 bits, the ticks stand for."""
        ntp_ns = (ntp * SECOND + _NTP_FRACTION // 2) // _NTP_FRACTION
        day_ns = ntp_ns - ns_from_ticks(ticks, self._rate)
        if self._reports and abs(day_ns - self._reports[-1]) > _ANEW_NS:
            self._reports.clear()
        self._reports.append(day_ns)

    @property
    def day_ns(self) -> int | None:
        """From the ticks' own nanoseconds to the sender's time of day; `None`: never reported."""
        return round(median(self._reports)) if self._reports else None


class PeerClock:
    """Both streams of one peer; any thread may ask."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._sound = StreamClock(VOICE_RATE)
        self._picture = StreamClock(VIDEO_RATE)
        self._heard = False
        self._behind_ns = 0
        self._lock = threading.Lock()

    def sound_at(self, ticks: int, arrived_ns: int, behind_ns: int) -> int:
        """When a piece of sound was captured that was made `behind_ns` after its beginning."""
        with self._lock:
            self._heard, self._behind_ns = True, behind_ns
            return self._sound.at(ticks, arrived_ns) - behind_ns

    def picture_at(self, ticks: int, arrived_ns: int) -> int:
        """When a picture was captured."""
        with self._lock:
            sound_day, picture_day = self._sound.day_ns, self._picture.day_ns
            if not self._heard or sound_day is None or picture_day is None:
                return self._picture.at(ticks, arrived_ns)
            wanted_ns = self._sound.least_ns - self._behind_ns - sound_day + picture_day
            return self._picture.at(ticks, arrived_ns, wanted_ns)

    def sound_reported(self, ticks: int, ntp: int) -> None:
        """Takes a sender report of the microphone."""
        with self._lock:
            self._sound.report(ticks, ntp)

    def picture_reported(self, ticks: int, ntp: int) -> None:
        """Takes a sender report of the camera."""
        with self._lock:
            self._picture.report(ticks, ntp)
