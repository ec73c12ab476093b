"""Training pairs: a synthetic person goes in, warped crops beside the true ones come out.

The person's portrait becomes an avatar. Each other picture is tracked, the face driver makes a
motion of it relative to the portrait, and the warp renderer draws that. The crops are laid where
the motion has mouth and eyes; the true picture is laid under them by the landmarks near the crop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.drivers.face import FaceDriver
from engines.errors import UnusablePortrait
from engines.face_geometry import Points
from engines.nets.heads import acts, people
from engines.nets.refiner.mouth import lips_in, mouth_crop, mouth_features
from engines.renderers.refined import crops
from engines.renderers.warp import WarpRenderer
from engines.renderers.warp.deform import Moved, deform
from engines.renderers.warp.mesh import FACE
from engines.studio.talking_head import TalkingHead
from engines.types import Avatar, Face, Motion, Picture, Portrait, Rgb, Tracker

SIZE = 256
"""Pixels of the pictures and of the avatars."""
MOST_MISFIT = 0.05
"""Of the crop's side: how far its landmarks may be from the true ones on average."""
_STEP_NS = 500_000_000  # so long that no filter remembers the picture before
_CALIBRATING = 5
_SETTLING = 3
_QUALITY = 95


@dataclass(frozen=True, slots=True)
class Person:
    """All pairs of one synthetic person; `n` pictures."""

    mouths: NDArray[np.uint8]
    """`(n, 2, s, s, 3)` warped, true."""
    eyes: NDArray[np.uint8]
    """`(n, 2, 2, s, s, 3)` the right and the left eye; warped, true."""
    resting_mouth: NDArray[np.uint8]
    """`(s, s, 3)` of the avatar at rest."""
    resting_eyes: NDArray[np.uint8]
    """`(2, s, s, 3)`."""
    mouth_features: NDArray[np.float32]
    """`(n, f)`."""
    eye_features: NDArray[np.float32]
    """`(n, 2, f)`."""
    misfits: NDArray[np.float32]
    """`(n, 3)` of mouth, right eye and left eye, of the crop's side."""
    euler_deg: NDArray[np.float32]
    """`(n, 3)` of the head, less the portrait's."""
    coefficients: NDArray[np.float32]
    """`(n, 52)` the truth."""
    jpeg: NDArray[np.uint8]
    """The true pictures, the portrait first, as JPEG files one after the other."""
    jpeg_ends: NDArray[np.int64]
    """`(n + 1,)` where in `jpeg` each ends."""

    def save(self, path: Path) -> None:
        """Writes an `.npz` file at once or not at all."""
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, **{name: getattr(self, name) for name in self.__slots__})
        partial.replace(path)

    @classmethod
    def load(cls, path: Path, *, pictures: bool = False) -> Person:
        """Reads `save`'s file; the JPEG files only where they are asked for."""
        with np.load(path) as stored:
            arrays: dict[str, Any] = {
                name: stored[name] for name in cls.__slots__ if pictures or name != "jpeg"
            }
        return cls(**{"jpeg": np.zeros(0, np.uint8), **arrays})


def make(seed: int, count: int, tracker: Tracker, assets: Path | None) -> Person | None:
    """The pairs of one person; `None`: no avatar can be made of them, or few pictures fit."""
    rng = np.random.default_rng([seed, 23])
    head = TalkingHead(SIZE, people.sitter(seed, assets))
    still = acts.neutral(rng)
    portrait = head.draw(still.coefficients, still.euler_deg)
    faces = tuple(tracker.find(Picture(portrait)))
    try:
        stage = Stage(Portrait(portrait, faces))
    except UnusablePortrait:
        return None
    drawn = (acts.act(rng, still.coefficients) for _ in range(count))
    rows, files = [], [_jpeg(portrait)]
    for act in drawn:
        truth = head.draw(act.coefficients, act.euler_deg)
        found = tracker.find(Picture(truth))
        if not found:
            continue
        row = stage.compare(found[0], truth)
        rows.append((row, act.euler_deg - still.euler_deg, act.coefficients))
        files.append(_jpeg(truth))
    if len(rows) < count // 2:
        return None
    return Person(
        mouths=np.stack([row.mouth for row, _, _ in rows]),
        eyes=np.stack([row.eyes for row, _, _ in rows]),
        resting_mouth=stage.rest.mouth,
        resting_eyes=stage.rest.eyes,
        mouth_features=np.stack([row.mouth_features for row, _, _ in rows]),
        eye_features=np.stack([row.eye_features for row, _, _ in rows]),
        misfits=np.array([row.misfits for row, _, _ in rows], np.float32),
        euler_deg=np.array([euler for _, euler, _ in rows], np.float32),
        coefficients=np.array([truth for _, _, truth in rows], np.float32),
        jpeg=np.concatenate(files),
        jpeg_ends=np.cumsum([len(file) for file in files]),
    )


@dataclass(frozen=True, slots=True)
class _Rest:
    mouth: Rgb
    eyes: NDArray[np.uint8]
    lips: NDArray[np.float32]
    lids: tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class _Row:
    mouth: NDArray[np.uint8]
    eyes: NDArray[np.uint8]
    mouth_features: NDArray[np.float32]
    eye_features: NDArray[np.float32]
    misfits: tuple[float, float, float]


class Stage:
    """One portrait's avatar and the driver that acts it."""

    def __init__(self, portrait: Portrait, neutral: Face | None = None) -> None:
        """`neutral`: the actor's, the portrait's own unless told; raises `UnusablePortrait`."""
        self._renderer = WarpRenderer()
        self.avatar: Avatar = self._renderer.prepare(
            portrait, id="pair", consent="synthetic", size=SIZE
        )
        self._mesh = self.avatar.features.mesh
        self._driver = FaceDriver()
        self._now_ns = 0
        for _ in range(_CALIBRATING):
            self._drive(neutral or portrait.faces[0])
        self.rest = self._at_rest()

    def compare(self, face: Face, truth: Rgb) -> _Row:
        """Crops of what the avatar makes of a face beside those of the picture it was found in."""
        motion, moved, warped = self.act(face)
        parts, misfits = [], []
        for crop in self.crops(moved):
            under, misfit = _under(crop, moved, face)
            parts.append(np.stack([crop.cut(warped), under.cut(truth)]))
            misfits.append(misfit)
        mouth, right, left = self.crops(moved)
        return _Row(
            parts[0],
            np.stack(parts[1:]),
            mouth_features(mouth, moved, self.rest.lips, motion),
            np.stack(
                [
                    crops.eye_features(crop, moved, number, self.rest.lids[number], motion)
                    for number, crop in enumerate((right, left))
                ]
            ),
            (misfits[0], misfits[1], misfits[2]),
        )

    def act(self, face: Face) -> tuple[Motion, Moved, Rgb]:
        """The motion of a face, the mesh and the picture that come of it."""
        for _ in range(_SETTLING):
            motion = self._drive(face)
        return motion, deform(self._mesh, motion), self._renderer.render(self.avatar, motion).rgb

    def crops(self, moved: Moved) -> tuple[crops.Crop, crops.Crop, crops.Crop]:
        """Of mouth, right eye and left eye."""
        right, left = (
            crops.eye_crop(moved, number, crops.eye_width(self._mesh.points, number))
            for number in (0, 1)
        )
        return mouth_crop(moved, self._mesh.mouth_width), right, left

    def _drive(self, face: Face) -> Motion:
        self._now_ns += _STEP_NS
        return self._driver.drive(replace(face, pts_ns=self._now_ns))[-1]

    def _at_rest(self) -> _Rest:
        moved = deform(self._mesh, Motion.neutral())
        picture = self._renderer.render(self.avatar, Motion.neutral()).rgb
        mouth, right, left = self.crops(moved)
        return _Rest(
            mouth.cut(picture),
            np.stack([right.cut(picture), left.cut(picture)]),
            lips_in(mouth, moved),
            (crops.lids_in(right, moved, 0), crops.lids_in(left, moved, 1)),
        )


def _under(crop: crops.Crop, moved: Moved, face: Face) -> tuple[crops.Crop, float]:
    """The crop of the true picture that lies under `crop`; how far its landmarks are off."""
    near = (np.abs(crop.inside(moved.face[:, :2])) < 1.0).all(axis=1)
    ours, theirs = moved.face[near, :2], face.landmarks[:FACE][near, :2].astype(np.float64)
    fit = _similarity(ours, theirs)
    apart = np.linalg.norm(ours @ fit[:, :2].T + fit[:, 2] - theirs, axis=1).mean()
    span = crop.side * np.linalg.norm(fit[:, :2] @ crop.matrix[:, 0])
    matrix = np.column_stack([fit[:, :2] @ crop.matrix[:, :2], fit @ [*crop.matrix[:, 2], 1.0]])
    return crops.Crop(matrix, crop.side), float(apart / span)


def _similarity(source: Points, target: Points) -> Points:
    """`(2, 3)` the least-squares similarity between points of the plane."""
    a, b = (points @ [1.0, 1.0j] for points in (source, target))
    from_, to = a.mean(), b.mean()
    ratio = np.vdot(a - from_, b - to) / np.vdot(a - from_, a - from_)
    shift = to - ratio * from_
    return np.array([[ratio.real, -ratio.imag, shift.real], [ratio.imag, ratio.real, shift.imag]])


def _jpeg(picture: Rgb) -> NDArray[np.uint8]:
    _, file = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return np.asarray(file, np.uint8).ravel()


def files(folder: Path) -> Iterator[Path]:
    """The stored people in order."""
    yield from sorted(folder.glob("person-*.npz"))


def path_of(folder: Path, seed: int) -> Path:
    """Where a seed's person is stored."""
    return folder / f"person-{seed:05}.npz"
