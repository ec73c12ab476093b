from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import quality, signals
from benchmarks.reenactment import Clip, Performance
from benchmarks.sheet import contact_sheet, telling_frames
from engines.face_geometry import eye_distance, rotation_matrix
from engines.face_mesh import BLENDSHAPE_INDEX
from engines.types import Face, Picture
from live.__main__ import main
from tests.heads import head

NEUTRAL = head().landmarks.astype(np.float64)
UNIT = eye_distance(NEUTRAL)


def babble(frames: int = 200, seed: int = 0) -> signals.Array:
    """A smooth signal between 0 and 1."""
    noise = np.random.default_rng(seed).normal(size=frames + 20)
    smooth = np.convolve(noise, np.hanning(11) / np.hanning(11).sum(), "same")[10:-10]
    line: signals.Array = (smooth - smooth.min()) / np.ptp(smooth)
    return line


def moved(faces: Sequence[Face], dx: float = 0.0, dy: float = 0.0) -> list[Face]:
    """The same faces elsewhere in the picture."""
    shift = np.array([dx, dy, 0.0], np.float32)
    return [replace(face, landmarks=face.landmarks + shift) for face in faces]


class TestMatch:
    def test_a_copy_is_perfect(self) -> None:
        match = signals.match(babble(), babble())
        assert match == pytest.approx((1.0, 1.0, 0.0), abs=1e-6)

    @pytest.mark.parametrize("late", [0, 1, 3, -2])
    def test_whole_frames_of_delay_are_found(self, late: int) -> None:
        line = babble(220)
        match = signals.match(line[10:210], line[10 - late : 210 - late])
        assert match.lag == pytest.approx(late, abs=0.05)
        assert match.r == pytest.approx(1.0, abs=1e-6)

    @pytest.mark.parametrize("late", [0.25, 0.5, 1.7])
    def test_parts_of_a_frame_are_found(self, late: float) -> None:
        line, times = babble(220), np.arange(220.0)
        match = signals.match(line[10:210], np.interp(times - late, times, line)[10:210])
        assert match.lag == pytest.approx(late, abs=0.12)

    def test_gain_is_the_slope(self) -> None:
        assert signals.match(babble(), 0.6 * babble() + 0.1).gain == pytest.approx(0.6)

    def test_noise_costs_correlation(self) -> None:
        line = babble(2000)
        noise = np.random.default_rng(1).normal(0.0, line.std(), 2000)
        # Equal powers of signal and noise: r = sqrt(1/2).
        assert signals.match(line, line + noise).r == pytest.approx(0.707, abs=0.03)

    def test_strangers_do_not_match(self) -> None:
        assert signals.match(babble(400, 1), babble(400, 2)).r < 0.5

    def test_what_does_not_move_says_nothing(self) -> None:
        assert all(map(math.isnan, signals.match(np.full(100, 0.3), babble(100))))
        assert all(map(math.isnan, signals.match(babble(10), babble(10))))

    def test_output_that_does_not_move_has_no_correlation(self) -> None:
        assert signals.match(babble(), np.zeros(200)).r == pytest.approx(0.0)
        assert signals.match(babble(), np.zeros(200)).gain == pytest.approx(0.0)


def test_signal_is_the_weighted_sum_of_named_columns() -> None:
    rows = np.array([[1.0, 2.0, 4.0], [0.0, 1.0, 0.0]])
    total = signals.signal(rows, ["a", "b", "c"], {"a": 1.0, "c": -0.5})
    assert total.tolist() == [-1.0, 0.0]


def test_gaze_is_positive_to_the_subjects_right() -> None:
    face = head()
    face.blendshapes[BLENDSHAPE_INDEX["eyeLookOutRight"]] = 0.8
    face.blendshapes[BLENDSHAPE_INDEX["eyeLookInLeft"]] = 0.6
    assert signals.blendshape_signal([face], "gaze") == pytest.approx([0.7])


def test_place_is_told_apart_from_the_landmarks() -> None:
    reference = np.stack([NEUTRAL, NEUTRAL])
    shift = np.array([0.03 * UNIT, 0.04 * UNIT, 9.0])  # depth does not count
    assert signals.place_distance(reference, reference + shift) == pytest.approx(5.0)
    assert signals.landmark_distance(reference, reference + shift) == pytest.approx(0.0)


def test_landmark_distance_is_in_percent_of_the_eye_distance() -> None:
    reference = np.stack([NEUTRAL, NEUTRAL])
    one = reference.copy()
    one[0, 13, 0] += UNIT
    points = np.array([13, 14])
    assert signals.landmark_distance(reference, one, points) == pytest.approx(25.0)


def test_a_face_is_laid_on_another_picture_of_it() -> None:
    turn = 1.7 * rotation_matrix(np.array([0.0, 0.0, 0.3]))
    target = NEUTRAL @ turn.T + (30.0, -20.0, 0.0)
    matrix = signals.fit_picture(NEUTRAL, target)
    assert signals.lay(matrix, NEUTRAL)[:, :2] == pytest.approx(target[:, :2], abs=1e-3)
    assert signals.lay(matrix, NEUTRAL[None])[0, :, 2] == pytest.approx(1.7 * NEUTRAL[:, 2])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_pose_is_read_in_degrees(axis: int) -> None:
    turn = [0.0, 0.0, 0.0]
    turn[axis] = math.radians(12.0)
    turned = head((turn[0], turn[1], turn[2])).landmarks.astype(np.float64)
    angles = signals.pose_degrees(turned[None], NEUTRAL)[0]
    assert angles[axis] == pytest.approx(12.0, abs=0.01)
    assert np.delete(angles, axis) == pytest.approx([0.0, 0.0], abs=0.01)


def test_pose_error_leaves_out_what_turns_too_far() -> None:
    reference = np.array([[0.0, 10.0, 0.0], [0.0, 25.0, 0.0]])
    output = reference + np.array([[1.0, -2.0, 0.0], [50.0, 50.0, 50.0]])
    assert signals.pose_error(reference, output).tolist() == [1.0, 2.0, 0.0]
    assert np.isnan(signals.pose_error(reference[1:], output[1:])).all()


def test_jitter_is_measured_where_the_driver_is_still() -> None:
    rng = np.random.default_rng(0)
    path = np.zeros(120)
    path[60:] = 40.0 * np.sin(np.arange(60) / 3.0)
    clip = NEUTRAL + path[:, None, None] * (1.0, 0.0, 0.0)
    still = signals.still_frames(clip)
    assert still[:58].sum() >= 20
    assert not still[60:].any()
    assert signals.jitter(clip, still) == pytest.approx(0.0, abs=1e-6)
    noise = rng.normal(0.0, 0.02 * UNIT, (120, 478, 2))
    shaky = clip.copy()
    shaky[:, :, :2] += noise
    # The smoother (1 4 6 4 1)/16 leaves 1 - 2·6/16 + 70/256 of white noise's power, on two axes.
    left = math.sqrt(2.0 * (1.0 - 12.0 / 16.0 + 70.0 / 256.0))
    assert signals.jitter(shaky, still) == pytest.approx(2.0 * left, rel=0.03)


def test_short_clips_have_no_still_part() -> None:
    assert not signals.still_frames(np.stack([NEUTRAL] * 5)).any()
    assert math.isnan(signals.jitter(np.stack([NEUTRAL] * 5), np.zeros(5, bool)))


def clip_of(faces: Sequence[Face | None]) -> Clip:
    black = Picture(np.zeros((480, 640, 3), np.uint8))
    return Clip("made", [black] * len(faces), faces, 0)


def acting(frames: int = 120, late: int = 0, gain: float = 1.0) -> list[Face]:
    jaw, lids, yaw = babble(frames, 1), babble(frames, 2), 0.3 * (babble(frames, 3) - 0.5)
    jaw[:3] = lids[:3] = yaw[:3] = 0.0
    faces = []
    for number in range(frames):
        at = max(0, number - late)
        turn = (0.0, gain * float(yaw[at]), 0.0)
        shut = gain * float(lids[at])
        faces.append(head(turn, jaw=gain * float(jaw[at]), closed=(shut, shut)))
    return faces


def test_a_perfect_avatar_meets_every_goal() -> None:
    faces = acting()
    # The same performance elsewhere in another picture.
    done = Performance([], moved(faces, 50.0, -30.0), moved([head()], 50.0, -30.0)[0])
    figures = quality.compare(clip_of(faces), done, same_face=True)
    assert quality.missed({"clip self": figures}) == []
    assert figures["face"] == pytest.approx(0.0, abs=1e-3)
    assert figures["still"] > 1.0
    assert figures["jitter"] == pytest.approx(1.0, abs=1e-6)
    assert figures["lost"] == 0.0
    assert math.isnan(figures["gaze r"])  # nobody looked anywhere


def test_a_still_avatar_fails() -> None:
    figures = quality.compare(
        clip_of(acting()), Performance([], [head()] * 120, head()), same_face=True
    )
    failed = quality.missed({"clip self": figures})
    for figure in ("jaw r", "blink r", "blink gain", "yaw err", "face"):
        assert f"clip self: {figure}" in failed
    assert figures["face"] == pytest.approx(figures["still"])


def test_a_late_and_weak_avatar_fails_where_it_is_late_and_weak() -> None:
    done = Performance([], acting(late=2, gain=0.6), head())
    figures = quality.compare(clip_of(acting()), done, same_face=False)
    assert figures["lag"] == pytest.approx(2.0, abs=0.3)
    assert figures["blink gain"] == pytest.approx(0.6, abs=0.05)
    assert "face" not in figures  # another person's landmarks cannot be compared
    failed = quality.missed({"clip mira": figures})
    assert "clip mira: lag" in failed
    assert "clip mira: blink gain" in failed
    assert "clip mira: jaw r" not in failed


def test_frames_in_which_a_face_is_lost_are_counted_and_left_out() -> None:
    faces = acting()
    seen: list[Face | None] = list(faces)
    seen[40:44] = [None] * 4
    figures = quality.compare(clip_of(faces), Performance([], seen, head()), same_face=True)
    assert figures["lost"] == 4.0
    assert figures["jaw r"] == pytest.approx(1.0)


def test_truth_has_its_own_axes() -> None:
    faces = acting()
    yaw = signals.pose_degrees(np.stack([face.landmarks for face in faces]), NEUTRAL)[:, 1]
    names = list(BLENDSHAPE_INDEX)
    coefficients = np.stack([face.blendshapes for face in faces]).astype(np.float64)
    # y up, z towards the viewer: the other way round.
    truth = quality.Truth(names, coefficients, np.stack([-yaw, 0 * yaw, 0 * yaw], axis=1))
    figures = quality.compare_with_truth(truth, clip_of(faces), Performance([], faces, head()))
    assert figures["yaw err"] == pytest.approx(0.0, abs=0.01)
    assert figures["jaw r"] == pytest.approx(1.0)
    assert figures["jaw gain"] == pytest.approx(1.0)


def test_table_marks_what_misses_its_goal() -> None:
    rows = {
        "a self": {"jaw r": 0.97, "lag": 1.4, "gaze r": math.nan},
        "a self/truth": {"jaw r": 0.5},
    }
    lines = [line.split() for line in quality.table(rows).splitlines()]
    assert ["jaw", "r", "0.97", "0.50", "≥", "0.95"] in lines  # truth is for knowledge
    assert ["lag", "1.40*", "–", "≤", "1"] in lines
    assert ["gaze", "r", "–", "–", "≥", "0.95"] in lines


def test_telling_frames_hold_the_extremes() -> None:
    faces = acting()
    chosen = telling_frames([None, *faces], 8)
    widest = int(np.argmax([face.blendshapes[BLENDSHAPE_INDEX["jawOpen"]] for face in faces]))
    assert 1 + widest in chosen
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 8
    assert 0 not in chosen  # nobody is there


def test_contact_sheet_has_a_row_for_driver_and_avatar(tmp_path: Path) -> None:
    faces = acting(40)
    green = np.full((128, 128, 3), (0, 200, 0), np.uint8)
    done = Performance([green] * 40, faces, head())
    contact_sheet(tmp_path / "sheet.png", [(clip_of(faces), (done,))])
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    assert sheet.shape[0] == 2 * 256
    assert sheet.shape[1] % 256 == 0
    assert (sheet[300:500, :200] == (0, 200, 0)).all()


def test_bench_command_runs_a_benchmark_and_keeps_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(args: argparse.Namespace) -> dict[str, object]:
        args.json.write_text(json.dumps({"size": args.size}))
        return {}

    monkeypatch.setattr(quality, "run", run)
    file = tmp_path / "record.json"
    assert main(["bench", "quality", "--size", "256", "--json", str(file)]) == 0
    assert json.loads(file.read_text()) == {"size": 256}
    with pytest.raises(SystemExit, match="2"):
        main(["bench", "nonsense"])
