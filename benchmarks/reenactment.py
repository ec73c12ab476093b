"""Reenactment to be judged: a clip and an avatar go in, the avatar's performance comes out.

The driver is first shown the clip's calmest frame for a little longer than its calibration takes,
as a person looks at the camera before a call; then the clip runs once, frame for frame. A fresh
tracker reads what was rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np

from engines import registry
from engines.drivers.neutral import energy
from engines.face_geometry import eye_distance
from engines.network_source import NetworkSource
from engines.types import Avatar, Face, Motion, Picture, Portrait, Rgb, Space, Weights
from live.avatars import Opened
from live.errors import Unprocessable
from live.workshop import prepare

_DRIVERS = {Space.IMPLICIT21: "implicit"}
_CALIBRATION_S = 1.5
_LEAST_HEIGHT = 480  # smaller clips are enlarged: no portrait can be made of a 60 pixel face

Progress = Callable[[str, int, int], None]
"""Told what is being done, the frames done, the frames in all."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A driving clip, decoded and tracked."""

    name: str
    pictures: Sequence[Picture]
    faces: Sequence[Face | None]
    calmest: int
    """The number of the frame that is nearest to a neutral face."""

    @property
    def neutral(self) -> Face:
        """The face of the calmest frame."""
        face = self.faces[self.calmest]
        assert face is not None
        return face


@dataclass(frozen=True, slots=True)
class Performance:
    """What an avatar did, read by a tracker."""

    pictures: Sequence[Rgb]
    faces: Sequence[Face | None]
    rest: Face
    """The avatar's neutral face as it is drawn."""


class Stage:
    """Reads clips, makes avatars and plays the ones on the others."""

    def __init__(
        self,
        weights: Weights,
        *,
        tracker: str,
        driver: str | None,
        renderer: str,
        source: NetworkSource,
        size: int,
        progress: Progress,
    ) -> None:
        """Parts by their registered names; raises `UnknownPart` and what the parts raise.

        `driver`: `None` for the camera's own in the renderer's space; `source`: of networks.
        """
        self._weights = weights
        self._tracker = tracker
        self._finder = registry.tracker(tracker, weights)
        self._source = source
        self._renderer = registry.renderer(renderer, source)
        self._driver = driver or _DRIVERS.get(self._renderer.space, "face")
        self._size = size
        self._progress = progress

    def read(self, file: Path, most: int | None = None) -> Clip:
        """Decodes and tracks the first `most` frames; raises `Unprocessable` and PyAV's errors."""
        pictures = []
        for picture in _pictures(file):
            pictures.append(picture)
            if len(pictures) == most:
                break
        faces = self._track(pictures, f"{file.stem}: tracking")
        if sum(face is not None for face in faces) <= len(faces) / 2:
            raise Unprocessable(f"{file} shows no face in most of its frames; choose another clip")
        return Clip(file.stem, pictures, faces, calmest(faces))

    def avatar(self, opened: Opened) -> Avatar:
        """An avatar of the catalogue; raises `UnusablePortrait`."""
        return prepare(opened, self._finder, self._renderer, self._size)

    def own_avatar(self, clip: Clip) -> Avatar:
        """An avatar of the clip's calmest frame; raises `UnusablePortrait`."""
        rgb = clip.pictures[clip.calmest].rgb
        portrait = Portrait(rgb, tuple(self._finder.find(Picture(rgb))))
        return self._renderer.prepare(portrait, id="self", consent="benchmark", size=self._size)

    def play(self, clip: Clip, avatar: Avatar) -> Performance:
        """Drives the avatar by the clip and reads what it did; raises `Unprocessable`."""
        pictures = []
        for number, motion in enumerate(self._drive(clip), 1):
            drawn = self._renderer.render(avatar, motion)
            pictures.append(replace(drawn, pts_ns=motion.pts_ns))
            self._progress(f"{clip.name} on {avatar.id}: rendering", number, len(clip.faces))
        faces = self._track(pictures, f"{clip.name} on {avatar.id}: reading")
        rest = self._finder.find(self._renderer.render(avatar, Motion.neutral()))
        if not rest:
            raise Unprocessable(
                f"the avatar {avatar.id!r} is not found to have a face; choose another"
            )
        return Performance([picture.rgb for picture in pictures], faces, rest[0])

    def _drive(self, clip: Clip) -> Iterator[Motion]:
        driver = registry.driver(self._driver, self._source)
        times = [picture.pts_ns for picture in clip.pictures]
        step = round(float(np.median(np.diff(times))))
        for before in range(round(_CALIBRATION_S * 1e9 / step), 0, -1):
            driver.drive(replace(clip.neutral, pts_ns=times[0] - before * step))
        for face, time in zip(clip.faces, times, strict=True):
            yield replace(driver.drive(face)[-1], pts_ns=time)

    def _track(self, pictures: Sequence[Picture], doing: str) -> list[Face | None]:
        tracker = registry.tracker(self._tracker, self._weights)
        try:
            faces = []
            for number, picture in enumerate(pictures, 1):
                faces.append(tracker.track(picture))
                self._progress(doing, number, len(pictures))
            return faces
        finally:
            tracker.close()


def calmest(faces: Sequence[Face | None]) -> int:
    """The number of the frame whose face is calm and stands as it mostly does."""
    usual = np.median([face.landmarks for face in faces if face is not None], axis=0)
    unit = eye_distance(usual)
    energies = [
        np.inf
        if face is None
        else energy(face) + float(np.linalg.norm(face.landmarks - usual, axis=1).mean()) / unit
        for face in faces
    ]
    return int(np.argmin(energies))


def _pictures(file: Path) -> Iterator[Picture]:
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 30)
        for number, frame in enumerate(container.decode(stream)):
            scale = max(1, -(-_LEAST_HEIGHT // frame.height))
            rgb = frame.to_ndarray(
                format="rgb24",
                width=frame.width * scale,
                height=frame.height * scale,
                interpolation="LANCZOS",
            )
            time_s = frame.time if frame.time is not None else number / rate
            pts_ns = round(time_s * 1e9)
            yield Picture(np.ascontiguousarray(rgb), pts_ns, pts_ns)
