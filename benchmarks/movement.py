"""The delay that the movement itself shows: what comes back is tracked again.

A black box's view: nothing is asked of the server. The clip's face, tracked picture by picture, is
the movement sent, at the times at which its pictures were drawn; what a caller decoded, tracked the
same way after the call, is the movement seen. In an echo the two trackings have the same lag, which
cancels; over the avatar it stays, with the driver's smoothing, as it does for a person who looks.

What it finds of an echo is held against the time codes of the same pictures (`apart`). The rest is
codecs': where bits are short they leave something of the picture before, above all of a mouth, so
what moves is later than the picture it is in. Two of ours in a row make that 0.5 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.call import CallFailed, Seen
from benchmarks.delay import NoDelay, delay, unwrapped
from benchmarks.timecode import TICK_MS, WRAP
from engines import registry
from engines.face_mesh import BLENDSHAPE_INDEX
from engines.types import Face, Picture, Rgb
from engines.weights import ModelStore
from live.clock import MILLISECOND

SIGNALS = ("jaw", "yaw")
PICTURES = 240
"""Of the clip; it moves less alike than the first four seconds alone, back and forth."""


def measured(seen: Seen, clip: Sequence[Rgb]) -> dict[str, Any]:
    """The delay of a call by each signal, and by the time code where there is one.

    `seen`: with the pictures that came back and with what was sent; `clip`: what that was of.
    """
    sent = tracked((now, clip[which]) for now, which in seen.shown)
    back = tracked((round(at_ms / TICK_MS) % WRAP, _decoded(jpeg)) for at_ms, jpeg in seen.pictures)
    # The mean: movement is late by how late its pictures are on the whole.
    mean = round(float(np.mean(seen.ages_ms)), 1) if seen.ages_ms else None
    return {"time_code_ms": mean, **{name: _delay(sent, back, name) for name in SIGNALS}}


def apart(echo: Mapping[str, Any]) -> dict[str, float]:
    """By how much later an echo is by each signal than by its time code, in ms."""
    code = echo["time_code_ms"]
    known = {name: echo[name] for name in SIGNALS if not isinstance(echo[name], str)}
    return {} if code is None else {n: round(one["ms"] - code, 1) for n, one in known.items()}


def show(figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Prints what was measured of each kind of call."""
    for kind, found in figures.items():
        code = found["time_code_ms"]
        print(f"{kind} by movement", end="")
        print("" if code is None else f" (time code: {code} ms in the mean)", end="")
        for name in SIGNALS:
            one = found[name]
            words = one if isinstance(one, str) else f"{one['ms']} ± {one['uncertainty_ms']} ms"
            print(f"; {name} {words}", end="")
        print()


def _decoded(jpeg: bytes) -> Rgb:
    rgb = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    if rgb is None:
        raise CallFailed("a picture that the client kept is no JPEG")
    return np.ascontiguousarray(rgb, np.uint8)


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
