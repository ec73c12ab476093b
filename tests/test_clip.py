"""The synthetic test clip: its truth matches its frames, and a tracker reads the truth off them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.face_mesh import BLENDSHAPE_INDEX, BLENDSHAPES
from engines.studio.performance import Performance, perform, rotation
from engines.studio.voice import RATE, speak
from engines.studio.y4m import write_y4m
from engines.trackers.litert import LitertTracker
from engines.types import Face, Picture
from engines.weights import ModelStore

CLIP = Path(__file__).parent / "data" / "talk.mp4"
TRUTH = CLIP.with_suffix(".npz")

Series = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    coefficients: Series
    euler_deg: Series
    rotations: Series
    fps: int
    neutral_s: Series
    still_s: Series

    def frames(self, span_s: Series) -> slice:
        return slice(round(span_s[0] * self.fps), round(span_s[1] * self.fps))


@pytest.fixture(scope="module")
def truth() -> Truth:
    with np.load(TRUTH) as arrays:
        assert tuple(arrays["names"]) == BLENDSHAPES
        return Truth(
            arrays["coefficients"].astype(np.float64),
            arrays["euler_deg"].astype(np.float64),
            arrays["rotations"].astype(np.float64),
            int(arrays["fps"]),
            arrays["neutral_s"],
            arrays["still_s"],
        )


@pytest.fixture(scope="module")
def faces() -> list[Face | None]:
    tracker = LitertTracker(ModelStore())
    with av.open(CLIP) as container:
        stream = container.streams.video[0]
        found = [
            tracker.track(
                Picture(
                    np.asarray(frame.to_ndarray(format="rgb24"), np.uint8),
                    pts_ns=round(frame.time * 1e9),
                )
            )
            for frame in container.decode(stream)
        ]
    tracker.close()
    return found


@pytest.fixture(scope="module")
def seen(faces: list[Face | None]) -> Series:
    """`(n, 52)` blendshapes as tracked."""
    return np.array([face.blendshapes for face in faces if face is not None], np.float64)


def column(values: Series, name: str) -> Series:
    return values[:, BLENDSHAPE_INDEX[name]]


def correlation(one: Series, other: Series) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def test_the_video_is_what_the_truth_describes(truth: Truth) -> None:
    with av.open(CLIP) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height, video.codec.name) == (512, 512, "h264")
        assert (sound.rate, sound.channels) == (RATE, 1)
        assert video.average_rate == truth.fps
        frames = sum(1 for _ in container.decode(video))
    assert frames == len(truth.coefficients) == len(truth.euler_deg) == len(truth.rotations)
    assert CLIP.stat().st_size < 700_000


def test_the_stored_truth_is_the_performance_in_the_code(truth: Truth) -> None:
    performance = perform()
    np.testing.assert_allclose(truth.coefficients, performance.coefficients, atol=1e-6)
    np.testing.assert_allclose(truth.euler_deg, performance.euler_deg, atol=1e-4)
    for stored, euler in zip(truth.rotations, truth.euler_deg, strict=True):
        np.testing.assert_allclose(stored, rotation(euler), atol=1e-5)


def test_it_begins_neutral_moves_through_its_range_and_has_a_still_part(truth: Truth) -> None:
    start, still = truth.frames(truth.neutral_s), truth.frames(truth.still_s)
    assert start.start == 0
    assert start.stop >= truth.fps
    assert still.stop - still.start >= truth.fps
    for span in (start, still):
        assert not truth.coefficients[span].any()
        assert not truth.euler_deg[span].any()
    assert np.abs(truth.euler_deg).max(axis=0) == pytest.approx([20, 12, 8], abs=0.5)
    assert column(truth.coefficients, "eyeBlinkLeft").max() == 1.0
    assert column(truth.coefficients, "jawOpen").max() > 0.5
    assert not truth.coefficients[-3:].any()  # so that a loop has no jump


def test_every_frame_is_tracked(faces: list[Face | None]) -> None:
    assert all(face is not None for face in faces)


@pytest.mark.parametrize(
    ("name", "least"),
    [("jawOpen", 0.93), ("eyeBlinkLeft", 0.95), ("eyeBlinkRight", 0.95), ("mouthSmileLeft", 0.9)],
)
def test_tracked_expressions_follow_the_truth(
    truth: Truth, seen: Series, name: str, least: float
) -> None:
    assert correlation(column(truth.coefficients, name), column(seen, name)) > least


def test_closed_lids_read_as_closed_and_open_ones_as_open(truth: Truth, seen: Series) -> None:
    lids = column(truth.coefficients, "eyeBlinkLeft")
    read = column(seen, "eyeBlinkLeft")
    assert np.median(read[lids > 0.95]) > 0.6
    assert np.median(read[truth.frames(truth.neutral_s)]) < 0.2


def test_tracked_gaze_follows_the_truth(truth: Truth, seen: Series) -> None:
    def across(values: Series) -> Series:
        left = column(values, "eyeLookOutLeft") - column(values, "eyeLookInLeft")
        right = column(values, "eyeLookInRight") - column(values, "eyeLookOutRight")
        return left + right

    awake = column(truth.coefficients, "eyeBlinkLeft") < 0.2
    assert correlation(across(truth.coefficients)[awake], across(seen)[awake]) > 0.95


def test_tracked_pose_follows_the_truth(truth: Truth, faces: list[Face | None]) -> None:
    heads = np.array([face.head[:3, :3] for face in faces if face is not None])
    heads = heads / np.linalg.norm(heads[:, :, :1], axis=1, keepdims=True)
    neutral = heads[truth.frames(truth.neutral_s)].mean(axis=0)
    yaw = np.degrees(np.arctan2(heads[:, 0, 2], heads[:, 2, 2]))
    roll = np.degrees(np.arctan2(heads[:, 1, 0], heads[:, 1, 1]))
    pitch = np.degrees(np.arcsin(-heads[:, 1, 2]))
    rest = np.degrees(np.arcsin(-neutral[1, 2] / np.linalg.norm(neutral[:, 2])))
    for measured, axis, offset in ((yaw, 0, 0.0), (pitch, 1, rest), (roll, 2, 0.0)):
        wanted = truth.euler_deg[:, axis]
        assert correlation(measured, wanted) > 0.95
        assert np.abs(measured - offset - wanted).mean() < 1.0


def test_the_voice_is_heard_while_the_jaw_is_open(truth: Truth) -> None:
    with av.open(CLIP) as container:
        pieces = [frame.to_ndarray()[0] for frame in container.decode(container.streams.audio[0])]
    sound = np.concatenate(pieces)
    per_frame = RATE // truth.fps
    count = min(len(sound) // per_frame, len(truth.coefficients))
    frames = sound[: count * per_frame].reshape(count, per_frame)
    loudness = np.sqrt(np.square(frames).mean(axis=1))
    jaw = column(truth.coefficients, "jawOpen")[:count]
    assert correlation(loudness, jaw) > 0.8
    assert loudness[truth.frames(truth.still_s)].max() < 0.02 * loudness.max()


def test_the_voice_is_silent_for_a_face_that_does_not_move() -> None:
    open_mouth = perform().coefficients[:60].copy()
    open_mouth[30:, BLENDSHAPE_INDEX["jawOpen"]] = 0.5
    sound = speak(open_mouth, 30)
    assert len(sound) == 2 * RATE
    assert np.abs(sound).max() == pytest.approx(0.5)
    assert np.abs(sound[: RATE - 4_800]).max() < 1e-3


def test_a_performance_repeats(truth: Truth) -> None:
    one: Performance = perform(seed=1)
    assert np.array_equal(one.coefficients, perform(seed=1).coefficients)
    assert not np.array_equal(one.coefficients, perform(seed=2).coefficients)


def test_y4m_holds_every_frame_at_the_asked_size(tmp_path: Path, truth: Truth) -> None:
    out = tmp_path / "camera.y4m"
    count = write_y4m(CLIP, out, width=64, height=48)
    assert count == len(truth.coefficients)
    header, _, rest = out.read_bytes().partition(b"\n")
    assert header.startswith(b"YUV4MPEG2 W64 H48 F30:1 ")
    assert len(rest) == count * (len(b"FRAME\n") + 64 * 48 * 3 // 2)
    with av.open(out) as container:
        assert sum(1 for _ in container.decode(video=0)) == count
