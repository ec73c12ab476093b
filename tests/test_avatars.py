"""The built-in avatars: complete, as recorded, and fit to be animated."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from engines import avatars
from engines.avatars import pins
from engines.face_geometry import eye_aperture, face_width
from engines.face_mesh import LEFT_EYE, RIGHT_EYE
from engines.trackers.litert import LitertTracker
from engines.types import Picture
from engines.weights import ModelStore

IDS = avatars.ids()
LICENCES = {"CC0-1.0", "Apache-2.0"}


@pytest.fixture(scope="module")
def tracker() -> LitertTracker:
    return LitertTracker(ModelStore())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_there_are_enough_and_they_differ() -> None:
    records = [avatars.record(each) for each in IDS]
    assert len(records) >= 6
    assert {record.style for record in records} == {"realistic", "drawn"}
    assert len({record.description for record in records}) == len(records)
    assert len({record.portrait_sha256 for record in records}) == len(records)


def test_the_code_knows_every_record() -> None:
    root = Path(pins.__file__).parent
    records = {file.parent.name: sha256(file) for file in sorted(root.glob("*/record.json"))}
    lines = "\n".join(f'    "{each}": "{digest}",' for each, digest in records.items())
    assert records == pins.RECORDS, f"engines/avatars/pins.py has to say:\n{lines}"


def test_all_of_them_stay_small() -> None:
    files = [path for each in IDS for path in avatars.folder(each).iterdir()]
    assert sum(path.stat().st_size for path in files) < 4_000_000


def test_an_unknown_id_is_refused_with_the_known_ones() -> None:
    for ask in (avatars.folder, avatars.record, avatars.contents):
        with pytest.raises(KeyError, match="kofi"):
            ask("nobody")


@pytest.mark.parametrize("id", IDS)
def test_the_record_is_complete_and_matches_the_files(id: str) -> None:
    folder, record = avatars.folder(id), avatars.record(id)
    assert record.id == id
    assert record.kind == "synthetic"
    assert "no real person" in record.consent
    assert record.licence in LICENCES
    for text in (record.name, record.description, record.origin, record.skin_origin):
        assert text
    assert sha256(folder / "portrait.jpg") == record.portrait_sha256
    assert sha256(folder / "matte.png") == record.matte_sha256
    assert avatars.contents(id).record == record
    assert {path.name for path in folder.iterdir()} == {"portrait.jpg", "matte.png", "record.json"}


@pytest.mark.parametrize("id", IDS)
def test_the_matte_covers_the_person(id: str) -> None:
    folder = avatars.folder(id)
    portrait = cv2.imread(str(folder / "portrait.jpg"), cv2.IMREAD_UNCHANGED)
    matte = cv2.imread(str(folder / "matte.png"), cv2.IMREAD_UNCHANGED)
    assert portrait is not None
    assert matte is not None
    assert portrait.dtype == matte.dtype == np.uint8
    side = portrait.shape[0]
    assert portrait.shape == (side, side, 3)
    assert matte.shape == (side, side)
    assert side >= 768
    assert (matte[: side // 12] == 0).all()  # air above the hair
    assert (matte[[-1], side // 3 : 2 * side // 3] == 255).all()  # shoulders reach the edge
    assert (matte[side // 2 : 5 * side // 8, side * 2 // 5 : side * 3 // 5] == 255).all()
    assert 0.15 < (matte == 255).mean() < 0.6


@pytest.mark.parametrize("id", IDS)
def test_one_frontal_face_with_open_eyes_and_a_closed_mouth(
    id: str, tracker: LitertTracker
) -> None:
    bgr = cv2.imread(str(avatars.folder(id) / "portrait.jpg"))
    assert bgr is not None
    faces = tracker.find(Picture(np.ascontiguousarray(bgr[..., ::-1])))
    assert len(faces) == 1
    face, side = faces[0], bgr.shape[0]
    turned = np.degrees(cv2.Rodrigues(face.head[:3, :3])[0].ravel())
    assert np.abs(turned).max() < 18.0  # short noses read as a nod
    assert np.abs(turned[1:]).max() < 5.0
    width = face_width(face.landmarks.astype(np.float64)) / side
    assert 0.25 < width < 0.45
    for eye in (RIGHT_EYE, LEFT_EYE):
        assert eye_aperture(face.landmarks, eye) > 0.15
    gap = np.linalg.norm(face.landmarks[13] - face.landmarks[14])
    assert gap / face_width(face.landmarks) < 0.03
