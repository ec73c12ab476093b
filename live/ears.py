"""What the driver hears: the avatar's own utterance while there is one, otherwise the peer."""

from __future__ import annotations

import numpy as np

from engines.types import Sound
from live.clock import MILLISECOND, SECOND, now_ns
from live.hearing import Hearing
from live.measures import Counts
from live.opus import Piece, behind_ns
from live.speaking import Speaker

_AUDIBLE = 0.01
_LINGER_NS = 600 * MILLISECOND
"""Between two words a speaker has not fallen silent."""
_GONE_NS = SECOND
_PATIENT = 5
"""Packets that are heard at once where nobody is in a hurry: one by one, with all else in between,
they take twice as long."""


class Ears:
    """Fed on the event loop, asked on the worker's thread."""

    def __init__(self, speaker: Speaker, counts: Counts) -> None:
        """Both may be silent."""
        self.listening = False
        """Whether the driver listens at all; the peer's sound is not decoded otherwise."""
        self.behind_ns = 0
        """How old the beginning of a piece of the peer's sound is when it comes."""
        self._speaker = speaker
        self._hearing = Hearing(counts)
        self._came_ns: int | None = None
        self._loud_ns: int | None = None

    def put(self, piece: Piece) -> None:
        """Takes a piece of the peer's voice, on the event loop."""
        if self.listening:
            self._came_ns, self.behind_ns = now_ns(), behind_ns(piece.data)
            self._hearing.put(piece)

    def take(self, *, patient: bool = False) -> list[Sound]:
        """What has come to be heard since the call before, in order.

        `patient`: the peer's voice may wait for a tenth of a second.
        """
        peers = self._hearing.take(_PATIENT if patient else 1)
        own = self._speaker.sounds()
        if own or self._speaker.speaking:
            return own
        if any(np.abs(sound.samples).max() > _AUDIBLE for sound in peers):
            self._loud_ns = now_ns()
        return peers

    @property
    def hears_peer(self) -> bool:
        """Whether the peer's microphone is there, speaking or not."""
        return self._came_ns is not None and now_ns() - self._came_ns < _GONE_NS

    @property
    def sounding(self) -> bool:
        """Whether somebody speaks whom the driver hears."""
        heard = self._loud_ns is not None and now_ns() - self._loud_ns < _LINGER_NS
        return heard or self._speaker.speaking
