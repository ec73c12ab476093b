"""The microphone's Opus packets in, 16 kHz `Sound`s out, decoded where they are needed.

Packets come on the event loop and are decoded on the worker's thread when it asks.
"""

from __future__ import annotations

import logging
import threading
from collections import deque

import av

from engines.types import Floats, Sound
from live.clock import SECOND, VOICE_RATE
from live.measures import Counts
from live.opus import Decoder, Piece
from live.resampling import Resampler

logger = logging.getLogger(__name__)

RATE = 16_000
"""Samples a second of what comes out."""

_MOST_PIECES = 50
"""Undecoded pieces kept: a second."""
_STEP = VOICE_RATE // RATE


class Hearing:
    """What the peer says, for drivers that listen."""

    def __init__(self, counts: Counts) -> None:
        """Counts under `dropped.unheard_sound` what nobody took in time or could be decoded."""
        self._counts = counts
        self._lock = threading.Lock()
        self._pieces: deque[Piece] = deque()
        self._stream: _Stream | None = None

    def put(self, piece: Piece) -> None:
        """Takes a piece of sound, on the event loop."""
        with self._lock:
            self._pieces.append(piece)
            overrun = len(self._pieces) > _MOST_PIECES
            if overrun:
                self._pieces.popleft()
        if overrun:
            self._counts.add("dropped.unheard_sound")

    def take(self, least: int = 1) -> list[Sound]:
        """What has been heard since the call before, in order; to be called by one thread.

        `least`: so many packets have to have come, or they wait. Pieces follow each other without
        a break, but for gaps of more than a second.
        """
        with self._lock:
            if len(self._pieces) < least:
                return []
            pieces = list(self._pieces)
            self._pieces.clear()
        sounds = [sound for piece in pieces for sound in self._heard(piece)]
        return [sound for sound in sounds if len(sound.samples)]

    def _heard(self, piece: Piece) -> list[Sound]:
        if self._stream is None or not self._stream.decoder.continued_by(piece):
            self._stream = _Stream(piece.ticks)
        if self._stream.decoder.gap_before(piece) < 0:
            return []
        sounds = [self._stream.silence_before(piece)]
        try:
            sounds.append(self._stream.decoded(piece))
        except av.FFmpegError as error:
            self._counts.add("dropped.unheard_sound")
            logger.info("a piece of sound could not be decoded: %s", type(error).__name__)
        return sounds


class _Stream:
    """An unbroken stretch of sound: one decoder, one change of rate."""

    def __init__(self, ticks: int) -> None:
        """`ticks`: the first piece's."""
        self.decoder = Decoder(ticks)
        self._resampler = Resampler(VOICE_RATE, RATE)
        self._held = 0
        """Samples at 48 kHz that went in and have not come out: the filter's look-ahead."""

    def silence_before(self, piece: Piece) -> Sound:
        """What is missing before a piece; nothing where nothing is."""
        silence = self.decoder.silence_before(piece)
        return self._resampled(silence, piece, -len(silence))

    def decoded(self, piece: Piece) -> Sound:
        """The piece itself; raises `av.FFmpegError`."""
        return self._resampled(self.decoder.decoded(piece), piece, 0)

    def _resampled(self, samples: Floats, piece: Piece, first: int) -> Sound:
        """`first`: where the samples lie, from the piece's beginning on."""
        start_ns = piece.pts_ns + (first - self._held) * SECOND // VOICE_RATE
        heard = self._resampler(samples)
        self._held += len(samples) - _STEP * len(heard)
        return Sound(heard, start_ns, piece.captured_ns)
