"""A voice becomes a moving mouth: in time, shut where it must be, still in silence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines import registry
from engines.articulation import curves
from engines.drivers.heard import HeardMouth
from engines.drivers.listening import LOOK_AHEAD_NS, Listener, Moment
from engines.drivers.speech import SpeechDriver
from engines.drivers.speech_network import speech_network
from engines.drivers.voice import Said, Voice
from engines.face_mesh import BLENDSHAPE_INDEX, INNER_LIPS
from engines.phones import PHONES
from engines.types import Driver, Listening, Lively, Motion, Phone, Sound, Space
from tests.ears import MS, OPEN, RATE, LoudnessNetwork, hum, pieces, silence, voice

SECOND = 1000 * MS
FRAME = SECOND // 30
JAW, CLOSE = BLENDSHAPE_INDEX["jawOpen"], BLENDSHAPE_INDEX["mouthClose"]
PUCKER = BLENDSHAPE_INDEX["mouthPucker"]
UPPER, LOWER = INNER_LIPS[1:10], INNER_LIPS[19:10:-1]


def hear(
    sounds: Sequence[Sound],
    seconds: float,
    *,
    ahead_ms: int = 100,
    frame_ns: int = FRAME,
    network: LoudnessNetwork | None = None,
) -> tuple[NDArray[np.int64], list[Said]]:
    """Times and mouths, each piece of sound being delivered `ahead_ms` before it is heard."""
    mouth, waiting, said = Voice(network or LoudnessNetwork()), list(sounds), []
    times = np.arange(0, round(seconds * SECOND), frame_ns)
    for now in times.tolist():
        come = []
        while waiting and waiting[0].pts_ns <= now + ahead_ms * MS:
            come.append(waiting.pop(0))
        said.append(mouth.at(now, frame_ns * 1e-9, come))
    return times, said


def coefficient(name: int, of: list[Said]) -> NDArray[np.float64]:
    return np.array([each.mouth[name] for each in of])


def utterance(words: str, start_ns: int, each_ms: int = 90) -> Sound:
    phones = [
        Phone(name, start_ns + number * each_ms * MS, start_ns + (number + 1) * each_ms * MS)
        for number, name in enumerate(words.split())
    ]
    return Sound(silence(len(phones) * each_ms / 1000), start_ns, 0, tuple(phones))


def opening(of: Motion) -> float:
    """Of the middle of the lips, eye distances beyond rest."""
    return float((of.expression[LOWER, 1] - of.expression[UPPER, 1])[4])


def test_the_registry_knows_it() -> None:
    driver = registry.driver("speech")
    assert isinstance(driver, SpeechDriver)
    assert isinstance(driver, Driver)
    assert isinstance(driver, Lively)
    assert isinstance(driver, Listening)
    assert driver.look_ahead_ns == LOOK_AHEAD_NS
    assert driver.space is Space.MESH478


def test_what_is_heard_moves_the_mouth_in_time() -> None:
    said = np.concatenate([silence(0.6), voice(0.3), silence(0.6)])
    times, mouths = hear(pieces(said), 1.4)
    jaw = coefficient(JAW, mouths)
    open_at = times[jaw > 0.5 * OPEN]
    assert open_at.min() == pytest.approx(600 * MS, abs=50 * MS)
    assert open_at.max() == pytest.approx(900 * MS, abs=60 * MS)
    assert OPEN < jaw.max() < 1.35 * OPEN
    assert [each.speaking for each in mouths][20:26] == [True] * 6


def test_sound_that_comes_just_in_time_lags_a_frame_at_most() -> None:
    said = np.concatenate([silence(0.6), voice(0.3), silence(0.6)])
    times, early = hear(pieces(said), 1.4)
    _, late = hear(pieces(said), 1.4, ahead_ms=50)
    begins = [
        np.interp(0.5 * OPEN, coefficient(JAW, mouths)[15:22], times[15:22])
        for mouths in (early, late)
    ]
    assert begins[1] - begins[0] < FRAME
    assert np.abs(coefficient(JAW, late) - coefficient(JAW, early)).max() < 0.2


def test_phones_that_are_told_are_said_exactly() -> None:
    told = utterance("SIL T OW K B UW T SIL", 500 * MS)
    times, mouths = hear([told], 1.5, ahead_ms=500)
    assert told.phones is not None
    exact = curves(told.phones, times)[:, 0]
    during = (times > 520 * MS) & (times < 1220 * MS)
    assert coefficient(JAW, mouths)[during] == pytest.approx(exact[during], abs=1e-6)
    assert all(each.exact for each, now in zip(mouths, during, strict=True) if now)


def test_an_utterance_told_piece_by_piece_is_the_same() -> None:
    told = utterance("SIL T OW K B UW T SIL", 500 * MS)
    assert told.phones is not None
    parts = []
    for piece in pieces(told.samples, told.pts_ns, 33):
        end = piece.pts_ns + len(piece.samples) * SECOND // RATE
        near = tuple(
            phone
            for phone in told.phones
            if phone.end_ns > piece.pts_ns - 300 * MS and phone.start_ns < end + 300 * MS
        )
        parts.append(replace(piece, phones=near))
    _, whole = hear([told], 1.5, ahead_ms=300)
    _, parted = hear(parts, 1.5, ahead_ms=300)
    assert coefficient(JAW, parted) == pytest.approx(coefficient(JAW, whole), abs=0.02)
    assert coefficient(PUCKER, parted) == pytest.approx(coefficient(PUCKER, whole), abs=0.02)


@pytest.mark.parametrize("fps", [25, 30, 60])
def test_lips_meet_at_every_bilabial(fps: int) -> None:
    driver = SpeechDriver(1, 0.0, LoudnessNetwork())
    told = utterance("SIL B AA M AA P AA SIL", 400 * MS, 80)
    assert told.phones is not None
    motions = {
        now: driver.drive(None, [told] if now == 0 else [], now)[0]
        for now in range(0, 1400 * MS, SECOND // fps)
    }
    for phone in told.phones:
        if phone.name in "BMP":
            near = [
                opening(motion)
                for now, motion in motions.items()
                if phone.start_ns - 20 * MS <= now <= phone.end_ns + 10 * MS
            ]
            assert min(near) <= 0.0
        elif phone.name == "AA":
            middle = (phone.start_ns + phone.end_ns) // 2
            nearest = min(motions, key=lambda now: abs(now - middle))
            assert opening(motions[nearest]) > 0.04


def moment(names: Sequence[str], jaw: float = 0.3) -> Moment:
    """Frames of 10 ms from 0 on, each surely what it is called."""
    phones = np.full((len(names), len(PHONES)), 0.01, np.float32)
    phones[np.arange(len(names)), [PHONES.index(name) for name in names]] = 0.6
    shape = (len(names), 1)
    return Moment(
        np.arange(len(names)) * 10 * MS + 5 * MS,
        phones,
        np.full(shape, jaw, np.float32),
        np.zeros(len(names), np.float32),
    )


class _Known(Listener):
    """One that has heard everything."""

    def __init__(self, heard: Moment) -> None:
        super().__init__(LoudnessNetwork())
        self._heard = heard

    def around(self, pts_ns: int, before_ns: int, after_ns: int) -> Moment:
        times = self._heard.times_ns
        rows = np.flatnonzero((times >= pts_ns - before_ns) & (times <= pts_ns + after_ns))
        return self._heard.part(int(rows[0]), int(rows[-1]) + 1)


def test_the_guard_shuts_the_lips_for_long_enough_where_the_network_does_not() -> None:
    """Two frames of `B` in a jaw that the network leaves open."""
    mouth = HeardMouth(_Known(moment([*["AA"] * 40, "B", "B", *["AA"] * 40])), ("jawOpen",))
    times = range(200 * MS, 600 * MS, 5 * MS)
    shapes = [mouth.at(now, 0.005) for now in times]
    shut = [bool(shape is not None and shape[CLOSE] > 0.99 * shape[JAW] > 0) for shape in shapes]
    assert 45 <= 5 * sum(shut) <= 70
    assert shut[0] is False
    apart = [float(shape[JAW] - shape[CLOSE]) for shape in shapes if shape is not None]
    assert max(abs(a - b) for a, b in pairwise(apart)) < 0.08  # the lips take their way


def test_the_guard_lays_the_lip_on_the_teeth() -> None:
    mouth = HeardMouth(_Known(moment([*["AA"] * 40, "F", "F", *["AA"] * 40])), ("jawOpen",))
    shapes = [mouth.at(now, 0.005) for now in range(200 * MS, 600 * MS, 5 * MS)]
    lip, teeth = BLENDSHAPE_INDEX["mouthRollLower"], BLENDSHAPE_INDEX["mouthUpperUpLeft"]
    bitten = [shape is not None and shape[lip] > 0.5 and shape[teeth] > 0.25 for shape in shapes]
    assert 45 <= 5 * sum(map(bool, bitten)) <= 70


def test_silence_and_the_time_around_it_are_perfectly_still() -> None:
    quiet = [*pieces(silence(1.0)), *pieces(1e-4 * voice(1.0), SECOND)]
    _, mouths = hear(quiet, 2.0)
    assert max(np.abs(each.mouth).max() for each in mouths) == 0.0
    assert not any(each.speaking for each in mouths)


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_does_not_move_the_real_ear(seed: int) -> None:
    rng = np.random.default_rng(seed)
    white = rng.normal(0.0, 0.01, 3 * RATE)
    rumble = 0.02 * np.cumsum(rng.normal(0.0, 0.03, 3 * RATE))
    noise = (white + rumble - rumble.mean()).clip(-1, 1).astype(np.float32)
    driver = SpeechDriver(1, 0.0, speech_network())
    waiting = pieces(noise)
    largest = 0.0
    for now in range(0, 2900 * MS, FRAME):
        come = []
        while waiting and waiting[0].pts_ns <= now + 80 * MS:
            come.append(waiting.pop(0))
        motion = driver.drive(None, come, now)[0]
        largest = max(largest, float(np.abs(motion.expression).max()))
    assert largest < 0.02


def interrupted(how: Sound, told: Sequence[Sound], at_ns: int) -> list[Motion]:
    driver = SpeechDriver(1, 0.0, LoudnessNetwork())
    motions = []
    for now in range(0, 1600 * MS, FRAME):
        come = list(told) if now == 0 else [how] if 0 <= now - at_ns < FRAME else []
        motions.append(driver.drive(None, come, now)[0])
    return motions


@pytest.mark.parametrize("phones", [True, False])
@pytest.mark.parametrize("at_ms", [640, 700, 777])
def test_interrupted_speech_comes_to_rest_soon_and_without_a_jump(phones: bool, at_ms: int) -> None:
    said = np.concatenate([silence(0.5), voice(3.0)])
    told = [utterance("T OW K B UW T AA SH OW R AA", 500 * MS)] if phones else pieces(said)
    ends = (
        Sound(silence(0.16), at_ms * MS, 0, (Phone("SIL", at_ms * MS, at_ms * MS + SECOND),))
        if phones
        else Sound(silence(0.0), at_ms * MS)
    )
    at = next(now for now in range(0, 1600 * MS, FRAME) if now >= at_ms * MS)
    going_on, ended = interrupted(silence_piece(), told, 0), interrupted(ends, told, at)
    rested = (at + 190 * MS) // FRAME + 1
    assert max(np.abs(each.expression).max() for each in ended[rested:]) < 0.02
    steps = [np.abs(b.expression - a.expression).max() for a, b in pairwise(ended)]
    usual = [np.abs(b.expression - a.expression).max() for a, b in pairwise(going_on)]
    assert max(steps) <= max(usual) + 0.02


def silence_piece() -> Sound:
    """A piece of nothing, long before anything."""
    return Sound(silence(0.01), -SECOND)


def test_a_stream_that_ends_leaves_no_open_mouth() -> None:
    times, mouths = hear(pieces(voice(1.0)), 2.0)
    jaw = coefficient(JAW, mouths)
    assert jaw[(times > 300 * MS) & (times < 900 * MS)].min() > 0.3
    assert np.abs(jaw[times > 1200 * MS]).max() == 0.0
    assert np.abs(np.diff(jaw)).max() < 0.25


def test_sound_of_an_empty_call_is_no_error() -> None:
    driver = SpeechDriver(1, 0.5, LoudnessNetwork())
    times = [driver.drive(None)[0].pts_ns for _ in range(5)]
    assert times == sorted(set(times))


def test_sounds_may_be_seconds_ahead_and_time_may_leap() -> None:
    driver = SpeechDriver(1, 0.0, LoudnessNetwork())
    driver.drive(None, [utterance("T OW K B UW T", 4 * SECOND)], 0)
    assert opening(driver.drive(None, [], 4 * SECOND + 130 * MS)[0]) > 0.02
    # Another clock: what was told for the old one is gone.
    driver.drive(None, [], SECOND)
    assert opening(driver.drive(None, [], 4 * SECOND + 130 * MS)[0]) == pytest.approx(0, abs=1e-6)


def test_a_low_hum_that_sounds_like_m_closes_the_lips() -> None:
    said = np.concatenate([voice(0.4), hum(0.3), voice(0.4)])
    times, mouths = hear(pieces(said), 1.0)
    during = (times > 460 * MS) & (times < 640 * MS)
    apart = coefficient(JAW, mouths) - coefficient(CLOSE, mouths)
    assert apart[during].max() < 0.01
    assert apart[(times > 150 * MS) & (times < 330 * MS)].min() > 0.2


def test_seeds_repeat() -> None:
    said = pieces(voice(2.0))
    runs = []
    for seed in (4, 4, 5):
        driver = SpeechDriver(seed, 1.0, LoudnessNetwork())
        runs.append([driver.drive(None, said if n == 0 else [], n * FRAME)[0] for n in range(40)])
    assert all((a.pose == b.pose).all() for a, b in zip(runs[0], runs[1], strict=True))
    assert any((a.pose != b.pose).any() for a, b in zip(runs[0], runs[2], strict=True))


def test_liveliness_can_change_under_way() -> None:
    driver = SpeechDriver(4, 0.0, LoudnessNetwork())
    still = [driver.drive(None, [], n * FRAME)[0] for n in range(60)]
    assert max(np.abs(each.pose).max() for each in still) == 0.0
    driver.liveliness = 1.0
    assert driver.liveliness == 1.0
    lively = [driver.drive(None, [], n * FRAME)[0] for n in range(60, 240)]
    assert np.ptp([each.pose[1] for each in lively]) > 0.01


events = st.lists(
    st.tuples(
        st.integers(-200, 300),
        st.sampled_from([0, 320, 333, 4000]),
        st.sampled_from(["", "AA B UW", "??", "M"]),
        st.integers(0, 120),
    ),
    max_size=20,
)


@settings(deadline=None, max_examples=30)
@given(events)
def test_any_stream_gives_bounded_finite_motion(
    stream: list[tuple[int, int, str, int]],
) -> None:
    driver, now = SpeechDriver(1, 1.0, LoudnessNetwork()), 0
    for offset_ms, length, words, step_ms in stream:
        now += step_ms * MS
        start = now + offset_ms * MS
        sound = Sound(voice(0.3)[:length], start)
        if words:
            sound = replace(sound, phones=utterance(words, start).phones)
        (motion,) = driver.drive(None, [sound], now)
        assert motion.pts_ns == now
        for part in (motion.expression, motion.pose, motion.eyes):
            assert np.isfinite(part).all()
        assert np.abs(motion.expression).max() < 1.0


def test_costs_little() -> None:
    """Listening included; told as a ratio to the network alone, for busy machines."""
    driver, network = SpeechDriver(1), speech_network()
    mel, states = np.zeros((3, 80), np.float32), network.start()
    sounds = pieces(voice(5.0), each_ms=33)
    drive_s = network_s = np.inf
    for start in range(0, 120, 8):
        begin = time.thread_time()
        for number in range(start, start + 8):
            driver.drive(None, [sounds[number]], number * 33 * MS)
        middle = time.thread_time()
        for _ in range(8):
            network.hear(mel, states)
        drive_s = min(drive_s, (middle - begin) / 8)
        network_s = min(network_s, (time.thread_time() - middle) / 8)
    assert drive_s < 9 * network_s
