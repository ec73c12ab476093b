"""A camera's video file in, the avatar's video file out, picture by picture.

camera video ─► decode ─► Pipeline ─► Film
                  └ sound, copied or as AAC ─┘

Every picture keeps its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from engines.types import Picture, Rgb
from live.clock import VIDEO_RATE, VOICE_RATE, ns_from_ticks
from live.errors import Unprocessable
from live.offline.files import check_source, check_target
from live.offline.film import Film, Progress, Size, film
from live.pipeline import Pipeline

_COPIED_SOUND = ("aac", "mp3", "alac")  # what every player takes from an MP4
_USUAL_RATE = Fraction(30)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What came of a file."""

    frames: int
    without_face: int
    """Frames in which nobody was found."""


def render_camera(
    source: Path,
    target: Path,
    pipeline: Pipeline,
    size: Size,
    *,
    motions: Path | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Rendered:
    """Runs a video through a pipeline whose pictures are of this size.

    Writes `target`, and one line of JSON per frame to `motions`. Raises `Unprocessable` for a
    source that is no video or shows no face, and for a target that cannot be; nothing is left then.
    """
    with _opened(source) as container:
        check_target(target, ".mp4", source=source)
        if motions is not None:
            check_target(motions, source=source)
        rate = Fraction(container.streams.video[0].average_rate or _USUAL_RATE)
        with film(target, size, rate, motions) as out:
            run = _Run(container, out, pipeline, rate, progress)
            try:
                return run.all()
            except av.error.FFmpegError as error:
                raise Unprocessable(
                    f"{source} cannot be decoded to its end ({error.strerror}); mend it, for"
                    " instance by: ffmpeg -i IN.mp4 -c:v libx264 OUT.mp4"
                ) from error


class _Run:
    """One file on its way."""

    def __init__(
        self,
        source: InputContainer,
        target: Film,
        pipeline: Pipeline,
        rate: Fraction,
        progress: Progress,
    ) -> None:
        self._source, self._film = source, target
        self._pipeline, self._progress = pipeline, progress
        self._camera = source.streams.video[0]
        self._camera.thread_type = "AUTO"
        self._start_s = Fraction(source.start_time or 0, av.time_base)
        self._rate = rate
        self._total = self._camera.frames or _frames_by_duration(source, self._rate)
        self._sound = _add_sound(source, target.container)
        self._ticks = -1
        self._frames = self._without_face = 0

    def all(self) -> Rendered:
        """Runs every frame."""
        inputs = [self._camera, *([self._sound.source] if self._sound else [])]
        for packet in self._source.demux(*inputs):
            if self._sound and packet.stream is self._sound.source:
                self._sound.pass_on(packet, self._start_s, self._film.container)
            elif packet.stream is self._camera:
                for frame in self._camera.decode(packet):
                    self._render(frame)
        if self._sound:
            self._sound.finish(self._film.container)
        if self._frames == 0:
            raise Unprocessable(f"{self._source.name} has no pictures; give a camera video")
        if self._without_face == self._frames:
            raise Unprocessable(
                f"{self._source.name} shows no face in any of its {self._frames} pictures; it has"
                " to be upright, lit, and at least 60 pixels wide"
            )
        self._film.finish()
        return Rendered(self._frames, self._without_face)

    def _render(self, frame: av.VideoFrame) -> None:
        self._ticks = max(self._ticks + 1, self._ticks_of(frame))
        now_ns = ns_from_ticks(self._ticks, VIDEO_RATE)
        stamped = self._pipeline(Picture(upright(frame), now_ns, now_ns))
        self._frames += 1
        self._without_face += self._pipeline.face is None
        self._film.show(stamped, self._ticks, self._pipeline.motion)
        self._progress(self._frames, self._total)

    def _ticks_of(self, frame: av.VideoFrame) -> int:
        if frame.pts is None or frame.time_base is None:
            return round(self._frames / self._rate * VIDEO_RATE)
        return round((frame.pts * frame.time_base - self._start_s) * VIDEO_RATE)


class _Sound:
    """The input's sound on its way: as it is where MP4 takes it, else encoded anew."""

    def __init__(self, source: AudioStream, target: OutputContainer) -> None:
        self.source = source
        self._copied = source.codec_context.name in _COPIED_SOUND
        self._stream: AudioStream
        if self._copied:
            self._stream = target.add_stream_from_template(source)
        else:
            self._stream = target.add_stream("aac", rate=VOICE_RATE)
            mono = source.codec_context.channels == 1
            self._stream.codec_context.layout = "mono" if mono else "stereo"

    def pass_on(self, packet: av.Packet[Any], start_s: Fraction, target: OutputContainer) -> None:
        """One packet, its time told from the start of the file."""
        shift = round(start_s / packet.time_base) if packet.time_base else 0
        if not self._copied:
            for frame in self.source.decode(packet):
                if frame.pts is not None:
                    frame.pts -= shift
                target.mux(self._stream.encode(frame))
        elif packet.dts is not None:  # an empty packet ends the input
            packet.pts, packet.dts = (packet.pts or packet.dts) - shift, packet.dts - shift
            packet.stream = self._stream
            target.mux(packet)

    def finish(self, target: OutputContainer) -> None:
        """Writes what the encoder still holds."""
        if not self._copied:
            target.mux(self._stream.encode(None))


def upright(frame: av.VideoFrame) -> Rgb:
    """The frame's pixels as they are meant to be seen: phones store a picture and a rotation."""
    rgb = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90)), np.uint8)


def _add_sound(source: InputContainer, target: OutputContainer) -> _Sound | None:
    if not source.streams.audio:
        return None
    return _Sound(source.streams.audio[0], target)


def _frames_by_duration(source: InputContainer, rate: Fraction) -> int | None:
    if not source.duration:
        return None
    return max(1, round(Fraction(source.duration, av.time_base) * rate))


def _opened(file: Path) -> InputContainer:
    """The opened video; raises `Unprocessable`."""
    check_source(file)
    try:
        container = av.open(str(file))
    except (av.error.FFmpegError, ValueError) as error:
        raise Unprocessable(f"{file} is not a video that can be read; give MP4 or WebM") from error
    if not container.streams.video:
        container.close()
        raise Unprocessable(f"{file} has no pictures; give a camera video")
    return container
