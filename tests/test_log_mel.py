import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.log_mel import BANDS, HOP, RATE, LogMel, log_mel


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, count).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 900), max_size=12), st.integers(0, 5))
def test_frames_do_not_depend_on_how_the_sound_is_cut(cuts: list[int], seed: int) -> None:
    sound = noise(sum(cuts), seed)
    stream = LogMel()
    pieces = [stream.push(piece) for piece in np.split(sound, np.cumsum(cuts)[:-1])]
    streamed = np.concatenate(pieces) if cuts else np.zeros((0, BANDS), np.float32)
    whole = log_mel(sound)
    assert len(whole) == len(sound) // HOP
    assert len(whole) - len(streamed) <= 1
    np.testing.assert_allclose(streamed, whole[: len(streamed)], atol=1e-5)


def test_a_frame_is_centred_on_the_middle_of_its_hop() -> None:
    click = np.zeros(RATE, np.float32)
    click[50 * HOP + HOP // 2] = 1
    loudness = log_mel(click).mean(1)
    assert loudness.argmax() == 50
    assert loudness[49] == pytest.approx(loudness[51], abs=0.05)


def test_a_frame_needs_no_more_than_12_and_a_half_ms_after_its_centre() -> None:
    sound = noise(RATE)
    needed = 30 * HOP + HOP // 2 + RATE * 125 // 10_000
    assert len(LogMel().push(sound[:needed])) == 31
    assert len(LogMel().push(sound[: needed - 1])) == 30


def test_a_tone_rises_in_its_band_and_silence_is_the_floor() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    bands = log_mel(tone)[50]
    assert 26 <= bands.argmax() <= 30
    assert log_mel(np.zeros(RATE, np.float32)) == pytest.approx((np.log(1e-6) + 4) / 4)
