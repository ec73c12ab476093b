"""A voice in, the avatar that says it out: what a call without a camera shows, picture by picture.

recording, or text ─► Voice ─► Sound ─► Pipeline ─► Film
                                 └ AAC ──────────────┘
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer

from engines.types import Floats, Phone, Sound, Speech
from live.clock import MILLISECOND, SECOND, VIDEO_RATE, VOICE_RATE, ns_from_ticks
from live.errors import UnusableSound
from live.offline.film import Progress, Size, film
from live.pipeline import Pipeline
from live.resampling import resample

PICTURES_A_SECOND = 30

_HEARD_RATE = 16_000
_BEFORE_NS, _AFTER_NS = 500 * MILLISECOND, 800 * MILLISECOND
"""Silence around the voice: a face that begins and ends in the middle of a word looks cut off."""
_AHEAD_NS = SECOND
"""How far ahead of the picture the driver hears; a recording has no reason to be late."""
_BIT_RATE = 96_000


@dataclass(frozen=True, slots=True)
class Recording:
    """A whole voice."""

    samples: Floats
    """`(n,)` float32 mono, −1…1."""
    rate: int
    """Samples a second."""
    phones: tuple[Phone, ...] | None = None
    """Times from the first sample on; `None`: not known."""


def joined(speeches: Iterable[Speech]) -> Recording:
    """What a voice says, stretch by stretch, as one recording."""
    samples: list[Floats] = []
    phones: list[Phone] | None = []
    rate, length = 0, 0
    for speech in speeches:
        rate = speech.rate
        start_ns = ns_from_ticks(length, rate)
        if phones is not None:
            phones = (
                None
                if speech.phones is None
                else phones + [one.later(start_ns) for one in speech.phones]
            )
        samples.append(speech.samples)
        length += len(speech.samples)
    return Recording(np.concatenate(samples), rate, None if phones is None else tuple(phones))


def render_spoken(
    recording: Recording,
    target: Path,
    pipeline: Pipeline,
    size: Size,
    *,
    motions: Path | None = None,
    progress: Progress = lambda _done, _total: None,
) -> int:
    """Lets a pipeline whose pictures are of this size say a recording; returns the frames.

    Writes `target`, and one line of JSON per frame to `motions`. Raises `UnusableSound` for a
    recording without a sample.
    """
    if not len(recording.samples):
        raise UnusableSound("there is no sound in it; give a recording in which somebody speaks")
    length_ns = ns_from_ticks(len(recording.samples), recording.rate) + _BEFORE_NS + _AFTER_NS
    total = length_ns * PICTURES_A_SECOND // SECOND
    with film(target, size, Fraction(PICTURES_A_SECOND), motions) as out:
        track = _Track(out.container, recording)
        heard = _Heard(recording)
        for number in range(total):
            ticks = number * VIDEO_RATE // PICTURES_A_SECOND
            now_ns = ns_from_ticks(ticks, VIDEO_RATE)
            track.write_until(now_ns)
            stamped = pipeline.without_camera(now_ns, heard.until(now_ns + _AHEAD_NS))
            out.show(stamped, ticks, pipeline.motion)
            progress(number + 1, total)
        track.write_until(length_ns)
        track.finish()
        out.finish()
    return total


class _Heard:
    """The recording as a driver hears it, piece by piece."""

    def __init__(self, recording: Recording) -> None:
        self._samples = resample(recording.samples, recording.rate, _HEARD_RATE)
        phones = recording.phones
        self._phones = None if phones is None else [one.later(_BEFORE_NS) for one in phones]
        self._told = 0

    def until(self, end_ns: int) -> list[Sound]:
        """What is to be heard until then and has not been told yet."""
        end = min((end_ns - _BEFORE_NS) * _HEARD_RATE // SECOND, len(self._samples))
        if end <= self._told:
            return []
        first, self._told = self._told, end
        start_ns = _BEFORE_NS + ns_from_ticks(first, _HEARD_RATE)
        phones = None if self._phones is None else tuple(self._near(start_ns, end_ns))
        return [Sound(self._samples[first:end], start_ns, start_ns, phones)]

    def _near(self, start_ns: int, end_ns: int) -> Iterable[Phone]:
        assert self._phones is not None
        return (one for one in self._phones if one.end_ns > start_ns and one.start_ns < end_ns)


class _Track:
    """The sound track of the film, written in step with the pictures."""

    def __init__(self, container: OutputContainer, recording: Recording) -> None:
        before, after = (ns * VOICE_RATE // SECOND for ns in (_BEFORE_NS, _AFTER_NS))
        voice = resample(recording.samples, recording.rate, VOICE_RATE)
        self._samples = np.pad(np.clip(voice, -1, 1), (before, after))
        self._container = container
        self._stream = container.add_stream("aac", rate=VOICE_RATE)
        self._stream.codec_context.layout = "mono"
        self._stream.bit_rate = _BIT_RATE
        self._written = 0

    def write_until(self, end_ns: int) -> None:
        end = min(end_ns * VOICE_RATE // SECOND, len(self._samples))
        if end <= self._written:
            return
        piece = np.ascontiguousarray(self._samples[None, self._written : end], np.float32)
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = VOICE_RATE, self._written
        frame.time_base = Fraction(1, VOICE_RATE)
        self._container.mux(self._stream.encode(frame))
        self._written = end

    def finish(self) -> None:
        self._container.mux(self._stream.encode(None))
