"""Sound at another rate is the same sound, whether it came as a stream or as a whole."""

from __future__ import annotations

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from live.resampling import Resampler, resample


def tone(rate: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)


@pytest.mark.parametrize(("old", "new"), [(48_000, 16_000), (22_050, 48_000), (8_000, 48_000)])
def test_a_tone_stays_what_and_where_it_was(old: int, new: int) -> None:
    found, edge = resample(tone(old), old, new), new // 100
    assert abs(len(found) - new) <= 2
    wanted = tone(new)[edge:-edge]
    np.testing.assert_allclose(found[edge : edge + len(wanted)], wanted, atol=2e-3)


def test_pieces_make_the_same_sound_as_the_whole() -> None:
    sound, by = tone(48_000), Resampler(48_000, 16_000)
    pieces = [by(sound[at : at + 960]) for at in range(0, len(sound), 960)]
    assert np.array_equal(np.concatenate([*pieces, by.rest()]), resample(sound, 48_000, 16_000))


def test_what_has_the_rate_already_passes() -> None:
    by = Resampler(16_000, 16_000)
    sound = tone(16_000)
    assert by(sound) is sound
    assert not len(by.rest())
    assert not len(Resampler(8_000, 48_000).rest())


def test_a_stream_takes_no_threads() -> None:
    process = psutil.Process()
    before = process.num_threads()
    streams = [Resampler(48_000, 16_000) for _ in range(4)]
    for stream in streams:
        assert len(stream(tone(48_000)))
    assert process.num_threads() == before
