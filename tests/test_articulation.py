"""The mouth's curves: what must close does, what must round does, silence is still."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.articulation import CURVES, MILLISECOND, REACH_NS, SHORTEST_CLOSURE_NS, curves
from engines.face_mesh import BLENDSHAPE_INDEX
from engines.phones import PHONES
from engines.types import Floats, Phone

STEP = 2 * MILLISECOND


def say(words: str, each_ms: int = 80, around_ms: int = 400) -> list[Phone]:
    """Phones of equal length, stressed where marked by a `1`, between two silences."""
    phones = [Phone("SIL", 0, around_ms * MILLISECOND)]
    for name in words.split():
        start = phones[-1].end_ns
        phones.append(
            Phone(name.rstrip("1"), start, start + each_ms * MILLISECOND, name.endswith("1"))
        )
    end = phones[-1].end_ns
    return [*phones, Phone("SIL", end, end + around_ms * MILLISECOND)]


def every_step(phones: list[Phone]) -> NDArray[np.int64]:
    return np.arange(0, phones[-1].end_ns, STEP)


def curve(name: str, of: Floats) -> Floats:
    return of[:, CURVES.index(name)]


def shut(of: Floats) -> NDArray[np.bool_]:
    """Where nothing parts the lips."""
    parting = sum(
        curve(name, of) for name in ("mouthFunnel", "mouthLowerDownLeft", "mouthUpperUpLeft")
    )
    apart = curve("jawOpen", of) - curve("mouthClose", of)
    return np.asarray((apart < 0.01) & (parting < 0.01) & (curve("mouthPressLeft", of) > 0.15))


def longest_run_ns(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False]))
    return int(max(edges[1::2] - edges[::2], default=0)) * STEP


def test_curves_are_mouth_coefficients_in_pairs() -> None:
    assert len(set(CURVES)) == len(CURVES)
    assert all(name in BLENDSHAPE_INDEX for name in CURVES)
    spoken = curves(phones := say("SH AA1 M F UW"), every_step(phones))
    for name in CURVES:
        if name.endswith("Left"):
            right = name.removesuffix("Left") + "Right"
            assert curve(name, spoken).tolist() == curve(right, spoken).tolist()


@pytest.mark.parametrize("each_ms", [18, 35, 60, 100, 180])
@pytest.mark.parametrize("words", ["AA1 B AA", "AE M IY1", "UW P OW1", "AA1 S P AA T", "F M AA"])
def test_lips_shut_at_bilabials_however_fast(words: str, each_ms: int) -> None:
    phones = say(words, each_ms)
    assert longest_run_ns(shut(curves(phones, every_step(phones)))) >= 40 * MILLISECOND
    assert SHORTEST_CLOSURE_NS >= 40 * MILLISECOND


def test_lips_part_between_bilabials() -> None:
    phones = say("M AA1 M AA", 70)
    spoken = curves(phones, every_step(phones))
    first_vowel = (every_step(phones) > 470 * MILLISECOND) & (
        every_step(phones) < 540 * MILLISECOND
    )
    apart = curve("jawOpen", spoken) - curve("mouthClose", spoken)
    assert apart[first_vowel].max() > 0.2


def test_lower_lip_meets_the_teeth_at_f_and_v() -> None:
    for words in ("AA1 F AA", "IY V UW1"):
        phones = say(words, 60)
        spoken = curves(phones, every_step(phones))
        bitten = (curve("mouthRollLower", spoken) > 0.5) & (curve("jawOpen", spoken) < 0.1)
        assert longest_run_ns(bitten) >= 40 * MILLISECOND
        assert curve("mouthUpperUpLeft", spoken)[bitten].min() > 0.25  # the teeth are to be seen


@pytest.mark.parametrize("sound", ["OW", "UW", "W", "SH", "CH"])
def test_lips_round(sound: str) -> None:
    phones = say(f"T {sound} T", 100)
    spoken = curves(phones, every_step(phones))
    middle = every_step(phones) == 550 * MILLISECOND
    rounded = curve("mouthPucker", spoken) + curve("mouthFunnel", spoken)
    assert rounded[middle].item() > 0.6


def test_rounding_is_anticipated_and_spreading_is_not_rounded() -> None:
    middle_of_s = np.array([540 * MILLISECOND])
    before_round = curves(say("T S UW1", 100), middle_of_s)
    before_spread = curves(say("T S IY1", 100), middle_of_s)
    assert curve("mouthPucker", before_round).item() > 0.15
    assert curve("mouthPucker", before_spread).item() == 0.0


def test_consonants_yield_to_their_neighbours() -> None:
    middle_of_k = np.array([550 * MILLISECOND])
    between_round = curves(say("UW1 K UW", 100), middle_of_k)
    between_spread = curves(say("IY1 K IY", 100), middle_of_k)
    assert curve("mouthPucker", between_round).item() > 0.5
    assert curve("mouthStretchLeft", between_spread).item() > 0.2


def test_stress_opens_the_jaw_wider_and_speech_keeps_it_modest() -> None:
    middle = np.array([550 * MILLISECOND])
    stressed = curve("jawOpen", curves(say("T AA1 T", 100), middle)).item()
    plain = curve("jawOpen", curves(say("T AA T", 100), middle)).item()
    assert plain * 1.15 < stressed <= 0.52


def test_long_silence_is_perfectly_still_and_a_short_one_holds() -> None:
    phones = say("AA1 UW M", 100, 800)
    times = every_step(phones)
    spoken = curves(phones, times)
    first, last = phones[0].end_ns, phones[-1].start_ns
    silent = (times < first - REACH_NS) | (times > last + REACH_NS)
    assert np.abs(spoken[silent]).max() == 0.0
    relaxed = times > last + 180 * MILLISECOND
    assert np.abs(spoken[relaxed]).max() < 0.05
    pause = [
        Phone("AA", 0, 150 * MILLISECOND),
        Phone("SIL", 150 * MILLISECOND, 220 * MILLISECOND),
        Phone("AA", 220 * MILLISECOND, 370 * MILLISECOND),
    ]
    held = curve("jawOpen", curves(pause, np.arange(80, 300, 5) * MILLISECOND))
    assert held.min() > 0.3


def test_silence_need_not_be_named() -> None:
    phones = say("AA1 UW M", 100)
    times = np.arange(-500, 1500, 5) * MILLISECOND
    assert curves(phones[1:-1], times).tolist() == curves(phones, times).tolist()


def test_a_moment_does_not_depend_on_which_others_are_asked_for() -> None:
    phones = say("DH AH K W IH1 K B R AW1 N F AA1 K S JH AH1 M P S " * 8, 70)
    times = every_step(phones)
    whole = curves(phones, times)
    for number in range(0, len(times), 97):
        assert curves(phones, times[number : number + 1])[0] == pytest.approx(
            whole[number], abs=1e-6
        )


def test_nothing_jumps() -> None:
    phones = say("DH AH K W IH1 K B R AW1 N F AA1 K S JH AH1 M P S OW1 V ER", 70)
    spoken = curves(phones, np.arange(0, phones[-1].end_ns, 5 * MILLISECOND))
    assert max(np.abs(b - a).max() for a, b in pairwise(spoken)) < 0.12


phone_lists = st.lists(
    st.tuples(
        st.sampled_from([*PHONES, "??"]),
        st.integers(-50, 300),
        st.integers(-20, 600),
        st.booleans(),
    ),
    max_size=20,
)


@settings(deadline=None, max_examples=60)
@given(phone_lists)
def test_any_phones_give_curves_in_range(phones: list[tuple[str, int, int, bool]]) -> None:
    start, timeline = 0, []
    for name, gap_ms, length_ms, stressed in phones:
        start += max(gap_ms, 0) * MILLISECOND
        timeline.append(Phone(name, start, start + length_ms * MILLISECOND, stressed))
    spoken = curves(timeline, np.arange(-200, 2000, 20) * MILLISECOND)
    assert np.isfinite(spoken).all()
    assert spoken.min() >= 0.0
    assert spoken.max() <= 1.0


def test_costs_little() -> None:
    """At most a few hundred small array operations for a moment, however long the speech."""
    phones = say("DH AH K W IH1 K B R AW1 N F AA1 K S JH AH1 M P S " * 60, 70)
    one = np.array([phones[-1].end_ns // 2])
    a = np.arange(100.0)
    moment_s = measure_s = np.inf
    for _ in range(15):
        start = time.thread_time()
        for _ in range(20):
            curves(phones, one)
        middle = time.thread_time()
        for _ in range(1000):
            np.multiply(a, a)
        moment_s = min(moment_s, (middle - start) / 20)
        measure_s = min(measure_s, (time.thread_time() - middle) / 1000)
    assert moment_s < 700 * measure_s
