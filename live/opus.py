"""Opus at the edge of a call: packets as sound and sound as packets (RFC 6716)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from engines.types import Floats
from live.clock import VOICE_RATE, ns_from_ticks

SLOT = 960
"""Samples of the pieces in which we send: 20 ms."""
SILENCE = b"\xf8\xff\xfe"
"""20 ms of nothing, mono; what libopus makes of zeros."""
AHEAD = 312
"""Samples by which a sound comes out of a decoder later than it went into libopus' encoder."""
AHEAD_NS = ns_from_ticks(AHEAD, VOICE_RATE)
TIME_BASE = Fraction(1, VOICE_RATE)

_BITRATE = 64_000
"""Where mono speech is transparent. There is no forward error correction: at this rate libopus
codes without linear prediction, which knows none."""
_LONGEST = 120 * VOICE_RATE // 1000
_LONGEST_GAP = VOICE_RATE
"""In an unbroken stretch, in samples."""

Samples = NDArray[np.int16]
"""`(n,)` int16, 48 kHz mono."""


class Piece(NamedTuple):
    """A packet of somebody's voice, as it came."""

    data: bytes
    ticks: int
    """The sender's RTP ticks, 48,000 a second."""
    pts_ns: int
    """When its sound was captured, and at the earliest is to be heard, on the session's clock."""
    captured_ns: int


def behind_ns(packet: bytes) -> int:
    """How old the beginning of a packet's sound is when the packet is made, at the least.

    It has to have been heard to its end, and an encoder looks ahead.
    """
    return ns_from_ticks(duration(packet), VOICE_RATE) + AHEAD_NS


class Encoder:
    """Sound in pieces of `SLOT` samples in, one packet for each out: 0.1 ms of CPU.

    Without discontinuous transmission: a voice that pauses for breath would otherwise begin anew.
    """

    def __init__(self) -> None:
        """Opens libopus."""
        self._codec: Any = av.CodecContext.create("libopus", "w")
        self._codec.sample_rate = VOICE_RATE
        self._codec.layout, self._codec.format = "mono", "s16"
        self._codec.bit_rate, self._codec.time_base = _BITRATE, TIME_BASE
        self._codec.options = {"application": "voip"}

    def __call__(self, samples: Samples) -> bytes:
        """`(960,)` int16 as a packet; it sounds `AHEAD` samples later than its own beginning."""
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = VOICE_RATE
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))


class Decoder:
    """An unbroken stretch of somebody's voice, as 48 kHz sound: 0.1 ms of CPU for 20 ms.

    What was lost on the way, or not sent at all (a sender's discontinuous transmission), is silence
    of the same length, told when the next packet shows how long it was.
    """

    def __init__(self, ticks: int) -> None:
        """`ticks`: the first piece's."""
        self._codec: Any = av.CodecContext.create("libopus", "r")
        self._codec.layout, self._codec.format = "mono", "s16"
        self._codec.sample_rate = VOICE_RATE
        self._codec.thread_count = 1
        self._ticks = ticks
        """Of the piece that is to come next."""

    def gap_before(self, piece: Piece) -> int:
        """Samples that are missing before a piece; below 0: it comes again, or too late."""
        return piece.ticks - self._ticks

    def continued_by(self, piece: Piece) -> bool:
        """Whether a piece belongs to this stretch."""
        return abs(self.gap_before(piece)) <= _LONGEST_GAP

    def silence_before(self, piece: Piece) -> Floats:
        """What is missing before a piece: `(n,)` float32, empty where nothing is."""
        missing = self.gap_before(piece)
        self._ticks = piece.ticks
        return np.zeros(missing, np.float32)

    def decoded(self, piece: Piece) -> Floats:
        """The piece itself, `(n,)` float32, −1…1.

        Raises `av.FFmpegError`, and leaves a gap before the next piece then.
        """
        frames = self._codec.decode(av.Packet(piece.data))
        samples = [frame.to_ndarray()[0].astype(np.float32) / 32768 for frame in frames]
        sound = np.concatenate([np.zeros(0, np.float32), *samples])
        self._ticks += len(sound)
        return sound


def duration(packet: bytes) -> int:
    """The samples at 48 kHz that a packet decodes to; 0 where it cannot be one (RFC 6716 3.1)."""
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = 120 << (config & 3)
    frames = min(code, 1) + 1
    if code == 3:
        frames = packet[1] & 63 if len(packet) > 1 else 0
    return frame * frames if frame * frames <= _LONGEST else 0
