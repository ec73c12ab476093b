"""Crops that are to stay as they are: portraits and people go in, files of pairs come out.

What a drawn face ought to look like with an open mouth nobody knows; the network is to leave such
pictures as the warp renderer made them. The portraits act what the synthetic people do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from engines import image_file
from engines.nets.refiner import pairs
from engines.types import Picture, Portrait, Rgb, Tracker


def make(portraits: Sequence[Path], people: Sequence[Path], folder: Path, tracker: Tracker) -> None:
    """Each portrait acts each person's pictures; raises `UnusablePortrait`."""
    folder.mkdir(parents=True, exist_ok=True)
    seed = 0
    for file in portraits:
        rgb = image_file.decode(file.read_bytes()).rgb
        portrait = Portrait(rgb, tuple(tracker.find(Picture(rgb))))
        for person in people:
            path = pairs.path_of(folder, seed)
            seed += 1
            if not path.exists():
                acted(portrait, pairs.Person.load(person, pictures=True), tracker).save(path)


def acted(portrait: Portrait, person: pairs.Person, tracker: Tracker) -> pairs.Person:
    """The portrait acting a person's pictures; the warped crops stand for the true ones."""
    shown = pictures(person)
    neutral = tracker.find(Picture(shown[0]))[0]
    stage = pairs.Stage(portrait, neutral)
    mouths, eyes, mouth_features, eye_features = [], [], [], []
    for picture in shown[1:]:
        found = tracker.find(Picture(picture))
        row = stage.compare(found[0] if found else neutral, picture)
        mouths.append(row.mouth[[0, 0]])
        eyes.append(row.eyes[:, [0, 0]])
        mouth_features.append(row.mouth_features)
        eye_features.append(row.eye_features)
    return replace(
        person,
        mouths=np.stack(mouths),
        eyes=np.stack(eyes),
        resting_mouth=stage.rest.mouth,
        resting_eyes=stage.rest.eyes,
        mouth_features=np.stack(mouth_features),
        eye_features=np.stack(eye_features),
        misfits=np.zeros((len(mouths), 3), np.float32),
        jpeg=np.zeros(0, np.uint8),
        jpeg_ends=np.zeros(0, np.int64),
    )


def pictures(person: pairs.Person) -> list[Rgb]:
    """The true pictures, the portrait first."""
    starts = np.r_[0, person.jpeg_ends[:-1]]
    shown = []
    for start, end in zip(starts, person.jpeg_ends, strict=True):
        decoded = cv2.imdecode(person.jpeg[start:end], cv2.IMREAD_COLOR)
        assert decoded is not None
        shown.append(np.ascontiguousarray(decoded[..., ::-1], np.uint8))
    return shown
