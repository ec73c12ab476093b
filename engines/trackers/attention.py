"""Which of several faces is followed: detections go in, the region to look at comes out."""

from __future__ import annotations

from collections.abc import Sequence

from engines.trackers.regions import Region

_WAIT_NS = 200_000_000
"""How long a lost face is waited for before another one is followed in its place."""
_ABSENT_NS = 1_000_000_000
"""After so long without a face the detector looks less often."""
_SEARCH_EVERY_NS = 100_000_000
_COMPARE_EVERY_NS = 500_000_000
_NEARER = 1.8
_TRIES = 3


class Attention:
    """Holds on to one face, comes back to it after a moment's loss, and gives way to a nearer one.

    A face that is 1.8 times as large as the followed one, twice in half a second, takes its place:
    who sits down before the camera is followed, though somebody behind had been taken meanwhile.
    """

    def __init__(self) -> None:
        """Follows nobody."""
        self.followed: Region | None = None
        self._last: Region | None = None
        self._seen_ns: int | None = None
        self._absent_ns: int | None = None
        self._searched_ns: int | None = None
        self._compared_ns = 0
        self._nearer: Region | None = None

    def seen(self, region: Region, now_ns: int) -> None:
        """The face was found in `region`."""
        if self.followed is None:
            self._compared_ns, self._nearer = now_ns, None
        self.followed = self._last = region
        self._seen_ns, self._absent_ns = now_ns, None

    def lose(self) -> None:
        """The face is not where it was."""
        self.followed = None

    def rescale(self, factor: float) -> None:
        """The pictures are `factor` as large from now on."""
        self.followed = self.followed and self.followed.scaled(factor)
        self._last = self._last and self._last.scaled(factor)
        self._nearer = None

    def wants_search(self, now_ns: int) -> bool:
        """Whether to look for a face now; seldom where there has been none for long."""
        if self._absent_ns is None:
            self._absent_ns = now_ns
        if self._searched_ns is None or now_ns - self._absent_ns <= _ABSENT_NS:
            return True
        return now_ns - self._searched_ns >= _SEARCH_EVERY_NS

    def choose(self, faces: Sequence[Region], now_ns: int) -> Sequence[Region]:
        """Where to look, best first; `faces`: what the detector found, largest first."""
        self._searched_ns = now_ns
        last = self._last
        if last is None or self._seen_ns is None:
            return faces[:_TRIES]
        back = [face for face in faces if face.resembles(last)]
        if now_ns - self._seen_ns < _WAIT_NS:
            return back[:_TRIES]
        return [*back, *(face for face in faces if face not in back)][:_TRIES]

    def wants_comparison(self, now_ns: int) -> bool:
        """Whether to look now if somebody else is nearer."""
        return self.followed is not None and now_ns - self._compared_ns >= _COMPARE_EVERY_NS

    def compare(self, faces: Sequence[Region], now_ns: int) -> None:
        """Goes over to a much nearer face that was there last time too."""
        self._compared_ns = now_ns
        assert self.followed is not None
        own = [face.size for face in faces if face.overlaps(self.followed)]
        size = max(own, default=self.followed.size)
        nearer = next((face for face in faces if face.size > _NEARER * size), None)
        if nearer and self._nearer and nearer.resembles(self._nearer):
            self.followed, nearer = nearer, None
        self._nearer = nearer
