"""Face and voice together: whoever is better founded has the mouth, and no hand-over shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines import registry
from engines.articulation import CURVES
from engines.blendshapes import BASIS, to_mesh
from engines.drivers.auto import AutoDriver
from engines.drivers.face import FaceDriver
from engines.drivers.listening import LOOK_AHEAD_NS
from engines.face_mesh import BLENDSHAPE_INDEX, INNER_LIPS, LEFT_BROW, OUTER_LIPS, RIGHT_BROW
from engines.types import Driver, Face, Listening, Lively, Motion, Phone, Sound, Space
from tests.ears import MS, OPEN, LoudnessNetwork, pieces, silence, voice
from tests.heads import head

SECOND = 1000 * MS
FRAME = SECOND // 30
LIPS = np.unique(np.r_[INNER_LIPS, OUTER_LIPS])
BROWS = np.r_[LEFT_BROW, RIGHT_BROW]
MOST = 0.15
"""By which a coefficient may jump at a hand-over, beyond what its sources do."""

_MOUTH = np.flatnonzero(np.linalg.norm(BASIS[:, LIPS], axis=2).max(axis=1) > 0.01)
_PROJECTION = np.linalg.pinv(BASIS[BLENDSHAPE_INDEX["jawOpen"], LIPS].reshape(-1, 1))

Faces = Callable[[int], Face | None]


def jaw(of: Motion) -> float:
    """The jaw's coefficient that explains the lips best."""
    return float((_PROJECTION @ of.expression[LIPS].reshape(-1))[0])


def talking(time_ns: int) -> Face:
    """Who moves his lips in front of the camera."""
    swing = 0.5 - 0.5 * np.cos(2 * np.pi * 3.0 * time_ns / SECOND)
    return head(jaw=0.25 * float(swing), time_s=time_ns / SECOND)


def still(time_ns: int) -> Face:
    """Whose lips do not move, or seem not to behind a hand."""
    return head(time_s=time_ns / SECOND)


def play(
    faces: Faces, sounds: Sequence[Sound], seconds: float, *, frame_ns: int = FRAME
) -> tuple[NDArray[np.int64], list[Motion]]:
    driver, waiting = AutoDriver(1, 0.5, LoudnessNetwork()), list(sounds)
    motions: list[Motion] = []
    times = np.arange(0, round(seconds * SECOND), frame_ns)
    for now in times.tolist():
        come = []
        while waiting and waiting[0].pts_ns <= now + 100 * MS:
            come.append(waiting.pop(0))
        motions += driver.drive(faces(now), come, now)
    return times, motions


def said(*parts: tuple[float, bool]) -> list[Sound]:
    """Seconds of voice and of silence."""
    made = [voice(seconds) if loud else silence(seconds) for seconds, loud in parts]
    return pieces(np.concatenate(made))


def utterance(start_ns: int, words: str = "SIL AA T OW K AA UW T AA SIL") -> Sound:
    phones = tuple(
        Phone(name, start_ns + number * 100 * MS, start_ns + (number + 1) * 100 * MS)
        for number, name in enumerate(words.split())
    )
    return Sound(silence(len(phones) / 10), start_ns, 0, phones)


def largest_step(motions: Sequence[Motion]) -> float:
    return max(abs(jaw(b) - jaw(a)) for a, b in pairwise(motions))


def test_the_registry_knows_it() -> None:
    driver = registry.driver("auto")
    assert isinstance(driver, AutoDriver)
    assert isinstance(driver, Driver)
    assert isinstance(driver, Lively)
    assert isinstance(driver, Listening)
    assert driver.space is Space.MESH478


def test_projection_reads_the_jaw() -> None:
    weights = np.zeros(52)
    weights[BLENDSHAPE_INDEX["jawOpen"]] = 0.4
    motion = replace(Motion.neutral(), expression=to_mesh(weights))
    assert jaw(motion) == pytest.approx(0.4, abs=0.01)
    assert len(_MOUTH) >= len(CURVES) // 2


def test_with_a_face_and_no_sound_it_is_the_face_driver() -> None:
    alone = FaceDriver()
    _, motions = play(talking, [], 2.0)
    for number, motion in enumerate(motions):
        (expected,) = alone.drive(talking(number * FRAME))
        assert motion.expression == pytest.approx(expected.expression, abs=1e-5)
        assert motion.pose == pytest.approx(expected.pose, abs=1e-5)
        assert motion.eyes == pytest.approx(expected.eyes, abs=1e-5)


def test_when_both_agree_the_camera_shows() -> None:
    _, seen = play(talking, [], 2.0)
    _, both = play(talking, said((1.0, False), (1.0, True)), 2.0)
    for a, b in zip(seen, both, strict=True):
        assert b.expression == pytest.approx(a.expression, abs=1e-5)


def test_a_mouth_that_nobody_sees_is_listened_to_seldom() -> None:
    """Sound comes when it has been said, as a microphone's does while nobody waits for it."""
    network, waiting = LoudnessNetwork(), pieces(voice(3.0))
    driver = AutoDriver(1, 0.5, network)
    counts = []
    for number in range(90):
        now = number * FRAME
        said_by = now - 20 * MS
        come = [waiting.pop(0) for _ in range(sum(each.pts_ns <= said_by for each in waiting))]
        driver.drive(talking(now) if number < 60 else still(now), come, now)
        counts.append(network.calls)
    assert counts[59] <= 21  # every third picture
    assert driver.look_ahead_ns == LOOK_AHEAD_NS
    assert counts[89] - counts[84] == 5


def test_lips_that_move_in_silence_are_the_cameras() -> None:
    _, seen = play(talking, [], 2.0)
    _, quiet = play(talking, said((2.0, False)), 2.0)
    assert (
        max(np.abs(a.expression - b.expression).max() for a, b in zip(seen, quiet, strict=True))
        < 1e-5
    )


def test_a_mouth_that_keeps_still_while_one_speaks_is_the_voices() -> None:
    """A hand, a mask, a microphone: the tracker guesses a mouth behind it, and a still one."""
    sounds = said((1.0, False), (2.0, True), (1.2, False))
    times, motions = play(still, sounds, 4.2)
    _, heard = play(lambda now: None, sounds, 4.2)
    jaws = np.array([jaw(motion) for motion in motions])
    assert jaws[(times > 2000 * MS) & (times < 2900 * MS)].min() > 0.6 * OPEN
    assert np.abs(jaws[times > 3700 * MS]).max() < 0.05
    assert largest_step(motions[:75]) <= MOST  # while the mouth is handed over
    assert largest_step(motions) <= largest_step(heard) + 1e-3


def test_a_covered_mouth_that_comes_free_is_the_cameras_again() -> None:
    def freed(now: int) -> Face:
        return still(now) if now < 2 * SECOND else talking(now)

    times, motions = play(freed, said((0.5, False), (4.5, True)), 5.0)
    _, seen = play(freed, [], 5.0)
    assert jaw(motions[int(1.9 * 30)]) > 0.5 * OPEN
    for number in np.flatnonzero(times > 3500 * MS):
        assert motions[number].expression == pytest.approx(seen[number].expression, abs=1e-4)
    assert largest_step(motions) <= MOST + largest_step(seen)


@pytest.mark.parametrize(
    "worse",
    [
        lambda face: replace(face, score=0.55),
        lambda face: head((0.0, 0.6, 0.0), jaw=0.1, time_s=face.pts_ns / SECOND),
        lambda face: head((0.55, 0.0, 0.0), jaw=0.1, time_s=face.pts_ns / SECOND),
        lambda face: replace(face, landmarks=face.landmarks * np.float32(0.1)),
    ],
    ids=["hidden", "turned", "bowed", "far"],
)
def test_a_face_that_is_hard_to_see_gives_the_mouth_to_the_voice(
    worse: Callable[[Face], Face],
) -> None:
    def seen(now: int) -> Face:
        return worse(talking(now)) if now > 1500 * MS else talking(now)

    times, motions = play(seen, said((0.5, False), (4.0, True)), 4.0)
    late = times > 2600 * MS
    assert np.ptp([jaw(motion) for motion in np.array(motions)[late]]) < 0.05
    assert jaw(motions[-1]) == pytest.approx(OPEN, abs=0.12)


def test_trembling_landmarks_are_bad_light() -> None:
    rng = np.random.default_rng(0)

    def dim(now: int) -> Face:
        noise = 6.0 if now > SECOND else 0.1
        swing = 0.25 - 0.25 * float(np.cos(2 * np.pi * 3.0 * now / SECOND))
        return head(jaw=0.5 * swing, time_s=now / SECOND, noise=noise, rng=rng)

    times, motions = play(dim, said((0.5, False), (4.0, True)), 4.0)
    late = [jaw(motion) for motion, now in zip(motions, times, strict=True) if now > 2600 * MS]
    assert np.std(late) < 0.02


def test_a_head_that_is_shaken_is_no_bad_light() -> None:
    def shaken(now: int) -> Face:
        swing = float(np.sin(2 * np.pi * 2.0 * now / SECOND))
        opened = 0.25 * (1 - float(np.cos(6 * np.pi * now / SECOND)))
        place = (0.5 + 0.06 * swing, 0.5)
        return head((0.0, 0.25 * swing, 0.0), jaw=opened, place=place, time_s=now / SECOND)

    _, seen = play(shaken, [], 2.0)
    _, both = play(shaken, said((0.5, False), (1.5, True)), 2.0)
    assert both[-1].expression == pytest.approx(seen[-1].expression, abs=1e-5)


def test_a_turned_head_without_a_voice_stays_the_cameras() -> None:
    def turned(now: int) -> Face:
        swing = 0.25 * (1 - float(np.cos(6 * np.pi * now / SECOND)))
        return head((0.0, 0.6 * min(now / SECOND, 1.0), 0.0), jaw=swing, time_s=now / SECOND)

    _, seen = play(turned, [], 3.0)
    _, quiet = play(turned, said((3.0, False)), 3.0)
    assert quiet[-1].expression == pytest.approx(seen[-1].expression, abs=1e-5)


def test_an_utterance_wins_the_mouth_while_it_sounds_and_gives_it_back() -> None:
    told = [utterance(2 * SECOND)]
    times, motions = play(talking, told, 4.2)
    speaker = AutoDriver(1, 0.5, LoudnessNetwork())
    alone = [
        speaker.drive(None, told if now == 0 else [], now)[0].expression for now in times.tolist()
    ]
    _, seen = play(talking, [], 4.2)
    during = np.flatnonzero((times > 2150 * MS) & (times < 2950 * MS))
    for number in during:
        assert motions[number].expression[LIPS] == pytest.approx(alone[number][LIPS], abs=0.02)
    for number in np.flatnonzero((times < 1700 * MS) | (times > 3700 * MS)):
        assert motions[number].expression == pytest.approx(seen[number].expression, abs=1e-4)
    # Pose, eyes and brows stay the face's.
    assert all((a.pose == b.pose).all() for a, b in zip(motions, seen, strict=True))
    for number in during:
        assert motions[number].expression[BROWS] == pytest.approx(
            seen[number].expression[BROWS], abs=1e-5
        )
    usual = max(
        largest_step([replace(Motion.neutral(), expression=each) for each in alone]),
        largest_step(seen),
    )
    assert largest_step(motions) <= usual + MOST


@pytest.mark.parametrize(("fps", "wide"), [(10, 0.8), (25, 0.0), (30, 0.9), (60, 0.9)])
def test_no_hand_over_jumps(fps: int, wide: float) -> None:
    """Both sources keep still and differ: every step is the hand-over's own."""

    def seen(now: int) -> Face | None:
        gone = 2 * SECOND < now < 3 * SECOND
        opened = wide if now > 200 * MS else 0.0
        return None if gone else head(jaw=opened, time_s=now / SECOND)

    # The still mouth is the voice's from 0.4 s on, the lost face's too, and the camera's at 4.5 s.
    sounds = [*said((3.5, True)), utterance(6 * SECOND)]
    _, motions = play(seen, sounds, 5.7, frame_ns=SECOND // fps)
    jaws = [jaw(motion) for motion in motions]
    assert min(jaws[round(1.5 * fps)], jaws[round(2.8 * fps)]) == pytest.approx(OPEN, abs=0.08)
    assert jaws[-1] == pytest.approx(jaws[round(0.38 * fps)], abs=0.1)
    assert largest_step(motions[round(0.36 * fps) : round(3.3 * fps)]) <= MOST
    assert largest_step(motions[round(3.9 * fps) :]) <= MOST


def test_a_lost_face_is_idle_in_half_a_second_and_back_in_a_third() -> None:
    posed = {"jaw": 0.3, "gaze": (0.1, 0.0), "closed": (0.3, 0.3)}

    def seen(now: int) -> Face | None:
        if 2 * SECOND <= now < 4 * SECOND:
            return None
        turn = (0.1, 0.25, 0.0) if now > SECOND else (0.0, 0.0, 0.0)
        return head(turn, time_s=now / SECOND, **(posed if now > SECOND else {}))  # type: ignore[arg-type]

    times, motions = play(seen, [], 5.0)
    idle = AutoDriver(1, 0.5, LoudnessNetwork())
    alone = [idle.drive(None, [], now)[0] for now in times.tolist()]
    gone = int(np.searchsorted(times, 2 * SECOND + 500 * MS)) + 1
    away = range(gone, int(np.searchsorted(times, 4 * SECOND)))
    for number in away:
        for mine, other in (
            (motions[number].pose, alone[number].pose),
            (motions[number].eyes, alone[number].eyes),
            (motions[number].expression, alone[number].expression),
        ):
            assert mine == pytest.approx(other, abs=1e-3)
    assert np.ptp([motions[number].pose[1] for number in away]) > 1e-3  # it lives
    before = motions[int(np.searchsorted(times, 2 * SECOND)) - 1]
    back = motions[int(np.searchsorted(times, 4 * SECOND + 300 * MS)) + 1]
    assert back.pose == pytest.approx(before.pose, abs=0.02)
    assert np.abs(back.expression - before.expression).max() < 0.04
    steps = [np.abs(b.pose - a.pose).max() for a, b in pairwise(motions[60:])]
    assert max(steps) < 0.05


def test_look_ahead_is_asked_for_while_the_voice_has_the_mouth() -> None:
    driver = AutoDriver(1, 0.5, LoudnessNetwork())
    driver.drive(head(time_s=0.0), (), 0)
    assert driver.look_ahead_ns == 0
    for number in range(1, 6):
        driver.drive(None, (), number * FRAME)
    assert driver.look_ahead_ns == LOOK_AHEAD_NS
    for number in range(6, 30):
        driver.drive(head(time_s=number / 30), (), number * FRAME)
    assert driver.look_ahead_ns == 0


def test_one_missed_picture_is_no_event() -> None:
    def seen(now: int) -> Face | None:
        return None if now // FRAME == 40 else talking(now)

    _, whole = play(talking, [], 2.0)
    _, missed = play(seen, said((2.0, False)), 2.0)
    for a, b in zip(whole[44:], missed[44:], strict=True):
        assert b.expression == pytest.approx(a.expression, abs=5e-3)
    assert np.abs(missed[40].expression - missed[39].expression).max() < 0.02


def test_without_anything_it_lives() -> None:
    _, motions = play(lambda now: None, [], 12.0)
    assert np.ptp([motion.pose[1] for motion in motions]) > 0.005
    assert min(motion.eyes[0, 0] for motion in motions) < 0.1  # it blinks
    assert max(np.abs(motion.expression[LIPS]).max() for motion in motions) < 0.01


def test_without_a_face_the_voice_moves_the_mouth() -> None:
    times, motions = play(lambda now: None, said((0.5, False), (1.0, True), (0.5, False)), 2.0)
    jaws = np.array([jaw(motion) for motion in motions])
    assert jaws[(times > 700 * MS) & (times < 1400 * MS)].min() > 0.7 * OPEN
    assert np.abs(jaws[times > 1800 * MS]).max() < 0.03


def test_times_are_the_pictures() -> None:
    driver = AutoDriver(1, 0.5, LoudnessNetwork())
    face = head(time_s=3.0)
    (motion,) = driver.drive(face)
    assert (motion.pts_ns, motion.captured_ns) == (face.pts_ns, face.captured_ns)
    (asked,) = driver.drive(replace(face, pts_ns=face.pts_ns + FRAME), (), 4 * SECOND)
    assert asked.pts_ns == 4 * SECOND
    assert driver.drive(None)[0].pts_ns > 4 * SECOND


def test_calibrating_takes_a_new_neutral_face() -> None:
    driver = AutoDriver(1, 0.0, LoudnessNetwork())
    for number in range(45):
        driver.drive(head(time_s=number / 30))
    driver.calibrate()
    for number in range(45, 105):
        (motion,) = driver.drive(head((0.0, 0.2, 0.0), time_s=number / 30))
    assert np.abs(motion.pose).max() < 0.02


steps = st.lists(
    st.tuples(
        st.integers(-50, 200),
        st.sampled_from(["none", "still", "talking", "far", "turned"]),
        st.sampled_from([0, 320, 1600]),
        st.booleans(),
    ),
    min_size=1,
    max_size=16,
)


@settings(deadline=None, max_examples=12)
@given(steps)
def test_any_call_gives_bounded_finite_motion(
    calls: list[tuple[int, str, int, bool]],
) -> None:
    driver, now = AutoDriver(1, 1.0, LoudnessNetwork()), SECOND
    for step_ms, kind, length, exact in calls:
        now += step_ms * MS
        face = {
            "none": None,
            "still": still(now),
            "talking": talking(now),
            "far": replace(still(now), landmarks=still(now).landmarks * np.float32(0.05)),
            "turned": head((0.2, 0.9, 0.3), time_s=now / SECOND),
        }[kind]
        sound = utterance(now + 100 * MS) if exact else Sound(voice(0.1)[:length], now)
        (motion,) = driver.drive(face, [sound], now)
        for part in (motion.expression, motion.pose, motion.eyes):
            assert np.isfinite(part).all()
        assert np.abs(motion.expression).max() < 1.2


def test_costs_little() -> None:
    """Face, ear and life together; told as a ratio to the face alone, for busy machines."""
    sounds = pieces(voice(5.0), each_ms=33)
    both, alone = registry.driver("auto"), FaceDriver()
    both_s = alone_s = np.inf
    for start in range(0, 120, 8):
        faces = [talking(number * FRAME) for number in range(start, start + 8)]
        begin = time.thread_time()
        for number, face in enumerate(faces, start):
            both.drive(face, [sounds[number]], number * FRAME)
        middle = time.thread_time()
        for face in faces:
            alone.drive(face)
        both_s = min(both_s, (middle - begin) / 8)
        alone_s = min(alone_s, (time.thread_time() - middle) / 8)
    assert both_s < 5 * alone_s
