"""What is marked: every built-in avatar, talking and listening, with and without the label.

The avatars are moved as in a call: the driver of a camera call follows the project's own clip
(`talking`), or nobody at all, so that the avatar lives by itself (`listening`): the still pictures
of which a codec sends next to nothing. Other people's clips can be added as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from benchmarks import clip
from benchmarks.mark_codecs import RATE
from engines import avatars
from engines.drivers.auto import AutoDriver
from engines.renderers.warp import WarpRenderer
from engines.trackers.litert import LitertTracker
from engines.types import Avatar, Motion, Picture, Portrait, Rgb
from engines.weights import ModelStore
from live.clock import SECOND

SIZE = 512
_MOTIONS = 300
"""Ten seconds, played back and forth where more are asked for."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that is filmed."""

    name: str
    labelled: bool
    avatar: str = ""
    talking: bool = False
    file: Path | None = None
    """Another's clip, in place of an avatar."""


def subjects(clips: list[Path]) -> list[Subject]:
    """The clips first, then all avatars in an order whose beginning mixes motions and labels."""
    found = [Subject(file.stem, labelled=False, file=file) for file in clips]
    names = avatars.ids()
    for turn in range(2):
        for number, name in enumerate(names):
            talking, labelled = (number + turn) % 2 == 0, (number // 2 + turn) % 2 == 0
            motion = "talking" if talking else "listening"
            found.append(Subject(f"{name} {motion}", labelled, name, talking))
    return found


def clips_of(folder: Path | None) -> list[Path]:
    """The MP4 files of a folder, sorted; none without a folder."""
    return sorted(folder.glob("*.mp4")) if folder else []


def pictures(subject: Subject, first: int, count: int) -> list[Rgb]:
    """So many pictures, `(512, 512, 3)`, from a place in the performance on, each its own array.

    Raises `BadRequest` for a clip that cannot be read.
    """
    if subject.file is not None:
        found = _clip(subject.file)
        return [found[clip.back_and_forth(len(found), first + n)].copy() for n in range(count)]
    motions, avatar = _motions(talking=subject.talking), _avatar(subject.avatar)
    shown = (motions[clip.back_and_forth(len(motions), first + n)] for n in range(count))
    return [_renderer().render(avatar, motion).rgb.copy() for motion in shown]


@cache
def _avatar(id: str) -> Avatar:
    folder = avatars.folder(id)
    rgb = cv2.imread(str(folder / "portrait.jpg"), cv2.IMREAD_COLOR_RGB)
    matte = cv2.imread(str(folder / "matte.png"), cv2.IMREAD_GRAYSCALE)
    assert rgb is not None
    assert matte is not None
    picture = Picture(np.ascontiguousarray(rgb, np.uint8))
    tracker = LitertTracker(ModelStore())
    try:
        faces = tuple(tracker.find(picture))
    finally:
        tracker.close()
    portrait = Portrait(picture.rgb, faces, np.asarray(matte, np.uint8))
    return _renderer().prepare(portrait, id=id, consent="synthetic", size=SIZE)


@cache
def _renderer() -> WarpRenderer:
    return WarpRenderer()


@cache
def _clip(file: Path) -> list[Rgb]:
    return clip.read(file, _MOTIONS, (SIZE, SIZE))


@cache
def _motions(*, talking: bool) -> list[Motion]:
    """After the first second, in which the driver calibrates itself and eases in."""
    driver = AutoDriver(seed=0)
    first = round(RATE)
    if not talking:
        moments = range(_MOTIONS + first)
        return [driver.drive(None, (), _at(moment))[-1] for moment in moments][first:]
    tracker = LitertTracker(ModelStore())
    try:
        faces = [
            tracker.track(Picture(rgb, _at(number)))
            for number, rgb in enumerate(clip.read(clip.DEFAULT, _MOTIONS + first))
        ]
    finally:
        tracker.close()
    return [driver.drive(face, (), _at(n))[-1] for n, face in enumerate(faces)][first:]


def _at(number: int) -> int:
    """Nanoseconds."""
    return round(number * SECOND / RATE)
