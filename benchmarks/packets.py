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

from engines.types import Rgb
from live.clock import VIDEO_RATE
from live.rtc import encoders

CODECS = ("H264", "VP8")
FPS = 30


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


def encoded(name: str, camera: Sequence[Rgb], keyframe_every: int = 0) -> list[bytes]:
    """Each picture coded; `keyframe_every`: pictures, 0 for the first only."""
    codec, coder = parameters(name), encoder(name)
    coded = []
    for index, rgb in enumerate(camera):
        planes = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8)
        frame = timed(av.VideoFrame.from_ndarray(planes, format="yuv420p"), index)
        force = bool(keyframe_every) and index % keyframe_every == 0
        payloads, _ = coder.encode(frame, force)
        coded.append(b"".join(depayload(codec, payload) for payload in payloads))
    return coded


def timed(frame: av.VideoFrame, index: int) -> av.VideoFrame:
    """The frame with the time of picture number `index`."""
    frame.pts, frame.time_base = index * VIDEO_RATE // FPS, Fraction(1, VIDEO_RATE)
    return frame


def _none(codec: Any) -> Encoder:
    raise AssertionError(f"no encoder of ours for {codec.mimeType}")
