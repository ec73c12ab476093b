"""The benchmark of threads and processes measures what it says it does."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks import clip, isolation
from engines.trackers.litert import LitertTracker
from engines.types import Picture
from engines.weights import ModelStore


def test_the_other_process_tracks_the_same_face() -> None:
    pictures = clip.read(clip.DEFAULT, 3)
    here = LitertTracker(ModelStore())
    with isolation._in_another(pictures[0].shape) as (track, costs):
        for index, rgb in enumerate(pictures, start=1):
            theirs, cpu_s = track(Picture(rgb, index))
            ours = here.track(Picture(rgb, index))
            assert theirs is not None
            assert ours is not None
            assert np.abs(theirs.landmarks - ours.landmarks).max() < 0.1 * index
            assert 1e-3 < cpu_s < 1
    here.close()
    assert costs["start_ms"] > 50
    assert costs["memory_mb"] > 20


def test_a_lost_face_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="lost"):
        isolation._follow(
            lambda picture: (None, 0.0), [np.zeros((64, 64, 3), np.uint8)] * 2, seconds=0.1
        )


def test_the_switch_interval_is_put_back() -> None:
    before = sys.getswitchinterval()
    with isolation._switching_every(0.1):
        assert sys.getswitchinterval() == pytest.approx(1e-4)
    assert sys.getswitchinterval() == before


def test_calls_are_really_echoed_meanwhile() -> None:
    lags: list[float] = []
    with isolation._load("1 call", clip.read(clip.DEFAULT, 10), lags):
        isolation._follow(
            lambda picture: (object(), 0.0),  # type: ignore[arg-type, return-value]
            clip.read(clip.DEFAULT, 2),
            seconds=0.5,
        )
    assert len(lags) > 10
