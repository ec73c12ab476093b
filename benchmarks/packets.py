"""A camera's pictures go in, coded ones come out, as a caller sends them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from aiortc.codecs import depayload
from aiortc.codecs.base import Encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.audio.codeccontext import AudioCodecContext

from benchmarks.timecode import draw
from engines.types import Rgb
from live.clock import VIDEO_RATE, VOICE_RATE
from live.rtc import encoders

CODECS = ("H264", "VP8")
FPS = 30
BITRATE = 1_000_000
"""Bits a second, as of a webcam of 512 × 512."""
_SPOKEN_S = 4


def parameters(name: str) -> RTCRtpCodecParameters:
    """The codec as it is agreed on in a call."""
    formats: dict[str, int | str | None] = {}
    if name == "H264":
        formats = {"level-asymmetry-allowed": "1", "packetization-mode": "1"}
    return RTCRtpCodecParameters(
        mimeType=f"video/{name}", clockRate=VIDEO_RATE, payloadType=96, parameters=formats
    )


def encoder(name: str) -> Encoder:
    """The server's own encoder of this codec."""
    return encoders.live_encoders(_none)(parameters(name))


def encoded(
    name: str, camera: Sequence[Rgb], keyframe_every: int = 0, *, numbered: bool = False
) -> list[bytes]:
    """Each picture coded; `keyframe_every`: pictures, 0 for the first only.

    `numbered`: with each picture's number on its upper edge (`timecode`).
    """
    codec, coder = parameters(name), encoder(name)
    assert isinstance(coder, encoders.LiveH264Encoder | encoders.LiveVp8Encoder)
    coder.target_bitrate = BITRATE
    coded = []
    for index, rgb in enumerate(camera):
        planes = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8)
        if numbered:
            draw(planes[: rgb.shape[0]], index)
        frame = timed(av.VideoFrame.from_ndarray(planes, format="yuv420p"), index)
        force = bool(keyframe_every) and index % keyframe_every == 0
        payloads, _ = coder.encode(frame, force)
        coded.append(b"".join(depayload(codec, payload) for payload in payloads))
    return coded


def spoken() -> list[bytes]:
    """Some seconds of a hum that rises and falls as syllables do, in Opus, 20 ms a piece."""
    at = np.arange(_SPOKEN_S * VOICE_RATE) / VOICE_RATE
    hum = sum(np.sin(2 * np.pi * 120 * n * at) / n for n in range(1, 12))
    samples = (6000 * hum * np.abs(np.sin(2 * np.pi * 2 * at))).astype(np.int16)
    coder = av.CodecContext.create("libopus", "w")
    assert isinstance(coder, AudioCodecContext)
    coder.format, coder.layout, coder.sample_rate = "s16", "mono", VOICE_RATE
    coder.bit_rate = 32_000
    coded = []
    for start in range(0, len(samples), VOICE_RATE // 50):
        piece = samples[None, start : start + VOICE_RATE // 50]
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = VOICE_RATE, start, Fraction(1, VOICE_RATE)
        coded += [bytes(packet) for packet in coder.encode(frame)]
    return coded


def timed(frame: av.VideoFrame, index: int) -> av.VideoFrame:
    """The frame with the time of picture number `index`."""
    frame.pts, frame.time_base = index * VIDEO_RATE // FPS, Fraction(1, VIDEO_RATE)
    return frame


def _none(codec: Any) -> Encoder:
    raise AssertionError(f"no encoder of ours for {codec.mimeType}")
