"""Pictures and sound that say what time it is, made by the server itself: for measuring only.

A benchmark's own server process draws the time for which a picture is meant onto it, and speaks
bursts of a tone at times that are known (as `page/bursts.js` does for a microphone). So what a
viewer sees and hears can be compared without a camera or a microphone, whose own delays nobody
knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from benchmarks.timecode import draw
from engines import registry
from engines.types import Avatar, Backdrop, Motion, Picture, Portrait, Renderer
from live import opus
from live.clock import MILLISECOND, VOICE_RATE
from live.speaking import Speaker

EVERY_MS = 250
TONES = 8
CYCLE_MS = EVERY_MS * TONES
"""Within which a burst's pitch tells when it was made."""
_LENGTH_MS = 30
_TICK_NS = MILLISECOND // 10
_PERIOD = 16_000_000
"""Ticks of the time code after which it begins anew: whole cycles of tones."""


def pitch(number: NDArray[np.int_]) -> NDArray[np.int_]:
    """Hertz of the bursts that begin at `number` times `EVERY_MS`."""
    return 500 + 200 * (number % TONES)


def bursts(pts_ns: int) -> opus.Samples:
    """20 ms of the tones, from a time on."""
    ms = pts_ns / MILLISECOND % CYCLE_MS + np.arange(opus.SLOT) * 1000 / VOICE_RATE
    number = (ms // EVERY_MS).astype(int)
    since = ms - number * EVERY_MS
    edge = np.clip(np.minimum(since / 0.5, (_LENGTH_MS - since) / 2), 0, 1)
    wave = np.sin(2 * np.pi * pitch(number) * since / 1000)
    return np.asarray(16_000 * edge * wave, np.int16)


class BeaconRenderer:
    """A renderer whose pictures carry the time at which they are to be seen."""

    def __init__(self, renderer: Renderer) -> None:
        """Draws as `renderer` does."""
        self.name, self.space = renderer.name, renderer.space
        self._renderer = renderer

    def prepare(self, portrait: Portrait, *, id: str, consent: str, size: int = 512) -> Avatar:
        """As the renderer."""
        return self._renderer.prepare(portrait, id=id, consent=consent, size=size)

    def with_backdrop(self, avatar: Avatar, backdrop: Backdrop) -> Avatar:
        """As the renderer."""
        return self._renderer.with_backdrop(avatar, backdrop)

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        """The drawn picture under a strip with its time."""
        drawn = self._renderer.render(avatar, motion)
        rgb = drawn.rgb.copy()
        for colour in range(3):
            draw(rgb[..., colour], motion.pts_ns // _TICK_NS % _PERIOD)
        return Picture(rgb, drawn.pts_ns, drawn.captured_ns)


@contextmanager
def beacon() -> Iterator[None]:
    """Lets every session draw and say the time."""
    renderer, sound = registry.renderer, Speaker.sound
    registry.renderer = lambda name, source=None: BeaconRenderer(renderer(name, source))
    setattr(Speaker, "sound", lambda self, pts_ns: bursts(pts_ns))  # noqa: B010  (mypy)
    try:
        yield
    finally:
        registry.renderer = renderer
        setattr(Speaker, "sound", sound)  # noqa: B010
