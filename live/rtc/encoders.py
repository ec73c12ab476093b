"""Frames in, RTP payloads out: video encoders opened for delay, with a rate that may change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
from aiortc import RTCRtpSender, rtcrtpsender
from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.mediastreams import VIDEO_TIME_BASE, convert_timebase
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.frame import Frame
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from live.clock import SECOND, now_ns
from live.rtc.access import set_private

START_BITRATE = 1_500_000
"""Bits a second. A viewer's first estimate is half as much again as what arrives, and grows slowly
from there: with 700,000 VP8 stayed at 300,000 for ten seconds, on a path with room for all."""
LOWEST_BITRATE = 150_000
HIGHEST_BITRATE = 3_000_000
"""At 512 × 512 and 30 pictures a second more is not seen."""

_FRAMERATE = 30
_VBV_SECONDS = 0.15
_STEP = 0.08
_VP8_STEP = 0.35
_VP8_HOLD_NS, _VP8_FALL_HOLD_NS = 4 * SECOND, SECOND
"""A fall may not wait: meanwhile more is sent than the path carries."""


def live_encoders(stock: Callable[[Any], Encoder]) -> Callable[[Any], Encoder]:
    """Our encoders for video, aiortc's for the rest."""

    def get_encoder(codec: Any) -> Encoder:
        match codec.mimeType.lower():
            case "video/h264":
                return LiveH264Encoder()
            case "video/vp8":
                return LiveVp8Encoder()
        return stock(codec)

    return get_encoder


def set_bitrate_limit(sender: RTCRtpSender, codec: RTCRtpCodecParameters, highest: int) -> None:
    """Gives a sender its encoder before it begins, so that this one has a bound of its own."""
    encoder: Encoder = vars(rtcrtpsender)["get_encoder"](codec)  # whichever is in force
    if isinstance(encoder, _Bitrate):
        encoder.highest = highest
    set_private(sender, "encoder", encoder)


class _Bitrate:
    """A target in bits a second, within bounds; aiortc sets it from the receiver's estimates."""

    def __init__(self) -> None:
        super().__init__()
        self._target = START_BITRATE
        self.highest = HIGHEST_BITRATE

    @property
    def target_bitrate(self) -> int:
        """Bits a second."""
        return min(self._target, self.highest)

    @target_bitrate.setter
    def target_bitrate(self, bitrate: int) -> None:
        self._target = max(LOWEST_BITRATE, bitrate)


class LiveH264Encoder(_Bitrate, H264Encoder):
    """x264, ultrafast and zerolatency: 0.7 ms a frame at 512 × 512 where aiortc's takes 8."""

    def _encode_frame(self, frame: av.VideoFrame, force_keyframe: bool) -> Iterator[bytes]:
        if self.codec is None or not _fits(self.codec, frame):
            self.codec = _open_x264(frame.width, frame.height, self.highest)
        if _differs(self.target_bitrate, self.codec, _STEP):
            self.codec.bit_rate = self.target_bitrate
        frame.pict_type = PictureType.I if force_keyframe else PictureType.NONE
        data = b"".join(bytes(packet) for packet in self.codec.encode(frame))
        yield from self._split_bitstream(data)


class LiveVp8Encoder(_Bitrate, Vp8Encoder):
    """libvpx at its fastest.

    It can only change its rate by being opened anew, which costs a keyframe; so it follows the
    target in coarse steps, down after a second at the earliest, and up after four.
    """

    _opened_ns = 0

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """The frame's RTP payloads and its time in RTP ticks."""
        assert isinstance(frame, av.VideoFrame)
        assert frame.pts is not None
        assert frame.time_base is not None
        if self.codec is None or not _fits(self.codec, frame) or self._rate_is_off(self.codec):
            self.codec = _open_vpx(frame.width, frame.height, self.target_bitrate)
            self._opened_ns = now_ns()
        frame.pict_type = PictureType.I if force_keyframe else PictureType.NONE
        data = b"".join(bytes(packet) for packet in self.codec.encode(frame))
        payloads = self._packetize(data, self.picture_id)
        self.picture_id = (self.picture_id + 1) % (1 << 15)
        return payloads, convert_timebase(frame.pts, frame.time_base, VIDEO_TIME_BASE)

    def _rate_is_off(self, codec: VideoCodecContext) -> bool:
        falls = self.target_bitrate < (codec.bit_rate or 0)
        held = now_ns() - self._opened_ns >= (_VP8_FALL_HOLD_NS if falls else _VP8_HOLD_NS)
        return held and _differs(self.target_bitrate, codec, _VP8_STEP)


def _fits(codec: VideoCodecContext, frame: av.VideoFrame) -> bool:
    return codec.width == frame.width and codec.height == frame.height


def _differs(wanted: int, codec: VideoCodecContext, step: float) -> bool:
    present = codec.bit_rate or 0
    return abs(wanted - present) > step * present


def _open(name: str, width: int, height: int, bitrate: int) -> VideoCodecContext:
    codec = av.CodecContext.create(name, "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height = width, height
    codec.bit_rate = bitrate
    codec.pix_fmt = "yuv420p"
    codec.framerate = Fraction(_FRAMERATE)
    codec.time_base = VIDEO_TIME_BASE  # aiortc's 1/30 s lets two frames of 60 a second collide
    codec.gop_size = 3000  # keyframes come when asked for
    codec.thread_count = 1  # more cost half as much CPU again, and delay none the less
    return codec


def _open_x264(width: int, height: int, highest: int) -> VideoCodecContext:
    """An encoder that takes every rate up to `highest` at once and without a keyframe.

    x264 does so only where it was opened for a constant rate, which is a rate equal to the VBV's.
    """
    codec = _open("libx264", width, height, highest)
    codec.profile = "Baseline"
    # What egress makes of RGB: BT.601 in the narrow range; unsaid, viewers guess by size.
    codec.color_range, codec.colorspace = 1, 6
    codec.color_primaries, codec.color_trc = 1, 13
    codec.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "forced-idr": "1",
        "maxrate": str(highest),
        "bufsize": str(round(highest * _VBV_SECONDS)),
    }
    codec.open()
    return codec


def _open_vpx(width: int, height: int, bitrate: int) -> VideoCodecContext:
    codec = _open("libvpx", width, height, bitrate)
    codec.qmin, codec.qmax = 2, 56
    codec.options = {
        "deadline": "realtime",
        "cpu-used": "-12",
        "noise-sensitivity": "0",
        "lag-in-frames": "0",
        "static-thresh": "1",
        "minrate": str(bitrate),  # equal bounds make libvpx hold its rate
        "maxrate": str(bitrate),
        "bufsize": str(bitrate),
        "undershoot-pct": "100",
        "overshoot-pct": "15",
    }
    return codec
