"""Google's own package and our loop read the same faces in the same video."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest

from engines import registry
from engines.errors import UnknownPart
from engines.face_geometry import rotation_vector
from engines.trackers.litert import LitertTracker
from engines.trackers.mediapipe import MediapipeTracker
from engines.types import Face, Picture, Tracker
from engines.weights import ModelStore
from tests.scenes import scene

CLIP = Path(__file__).parent / "data/talk.mp4"
FRAMES = 90

needs_mediapipe = pytest.mark.skipif(
    find_spec("mediapipe") is None,
    reason="the extra is not installed: pip install 'visavis[mediapipe]'",
)


@pytest.mark.skipif(find_spec("mediapipe") is not None, reason="mediapipe is installed")
def test_without_the_package_it_says_how_to_get_it() -> None:
    with pytest.raises(UnknownPart, match=r"pip install 'visavis\[mediapipe\]'"):
        registry.tracker("mediapipe", ModelStore())


def clip() -> Iterator[Picture]:
    with av.open(str(CLIP)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == FRAMES:
                return
            rgb = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            yield Picture(rgb, index * 33_333_333)


@pytest.fixture(scope="module")
def faces() -> Iterator[list[tuple[Face, Face]]]:
    """Each frame of the clip as both read it: litert, mediapipe."""
    trackers: list[Tracker] = [
        LitertTracker(ModelStore(), smooth=True),  # as mediapipe does
        MediapipeTracker(ModelStore()),
    ]
    pairs = []
    for picture in clip():
        ours, theirs = (tracker.track(picture) for tracker in trackers)
        assert ours is not None
        assert theirs is not None
        pairs.append((ours, theirs))
    yield pairs
    for tracker in trackers:
        tracker.close()


@needs_mediapipe
def test_landmarks_agree_to_a_fraction_of_a_pixel(faces: list[tuple[Face, Face]]) -> None:
    apart = np.array([np.abs(ours.landmarks - theirs.landmarks) for ours, theirs in faces])
    assert apart[..., :2].mean() < 0.05
    assert np.percentile(apart[..., :2], 99) < 0.3
    assert apart[..., 2].mean() < 0.2


@needs_mediapipe
def test_blendshapes_agree(faces: list[tuple[Face, Face]]) -> None:
    apart = np.array([np.abs(ours.blendshapes - theirs.blendshapes) for ours, theirs in faces])
    assert apart.mean() < 0.002
    assert apart.max() < 0.05


@needs_mediapipe
def test_poses_agree(faces: list[tuple[Face, Face]]) -> None:
    for ours, theirs in faces:
        turn = ours.head[:3, :3] @ np.linalg.inv(theirs.head[:3, :3])
        assert np.degrees(np.linalg.norm(rotation_vector(turn))) < 0.3
        assert np.abs(ours.head[:3, 3] - theirs.head[:3, 3]).max() < 0.1


@needs_mediapipe
def test_it_behaves_as_a_tracker() -> None:
    tracker = MediapipeTracker(ModelStore())
    people = Picture(scene(("leo", 40, 30, 300), ("kofi", 400, 100, 180)))
    first, second = tracker.find(people)
    assert first.landmarks[:, 0].mean() < second.landmarks[:, 0].mean()
    for _ in range(3):  # at one and the same time
        face = tracker.track(people)
        assert face is not None
        assert face.landmarks.shape == (478, 3)
        assert face.blendshapes.shape == (52,)
    tracker.reset()
    assert tracker.track(Picture(scene())) is None
    assert tracker.track(Picture(np.zeros((1, 1, 3), np.uint8))) is None
    assert tracker.track(people) is not None
    tracker.close()
    tracker.close()
