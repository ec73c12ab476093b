"""A video file in, the avatar's video file out: the pipeline of a call, frame for frame.

camera video ─► decode ─► Pipeline ─► H.264 ─► MP4
                  └ sound, copied or as AAC ──────┘

Every picture keeps its time. The file appears under its name only when it is complete.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from engines.types import Motion, Picture, Rgb
from live.clock import VIDEO_RATE, VOICE_RATE, ns_from_ticks
from live.errors import Unprocessable
from live.pipeline import Pipeline

Progress = Callable[[int, int | None], None]
"""Told the frames done, and those in all where the file says."""

_TIME_BASE = Fraction(1, VIDEO_RATE)
_COPIED_SOUND = ("aac", "mp3", "alac")  # what every player takes from an MP4
_ENCODER = {"preset": "veryfast", "crf": "17"}
_USUAL_RATE = Fraction(30)
_BT709 = 1  # in the tables of ITU-T H.273: primaries, transfer, matrix


@dataclass(frozen=True, slots=True)
class Rendered:
    """What came of a file."""

    frames: int
    without_face: int
    """Frames in which nobody was found."""


def render_file(
    source: Path,
    target: Path,
    pipeline: Pipeline,
    size: int,
    *,
    motions: Path | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Rendered:
    """Runs a video through a pipeline whose pictures are `size` × `size`.

    Writes `target`, and one line of JSON per frame to `motions`. Raises `Unprocessable` for a
    source that is no video or shows no face, and for a target that cannot be; nothing is left then.
    """
    container = _opened(source)
    check_target(source, target, ".mp4")
    if motions is not None:
        check_target(source, motions)
    with ExitStack() as stack:
        stack.enter_context(container)
        log = None
        if motions is not None:
            part = stack.enter_context(_complete_or_absent(motions))
            log = stack.enter_context(part.open("w", encoding="utf-8"))
        video = stack.enter_context(_complete_or_absent(target))
        out = stack.enter_context(av.open(str(video), "w", format="mp4"))
        run = _Run(container, out, pipeline, size=size, motions=log, progress=progress)
        try:
            return run.all()
        except av.error.FFmpegError as error:
            raise Unprocessable(
                f"{source} cannot be decoded to its end ({error.strerror}); mend it, for instance"
                " by: ffmpeg -i IN.mp4 -c:v libx264 OUT.mp4"
            ) from error


def check_source(source: Path) -> None:
    """Raises `Unprocessable` where there is no such file."""
    if not source.is_file():
        raise Unprocessable(f"there is no file {source}; name a camera video")


def check_target(source: Path, target: Path, suffix: str = "") -> None:
    """Raises `Unprocessable` where a result cannot be written to this name."""
    if suffix and target.suffix.lower() != suffix:
        raise Unprocessable(f"{target} does not end in {suffix}; that is what is written")
    if not target.parent.is_dir():
        raise Unprocessable(f"the folder {target.parent} does not exist; make it first")
    if target.is_dir():
        raise Unprocessable(f"{target} is a folder; name a file in it")
    if target.exists() and target.samefile(source):
        raise Unprocessable(f"{target} is the input itself; write to another file")


class _Run:
    """One file on its way: the two streams of the input and of the output."""

    def __init__(
        self,
        source: InputContainer,
        target: OutputContainer,
        pipeline: Pipeline,
        *,
        size: int,
        motions: IO[str] | None,
        progress: Progress,
    ) -> None:
        self._source, self._target = source, target
        self._pipeline, self._motions, self._progress = pipeline, motions, progress
        self._camera = source.streams.video[0]
        self._camera.thread_type = "AUTO"
        self._start_s = Fraction(source.start_time or 0, av.time_base)
        self._rate = Fraction(self._camera.average_rate or _USUAL_RATE)
        self._total = self._camera.frames or _frames_by_duration(source, self._rate)
        self._picture = _add_pictures(target, size, self._rate)
        self._sound = _add_sound(source, target)
        self._ticks = -1
        self._frames = self._without_face = 0

    def all(self) -> Rendered:
        """Runs every frame."""
        inputs = [self._camera, *([self._sound.source] if self._sound else [])]
        for packet in self._source.demux(*inputs):
            if self._sound and packet.stream is self._sound.source:
                self._sound.pass_on(packet, self._start_s, self._target)
            elif packet.stream is self._camera:
                for frame in self._camera.decode(packet):
                    self._render(frame)
        if self._sound:
            self._sound.finish(self._target)
        if self._frames == 0:
            raise Unprocessable(f"{self._source.name} has no pictures; give a camera video")
        if self._without_face == self._frames:
            raise Unprocessable(
                f"{self._source.name} shows no face in any of its {self._frames} pictures; it has"
                " to be upright, lit, and at least 60 pixels wide"
            )
        self._target.mux(self._picture.encode(None))
        return Rendered(self._frames, self._without_face)

    def _render(self, frame: av.VideoFrame) -> None:
        self._ticks = max(self._ticks + 1, self._ticks_of(frame))
        now_ns = ns_from_ticks(self._ticks, VIDEO_RATE)
        picture = self._pipeline(Picture(upright(frame), now_ns, now_ns)).picture
        self._frames += 1
        self._without_face += self._pipeline.face is None
        if self._motions is not None:
            self._motions.write(motion_line(self._pipeline.motion))
        drawn = av.VideoFrame.from_ndarray(picture.rgb, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        drawn.pts, drawn.time_base = self._ticks, _TIME_BASE
        self._target.mux(self._picture.encode(drawn))
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


def motion_line(motion: Motion) -> str:
    """A motion as one line of JSON."""
    fields = {
        "pts_ns": motion.pts_ns,
        "space": str(motion.space),
        "pose": np.round(motion.pose.astype(float), 5).tolist(),
        "eyes": np.round(motion.eyes.astype(float), 4).tolist(),
        "expression": np.round(motion.expression.astype(float), 5).tolist(),
    }
    return json.dumps(fields, separators=(",", ":")) + "\n"


def _add_pictures(target: OutputContainer, size: int, rate: Fraction) -> VideoStream:
    stream = target.add_stream("libx264", rate=rate, options=_ENCODER)
    stream.width = stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = _TIME_BASE
    context = stream.codec_context
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    return stream


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


@contextmanager
def _complete_or_absent(target: Path) -> Iterator[Path]:
    """A name to write under beside `target`, which takes its place when all went well."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        part = Path(folder) / target.name
        yield part
        part.replace(target)
