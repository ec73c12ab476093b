"""What a face does by itself: alive, not busy, the same for the same seed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.drivers.life import Life, Living
from engines.face_geometry import rotation_matrix
from engines.face_mesh import BLENDSHAPE_INDEX

SECOND = 1_000_000_000
LIDS, ACROSS = 0, 1
BROW = BLENDSHAPE_INDEX["browInnerUp"]


def live(
    seconds: float,
    *,
    seed: int = 1,
    liveliness: float = 0.5,
    fps: float = 30.0,
    start_ns: int = 0,
    speaking: bool = False,
) -> list[Living]:
    """Stressed words come every 0.7 s while one speaks."""
    life, lived = Life(seed, liveliness), []
    stressed_before = 0
    for number in range(round(seconds * fps)):
        words = int(number / fps / 0.7)
        lived.append(
            life.at(
                start_ns + round(number / fps * SECOND),
                speaking=speaking,
                stressed=speaking and words > stressed_before,
            )
        )
        stressed_before = words
    return lived


def lids(of: list[Living]) -> NDArray[np.float64]:
    return np.array([each.eyes[0, LIDS] for each in of])


def blinks(of: list[Living]) -> int:
    """How often the lids come down."""
    shut = lids(of) < 0.3
    return int((np.diff(shut.astype(int)) == 1).sum())


def poses(of: list[Living]) -> NDArray[np.float64]:
    return np.array([each.pose for each in of])


def test_the_same_seed_lives_the_same_and_another_does_not() -> None:
    first, again = live(20, seed=5), live(20, seed=5, start_ns=77 * SECOND)
    assert poses(first) == pytest.approx(poses(again), abs=1e-9)
    assert lids(first) == pytest.approx(lids(again), abs=1e-6)
    assert np.abs(poses(first) - poses(live(20, seed=6))).max() > 0.005


@pytest.mark.parametrize("fps", [12.0, 60.0])
def test_frame_rate_changes_nothing(fps: float) -> None:
    usual, other = live(60, fps=30.0), live(60, fps=fps)
    per_second = poses(usual)[::30], poses(other)[:: round(fps)]
    assert per_second[0] == pytest.approx(per_second[1], abs=2e-3)
    if fps > 30:
        assert blinks(other) == blinks(usual)


def test_people_blink_as_often_and_as_long_as_people_do() -> None:
    counts = [blinks(live(60, seed=seed)) for seed in range(4)]
    assert 12 <= np.mean(counts) <= 26
    assert min(counts) >= 8
    shut = lids(live(40, fps=100.0)) < 0.9
    edges = np.flatnonzero(np.diff(np.r_[False, shut, False]))
    lengths = (edges[1::2] - edges[::2]) / 100
    assert 0.1 <= np.median(lengths) <= 0.25


def test_a_blink_is_whole_at_thirty_frames_a_second() -> None:
    for seed in range(4):
        down = lids(live(60, seed=seed))
        assert down.min() < 0.02
        assert down.max() == pytest.approx(1.0, abs=0.1)


def test_who_pauses_blinks() -> None:
    ended = []
    for seed in range(40):
        life = Life(seed)
        for number in range(90):
            life.at(number * SECOND // 30, speaking=True)
        after = [life.at((90 + n) * SECOND // 30, speaking=False).eyes[0, 0] for n in range(12)]
        ended.append(min(after) < 0.3)
    assert 0.3 < np.mean(ended) < 0.9


def test_eyes_are_mostly_on_the_viewer_and_leap() -> None:
    gaze = np.array([each.eyes[0, 1:] for each in live(90, fps=50.0)])
    aside = np.abs(gaze[:, 0]) > 0.05
    assert 0.02 < aside.mean() < 0.3
    assert np.abs(gaze).max() < 0.25
    steps = np.abs(np.diff(gaze[:, 0]))
    assert (steps < 1e-3).mean() > 0.8  # fixations
    assert steps.max() > 0.03  # saccades


def test_an_idle_head_is_neither_frozen_nor_busy() -> None:
    pose = poses(live(60))
    spans = np.ptp(pose, axis=0)
    assert 0.01 < spans[1] < 0.12  # yaw: half a degree to seven
    assert spans[:3].max() < 0.15
    assert spans[3:].max() < 0.03
    for a, b in pairwise(range(0, len(pose), 90)):
        assert np.ptp(pose[a:b], axis=0).max() > 1e-3  # never three seconds of nothing
    speed = np.abs(np.diff(pose[:, :3], axis=0)).max() * 30
    assert speed < 0.25  # rad a second


def test_who_speaks_moves_more_and_nods_on_stressed_words() -> None:
    quiet, talking = poses(live(40)), poses(live(40, speaking=True))
    assert np.abs(np.diff(talking[:, 0])).mean() > 1.5 * np.abs(np.diff(quiet[:, 0])).mean()
    life = Life(3, 1.0)
    before = life.at(0, speaking=True)
    nod = [
        life.at(number * SECOND // 30, speaking=True, stressed=number == 3).pose[0]
        for number in range(1, 12)
    ]
    assert max(nod) - before.pose[0] > 0.02


def test_brows_rise_on_some_stressed_words_only() -> None:
    spoken = [each.coefficients[BROW] for each in live(40, speaking=True, liveliness=1.0)]
    rises = (np.diff((np.array(spoken) > 0.1).astype(int)) == 1).sum()
    assert 5 <= rises <= 45
    assert max(spoken) <= 0.5
    assert max(each.coefficients[BROW] for each in live(40)) == 0.0


def test_liveliness_goes_from_still_to_lively() -> None:
    still = live(30, liveliness=0.0, speaking=True)
    assert np.abs(poses(still)).max() == 0.0
    assert lids(still).min() == 1.0
    assert max(np.abs(each.eyes[:, 1:]).max() for each in still) == 0.0
    assert max(each.coefficients.max() for each in still) == 0.0
    spans = [
        np.ptp(poses(live(30, liveliness=much, speaking=True))[:, 0]) for much in (0.2, 0.5, 1.0)
    ]
    assert spans[0] < spans[1] < spans[2]


def test_it_can_be_stilled_and_woken_under_way() -> None:
    life = Life(1, 0.0)
    for number in range(300):
        life.at(number * SECOND // 30)
    life.liveliness = 1.0
    moved = [life.at(number * SECOND // 30).pose[1] for number in range(300, 900)]
    assert np.ptp(moved) > 0.01


def test_times_that_run_back_or_far_ahead_do_not_jump() -> None:
    life = Life(2, 1.0)
    for number in range(60):
        before = life.at(number * SECOND // 30)
    for leap in (-100 * SECOND, 3600 * SECOND, 0):
        after = life.at(60 * SECOND // 30 + leap)
        assert after.pose == pytest.approx(before.pose, abs=0.02)


def test_the_head_follows_the_eyes() -> None:
    lived = live(240, fps=10.0)
    gaze = np.array([each.eyes[0, 1:] for each in lived])
    nose = np.array([rotation_matrix(each.pose[:3]) @ [0.0, 0.0, -1.0] for each in lived])
    aside = np.abs(gaze[:, 0]) > 0.08
    # Looking to the picture's right, the nose points there; its own sway is taken out by the mean.
    assert np.corrcoef(gaze[aside, 0], nose[aside, 0])[0, 1] > 0.4
