"""The delay that the movement itself shows: what comes back is tracked again.

A black box's view: nothing is asked of the server. The clip's face, tracked picture by picture, is
the movement sent, at the times at which its pictures were drawn; what a caller decoded, tracked the
same way after the call, is the movement seen. In an echo the two trackings have the same lag, which
cancels; over the avatar it stays, with the driver's smoothing, as it does for a person who looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import caller
from benchmarks.call import CallPlan
from benchmarks.delay import NoDelay, delay, unwrapped
from benchmarks.serving import Serving
from benchmarks.timecode import TICK_MS, WRAP
from engines import registry
from engines.face_mesh import BLENDSHAPE_INDEX
from engines.types import Face, Picture, Rgb
from engines.weights import ModelStore
from live.clock import MILLISECOND

SIGNALS = ("jaw", "yaw")
PICTURES = 240
"""Of the clip; it moves less alike than the first four seconds alone, back and forth."""


def measure(
    servers: Mapping[Any, Serving], plan: CallPlan, clip: Sequence[Rgb]
) -> dict[str, dict[str, Any]]:
    """For each server: the delay by the time code, and by each signal."""
    figures = {}
    for kind, server in servers.items():
        seen, coded, viewer = asyncio.run(caller.call(server, plan, clip, keep=True))
        sent = tracked((now, clip[which]) for now, which in coded.shown)
        back = tracked(
            (now, np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420), np.uint8))
            for now, planes in viewer.pictures
        )
        figures[str(kind)] = {
            # The mean: movement is late by how late its pictures are on the whole.
            "time_code_ms": round(float(np.mean(seen.ages_ms)), 1),
            **{name: _delay(sent, back, name) for name in SIGNALS},
        }
    return figures


def tracked(pictures: Iterable[tuple[int, Rgb]]) -> list[tuple[int, Face]]:
    """The face in each picture, with the picture's ticks; those without one are left out."""
    tracker = registry.tracker("litert", ModelStore())
    found = []
    for now, rgb in pictures:
        face = tracker.track(Picture(rgb, round(now * TICK_MS * MILLISECOND)))
        if face is not None:
            found.append((now, face))
    tracker.close()
    return found


def signal(faces: Sequence[Face], name: str) -> NDArray[np.float64]:
    """`(n,)`: how far the jaw is open, 0…1, or the head's turn in degrees."""
    if name == "jaw":
        column = BLENDSHAPE_INDEX["jawOpen"]
        return np.array([float(face.blendshapes[column]) for face in faces])
    turned = [np.arctan2(face.head[0, 2], face.head[2, 2]) for face in faces]
    return np.degrees(np.array(turned, np.float64))


def _delay(
    sent: Sequence[tuple[int, Face]], back: Sequence[tuple[int, Face]], name: str
) -> dict[str, float] | str:
    # Both began on one clock within seconds, so one reference serves to unwrap the two.
    ticks = unwrapped([now for now, _ in sent] + [now for now, _ in back], WRAP) * TICK_MS
    try:
        found = delay(
            ticks[: len(sent)],
            signal([face for _, face in sent], name),
            ticks[len(sent) :],
            signal([face for _, face in back], name),
        )
    except NoDelay as error:
        return str(error)
    return found._asdict()
