"""Sounds go in, the mouth that says them comes out: exact where the phones are told, heard else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engines.articulation import CURVES
from engines.drivers.heard import HeardMouth
from engines.drivers.listening import Listener
from engines.drivers.speech_network import SpeechNetwork
from engines.drivers.spoken import Spoken
from engines.face_geometry import smoothstep
from engines.face_mesh import BLENDSHAPE_INDEX, BLENDSHAPES
from engines.types import Floats, Sound

_COLUMNS = np.array([BLENDSHAPE_INDEX[name] for name in CURVES])
_PASSING_S = 0.12
"""From one source of the mouth to another, or to rest."""
_REST = np.zeros(len(BLENDSHAPES), np.float32)
_BESIDE_NS = 80_000_000
_BEAT_AHEAD_NS = 100_000_000
"""A nod is at its lowest on the vowel that it stresses; where the phones are told, it can be."""
_BACKWARDS_NS = 500_000_000  # time that runs back further is another time
_LISTENS_IN_S = 0.09
"""So often, while nobody sees the mouth: a network's call costs little more for ten frames than for
three, and whether somebody speaks need not be known sooner."""
_NOTICES_IN_S = 0.2
"""And so often at the least, where nothing comes."""
_LATE_NS = 150_000_000
"""By how much the newest sound may be late then: nobody has waited for it."""
_NEVER_NS = -(2**62)


class Said(NamedTuple):
    """What the voice does at one moment."""

    mouth: Floats
    """`(52,)` coefficients."""
    speaking: bool
    exact: bool
    """Whether the phones were told."""
    stressed: bool
    """Whether a stressed vowel began since the moment before, or is about to."""


_NOTHING = Said(_REST, False, False, False)


class Voice:
    """Follows all that is to be heard in one session. Not thread-safe."""

    def __init__(self, network: SpeechNetwork) -> None:
        """`network` may be shared with other sessions."""
        self._network = network
        self._spoken, self._heard, self._listener = self._ears()
        self._source = "nobody"
        self._shown = self._start = _REST
        self._since_s = _PASSING_S
        self._pts_ns = _NEVER_NS
        self._latest = _NOTHING
        self._since_latest_s = 0.0

    def at(self, pts_ns: int, dt_s: float, sounds: Sequence[Sound], *, seen: bool = True) -> Said:
        """The mouth at a time, `dt_s` after the one before, with further pieces of sound.

        `seen`: whether the mouth is shown. Where it is not, what is heard and not told is that of
        up to a quarter of a second ago.
        """
        if pts_ns < self._pts_ns - _BACKWARDS_NS:
            self._spoken, self._heard, self._listener = self._ears()
        for sound in sounds:
            self._take(sound, pts_ns)
        self._spoken.forget(pts_ns)
        self._since_latest_s += dt_s
        pause_s = _LISTENS_IN_S if sounds else _NOTICES_IN_S
        if seen or self._since_latest_s >= pause_s or self._spoken.sounds(pts_ns):
            self._listener.listen(pts_ns)
            heard_ns = pts_ns if seen else self._listener.newest_ns(pts_ns - _LATE_NS, pts_ns)
            said = self._said(pts_ns, heard_ns, self._since_latest_s)
            self._latest = said._replace(mouth=self._passed(said.mouth, self._since_latest_s))
            self._since_latest_s = 0.0
        else:
            self._latest = self._latest._replace(stressed=False)
        self._pts_ns = pts_ns
        return self._latest

    def _ears(self) -> tuple[Spoken, HeardMouth, Listener]:
        listener = Listener(self._network)
        return Spoken(), HeardMouth(listener, self._network.curve_names), listener

    def _take(self, sound: Sound, pts_ns: int) -> None:
        if sound.phones is not None:
            taken_back = self._spoken.tell(sound)
        else:
            taken_back = len(sound.samples) == 0 and self._spoken.take_back(sound.pts_ns)
            self._listener.hear(sound, pts_ns)
        if taken_back:
            self._start_passing()

    def _said(self, pts_ns: int, heard_ns: int, dt_s: float) -> Said:
        heard = self._heard.at(heard_ns, dt_s)
        if self._spoken.sounds(pts_ns):
            self._come_from("spoken")
            mouth = _REST.copy()
            mouth[_COLUMNS] = self._spoken.mouth(pts_ns)
            return Said(
                mouth,
                self._spoken.speaking(pts_ns, _BESIDE_NS),
                True,
                self._spoken.stressed(self._pts_ns + _BEAT_AHEAD_NS, pts_ns + _BEAT_AHEAD_NS),
            )
        if heard is not None:
            self._come_from("heard")
            return Said(heard, self._heard.speaking, False, self._heard.stressed)
        self._come_from("nobody")
        return _NOTHING

    def _come_from(self, source: str) -> None:
        if source != self._source:
            self._source = source
            self._start_passing()

    def _start_passing(self) -> None:
        self._start, self._since_s = self._shown, 0.0

    def _passed(self, mouth: Floats, dt_s: float) -> Floats:
        self._since_s += dt_s
        if self._since_s < _PASSING_S:
            share = np.float32(smoothstep(0.0, _PASSING_S, self._since_s))
            mouth = self._start + share * (mouth - self._start)
        self._shown = mouth
        return mouth
