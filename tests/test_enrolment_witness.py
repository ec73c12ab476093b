from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live.clock import SECOND
from live.enrolment.challenge import Challenge, Step, draw
from live.enrolment.codes import Fault, Hint
from live.enrolment.sight import Bearing, Sight, bearing
from live.enrolment.witness import Witness
from tests.actors import Play, Pose, ScriptedHearing, acted, flattened, patch, scripted


def of_order(*steps: Step) -> Challenge:
    """A challenge of the straight look and these steps."""
    drawn = {task.step: task for task in draw("en", Random(1)).tasks}
    return Challenge("0" * 32, "en", tuple(drawn[step] for step in (Step.FRONT, *steps)))


def after_front(seconds: float) -> bool:
    """Whether the baseline is there by then, and the first step soon."""
    return seconds > 2.5


@pytest.mark.parametrize("seed", range(4))
def test_who_does_what_is_asked_passes(seed: int) -> None:
    play = Play(draw("de", Random(seed)), seed=seed)
    progress = play.run()
    assert progress.passed, progress
    asked = [step for step in play.asked if step is not None]
    assert asked == [task.step for task in play.challenge.tasks]


def test_without_a_microphone_the_mouth_alone_is_watched() -> None:
    assert Play(hearing=None).run().passed


@pytest.mark.parametrize("fps", [8.0, 30.0])
def test_slow_and_fast_cameras_pass(fps: float) -> None:
    assert Play(fps=fps).run().passed


@pytest.mark.parametrize("left_out", [Step.LEFT, Step.RIGHT, Step.EYES])
def test_each_step_has_to_be_done_in_its_time(left_out: Step) -> None:
    def act(step: Step | None, since_s: float) -> Pose:
        return Pose() if step is left_out else acted(step, since_s)

    assert Play(of_order(left_out), act).run().fault is Fault.TOO_SLOW


def test_nobody_comes() -> None:
    play = Play(change=lambda sight, seconds: replace(sight, bearing=None))
    assert play.run().fault is Fault.TOO_SLOW
    assert play.sights[-1].at_ns < 31 * SECOND


def test_turn_to_the_other_side_fails() -> None:
    def act(step: Step | None, since_s: float) -> Pose:
        pose = acted(step, since_s)
        return Pose(yaw=-pose.yaw)

    assert Play(of_order(Step.LEFT), act).run().fault is Fault.WRONG_TURN
    assert Play(of_order(Step.RIGHT), act).run().fault is Fault.WRONG_TURN


def test_turn_that_began_before_it_was_asked_is_no_answer() -> None:
    def act(step: Step | None, since_s: float) -> Pose:
        return Pose(yaw=26.0 * min(1.0, 3 * since_s)) if step is None else acted(step, since_s)

    assert Play(of_order(Step.EYES), act).run().fault is Fault.UNASKED_TURN


def test_half_a_turn_is_none() -> None:
    def act(step: Step | None, since_s: float) -> Pose:
        return Pose(yaw=0.5 * acted(step, since_s).yaw)

    assert Play(of_order(Step.LEFT), act).run().fault is Fault.TOO_SLOW


def test_blink_is_not_closing_the_eyes() -> None:
    def act(step: Step | None, since_s: float) -> Pose:
        return Pose(closed=float(step is Step.EYES and 0.5 < since_s < 0.7))

    assert Play(of_order(Step.EYES), act).run().fault is Fault.TOO_SLOW


def test_eyes_stay_open_unless_closing_them_is_asked() -> None:
    def act(step: Step | None, since_s: float) -> Pose:
        return Pose(closed=float(step is Step.LEFT))

    assert Play(of_order(Step.LEFT), act).run().fault is Fault.UNASKED_CLOSING


@pytest.mark.parametrize("seed", range(5))
def test_recording_of_another_challenge_fails(seed: int) -> None:
    """The same person, who was filmed while they did what was asked another time."""
    before = Play(of_order(Step.RIGHT, Step.EYES, Step.PHRASE, Step.LEFT, Step.RIGHT), seed=seed)
    assert before.run().passed
    recorded = before.sights

    witness = Witness(draw("en", Random(seed)), ScriptedHearing())  # type: ignore[arg-type]
    orders = [task.step for task in draw("en", Random(seed)).tasks]
    assert orders != [task.step for task in before.challenge.tasks]
    for sight in recorded:
        progress = witness.see(sight)
    assert not progress.passed


def test_photograph_is_still() -> None:
    def freeze(sight: Sight, seconds: float) -> Sight:
        rest = frozen.setdefault("rest", sight)
        return replace(rest, at_ns=sight.at_ns)

    frozen: dict[str, Sight] = {}
    assert Play(change=freeze).run().fault is Fault.STILL_PICTURE


def test_photograph_that_is_turned_is_flat() -> None:
    def flatten(sight: Sight, seconds: float) -> Sight:
        return flattened(sight, rest.setdefault("rest", sight))

    rest: dict[str, Sight] = {}
    play = Play(of_order(Step.LEFT), change=flatten)
    assert play.run().fault is Fault.FLAT_PICTURE


def test_second_face_fails_but_one_mistaken_count_does_not() -> None:
    def twice(sight: Sight, seconds: float) -> Sight:
        return replace(sight, crowd=2) if after_front(seconds) else sight

    def once(sight: Sight, seconds: float) -> Sight:
        return replace(sight, crowd=2 if 3.0 < seconds < 3.0 + 1 / 15 else 1)

    assert Play(change=twice).run().fault is Fault.TWO_FACES
    assert Play(change=once).run().passed


def test_other_person_in_the_middle_fails() -> None:
    def cut(sight: Sight, seconds: float) -> Sight:
        return replace(sight, patch=patch(99)) if seconds > 6.0 else sight

    assert Play(change=cut).run().fault is Fault.FACE_CHANGED


def test_other_person_behind_a_turned_head_fails_when_it_looks_straight_again() -> None:
    """A cut that a single comparison of neighbours would miss."""

    def blend(sight: Sight, seconds: float) -> Sight:
        share = float(np.clip((seconds - 3.0) / 4.0, 0.0, 1.0))
        mixed = np.cos(share * np.pi / 2) * patch(0) + np.sin(share * np.pi / 2) * patch(99)
        return replace(sight, patch=np.asarray(mixed, np.float32))

    assert Play(change=blend).run().fault is Fault.FACE_CHANGED


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda one, s: replace(one, bearing=None), Fault.FACE_LOST),
        (lambda one, s: replace(one, at_ns=one.at_ns + 2 * SECOND), Fault.INTERRUPTED),
        (lambda one, s: replace(one, at_ns=one.at_ns - SECOND), Fault.INTERRUPTED),
    ],
)
def test_what_breaks_off_fails(change: Callable[[Sight, float], Sight], fault: Fault) -> None:
    play = Play(change=lambda one, s: change(one, s) if after_front(s) else one)
    assert play.run().fault is fault


def test_face_that_jumps_fails() -> None:
    def jump(sight: Sight, seconds: float) -> Sight:
        assert sight.bearing is not None
        x, y = sight.bearing.centre
        moved = replace(sight.bearing, centre=(x + 170.0, y))
        return replace(sight, bearing=moved) if after_front(seconds) else sight

    assert Play(change=jump).run().fault is Fault.FACE_JUMPED


def test_picture_of_another_size_is_no_jump() -> None:
    def enlarge(sight: Sight, seconds: float) -> Sight:
        now = sight.bearing
        assert now is not None
        if not after_front(seconds):
            return sight
        centre = (2 * now.centre[0], 2 * now.centre[1])
        return replace(
            sight, size=(1280, 960), bearing=replace(now, centre=centre, width=2 * now.width)
        )

    assert Play(change=enlarge).run().passed


def test_two_pictures_a_second_are_too_few() -> None:
    assert Play(fps=2.0).run().fault in (Fault.FEW_PICTURES, Fault.TOO_SLOW)


def test_still_mouth_beside_a_voice_fails() -> None:
    def act(step: Step | None, since_s: float) -> Pose:
        return Pose() if step is Step.PHRASE else acted(step, since_s)

    assert Play(of_order(Step.PHRASE), act).run().fault is Fault.MOUTH_STILL


def test_mouth_without_a_voice_fails() -> None:
    quiet = ScriptedHearing(says=lambda seconds: 0.0)
    play = Play(of_order(Step.PHRASE), hearing=quiet)
    assert play.run().fault is Fault.NO_SOUND


def test_voice_that_says_something_else_fails() -> None:
    def other(seconds: float) -> float:
        said = 0.3 + 0.3 * np.sin(15.0 * seconds + 1.0)
        return float(said) if 0.2 <= seconds <= 3.2 else 0.0

    def act(step: Step | None, since_s: float) -> Pose:
        talks = step is Step.PHRASE and since_s < 14.0
        return Pose(jaw=0.3 + 0.3 * np.sin(6.1 * since_s)) if talks else acted(step, since_s)

    play = Play(of_order(Step.PHRASE), act, ScriptedHearing(says=other))
    assert play.run().fault is Fault.SOUND_DISAGREES


def test_hints_say_what_would_help() -> None:
    def shown(change: Callable[[Sight, float], Sight]) -> Hint | None:
        return Play(change=change).run(most_s=1.0).hint

    def bearing_with(**changes: float) -> Callable[[Sight, float], Sight]:
        return lambda one, s: replace(one, bearing=replace(one.bearing, **changes))  # type: ignore[type-var]

    assert shown(lambda one, s: replace(one, light=0.05)) is Hint.TOO_DARK
    assert shown(lambda one, s: replace(one, light=0.97)) is Hint.TOO_BRIGHT
    assert shown(lambda one, s: replace(one, bearing=None)) is Hint.NO_FACE
    assert shown(lambda one, s: replace(one, crowd=2)) is Hint.TWO_FACES
    assert shown(bearing_with(width=60.0)) is Hint.TOO_FAR
    assert shown(bearing_with(width=500.0)) is Hint.TOO_NEAR
    assert shown(bearing_with(yaw=25.0)) is Hint.LOOK_STRAIGHT
    assert shown(bearing_with(eyes=0.05)) is Hint.OPEN_EYES
    assert shown(bearing_with(lips=0.3)) is Hint.CLOSE_MOUTH


def test_what_comes_after_the_end_changes_nothing() -> None:
    play = Play(of_order(Step.EYES))
    assert play.run().passed
    witness = Witness(of_order(Step.EYES), None)
    for sight in play.sights:
        progress = witness.see(sight)
    assert progress.passed
    lost = [replace(play.sights[-1], at_ns=play.sights[-1].at_ns + n * SECOND) for n in (1, 9)]
    assert all(witness.see(one).passed for one in lost)


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 2**32),
    skipped=st.sets(st.sampled_from([Step.LEFT, Step.RIGHT, Step.EYES, Step.PHRASE])),
    fps=st.floats(8.0, 24.0),
)
def test_nobody_passes_without_each_step(seed: int, skipped: set[Step], fps: float) -> None:
    def act(step: Step | None, since_s: float) -> Pose:
        return Pose() if step in skipped else acted(step, since_s)

    play = Play(draw("en", Random(seed)), act, fps=fps, seed=seed % 1000)
    assert play.run().passed == (not skipped)


_SIGHTS = st.lists(
    st.tuples(
        st.sampled_from([0.02, 0.07, 0.2, 0.6, 1.4, -0.1]),
        st.sampled_from([Pose(), Pose(yaw=30), Pose(yaw=-30), Pose(closed=1), Pose(jaw=0.8), None]),
        st.integers(0, 2),
        st.integers(1, 2),
    ),
    min_size=1,
    max_size=200,
)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(sights=_SIGHTS, seed=st.integers(0, 1000))
def test_whatever_is_seen_is_borne_and_chance_does_not_pass(
    sights: list[tuple[float, Pose | None, int, int]], seed: int
) -> None:
    witness = Witness(draw("fr", Random(seed)), ScriptedHearing())  # type: ignore[arg-type]
    now, numbers = 0.0, [0]
    for passed_s, pose, looks, crowd in sights:
        now += passed_s
        shown = None if pose is None else _BEARINGS[pose.yaw, pose.closed, pose.jaw]
        progress = witness.see(
            Sight(round(now * SECOND), (640, 480), shown, patch=patch(looks), crowd=crowd)
        )
        numbers.append(progress.number)
    assert not progress.passed
    assert numbers == sorted(numbers)


def _bearings() -> dict[tuple[float, float, float], Bearing]:
    rng = np.random.default_rng(0)
    poses = [Pose(), Pose(yaw=30), Pose(yaw=-30), Pose(closed=1), Pose(jaw=0.8)]
    return {(p.yaw, p.closed, p.jaw): bearing(scripted(p, 0.0, rng)) for p in poses}


_BEARINGS = _bearings()
