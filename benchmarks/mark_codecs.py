"""Pictures and a bit rate go in, what a viewer gets of them comes out.

`call` is the server's own way out: its encoders (`live.rtc.encoders`), RTP payloads, and aiortc's
decoders as a viewer. One keyframe stands at the beginning, as in a call without losses. `film` is
what a platform makes of an upload: x264's `medium` with B-pictures, in an MP4 file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
from aiortc.codecs import depayload, get_decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import VIDEO_TIME_BASE
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from engines.types import Picture, Rgb
from live.planes import Planes
from live.rtc.encoders import LiveH264Encoder, LiveVp8Encoder

RATE = 30.0
"""Pictures a second that a call sends."""


class Codec(StrEnum):
    """What calls are coded with, by the names of SDP."""

    VP8 = "VP8"
    H264 = "H264"

    @property
    def other(self) -> Codec:
        """The one that it is not."""
        return Codec.H264 if self is Codec.VP8 else Codec.VP8


@dataclass(frozen=True, slots=True)
class Video:
    """Pictures of one size, evenly spaced."""

    pictures: Sequence[Rgb]
    rate: float = RATE
    """Pictures a second."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.pictures) / self.rate


@dataclass(frozen=True, slots=True)
class Coded:
    """What came through an encoder."""

    video: Video
    bits: tuple[int, ...]
    """Of each picture, without the network's headers."""

    def bitrate(self, pictures: int) -> float:
        """Bits a second over the last so many pictures."""
        last = self.bits[-pictures:]
        return sum(last) * self.video.rate / len(last)


def call(video: Video, codec: Codec, bitrate: int) -> Coded:
    """Sends the pictures as the server does, at a fixed target in bits a second.

    A picture that the encoder leaves out is repeated, as a viewer sees it.
    """
    parameters = RTCRtpCodecParameters(f"video/{codec}", clockRate=90_000, payloadType=96)
    encoder = _VP8(bitrate) if codec is Codec.VP8 else _H264(bitrate)
    decoder = get_decoder(parameters)
    step = 1 / VIDEO_TIME_BASE / Fraction(video.rate).limit_denominator(1001)
    seen: list[Rgb] = []
    bits = []
    for number, rgb in enumerate(video.pictures):
        frame = to_frame(rgb)
        frame.pts, frame.time_base = round(number * step), VIDEO_TIME_BASE
        payloads, ticks = encoder.encode(frame, force_keyframe=number == 0)
        data = b"".join(depayload(parameters, payload) for payload in payloads)
        bits.append(8 * len(data))
        frames = decoder.decode(JitterFrame(data=data, timestamp=ticks)) if data else []
        shown = [to_rgb(each) for each in frames if isinstance(each, av.VideoFrame)]
        seen.append(shown[-1] if shown else seen[-1])
    return Coded(Video(seen, video.rate), tuple(bits))


def film(video: Video, bitrate: int, preset: str = "medium") -> Coded:
    """A file as `ffmpeg -c:v libx264 -preset medium -b:v` writes it, read again."""
    rate = Fraction(video.rate).limit_denominator(1001)
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": preset})
        height, width = video.pictures[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt = width & ~1, height & ~1, "yuv420p"
        stream.bit_rate = bitrate
        stream.codec_context.thread_count = 1  # the same file on every machine
        packets = [
            packet
            for number, rgb in enumerate(video.pictures)
            for packet in stream.encode(_at(to_frame(rgb), number, 1 / rate))
        ]
        packets += stream.encode(None)
        sizes = {packet.pts: 8 * packet.size for packet in packets}
        container.mux(packets)
    bits = tuple(sizes[pts] for pts in sorted(key for key in sizes if key is not None))
    file.seek(0)
    with av.open(file, "r") as written:
        pictures = [to_rgb(frame) for frame in written.decode(video=0)]
    return Coded(Video(pictures, video.rate), bits)


def to_frame(rgb: Rgb) -> av.VideoFrame:
    """I420, BT.601 in the narrow range, as the server sends it; an odd row or column is lost."""
    return av.VideoFrame.from_ndarray(Planes.of(Picture(rgb)).i420, format="yuv420p")


def to_rgb(frame: av.VideoFrame) -> Rgb:
    """What FFmpeg's scaler makes of a decoded frame, which is what players and editors show."""
    return np.ascontiguousarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _at(frame: av.VideoFrame, number: int, time_base: Fraction) -> av.VideoFrame:
    frame.pts, frame.time_base = number, time_base
    return frame


class _H264(LiveH264Encoder):
    """At any target, also below what a call goes down to."""

    def __init__(self, bitrate: int) -> None:
        super().__init__()
        self._target = bitrate


class _VP8(LiveVp8Encoder):
    """At any target, also below what a call goes down to."""

    def __init__(self, bitrate: int) -> None:
        super().__init__()
        self._target = bitrate
