"""The instruments are right about what they say: time codes, percentiles, differences."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from benchmarks import clip, processes, record, spread, timecode
from live.errors import BadRequest

NUMBERS = st.integers(0, timecode.WRAP - 1)


def textured(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """A luma plane that is not easy on a codec."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8), np.uint8)
    return np.kron(noise, np.ones((8, 8), np.uint8))


@given(number=NUMBERS, width=st.sampled_from([96, 320, 512, 640, 1280, 1920]))
def test_a_drawn_number_is_read_back(number: int, width: int) -> None:
    luma = textured(width, 160)
    below = luma[timecode.strip_height(width) :].copy()
    timecode.draw(luma, number)
    assert timecode.read(luma) == number
    np.testing.assert_array_equal(luma[timecode.strip_height(width) :], below)


@given(number=NUMBERS, flipped=st.sets(st.integers(0, 31), min_size=1, max_size=2))
def test_a_strip_with_one_or_two_wrong_blocks_is_not_read(number: int, flipped: set[int]) -> None:
    luma = np.zeros((32, 512), np.uint8)
    timecode.draw(luma, number)
    for block in flipped:
        row, column = divmod(block, 16)
        part = luma[row * 16 : row * 16 + 16, column * 32 : column * 32 + 32]
        part[:] = 255 - part
    assert timecode.read(luma) is None


@given(arrays(np.uint8, st.tuples(st.integers(1, 80), st.integers(1, 160))))
def test_any_picture_may_be_asked(luma: NDArray[np.uint8]) -> None:
    number = timecode.read(luma)
    assert number is None or 0 <= number < timecode.WRAP


@pytest.mark.parametrize("level", [0, 16, 127, 235, 255])
def test_an_even_picture_has_no_code(level: int) -> None:
    assert timecode.read(np.full((512, 512), level, np.uint8)) is None


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
        ("libx264", {"preset": "ultrafast", "tune": "zerolatency"}),
    ],
)
def test_the_code_lives_through_a_video_call(codec: str, options: dict[str, str]) -> None:
    """At 250 kbit/s, a tenth of what a call at this size has."""
    numbers = [int(n) for n in np.random.default_rng(3).integers(0, timecode.WRAP, 30)]
    assert [timecode.read(luma) for luma in compressed(numbers, codec, options)] == numbers


def compressed(
    numbers: list[int], codec: str, options: dict[str, str]
) -> Iterator[NDArray[np.uint8]]:
    """The luma planes of coded pictures after a codec."""
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width = encoder.height = 512
    encoder.pix_fmt, encoder.bit_rate, encoder.gop_size = "yuv420p", 250_000, 3000
    encoder.time_base, encoder.framerate = Fraction(1, 30), Fraction(30)
    encoder.options = options
    decoder = av.CodecContext.create({"libvpx": "vp8", "libx264": "h264"}[codec], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    packets = []
    for index, number in enumerate(numbers):
        planes = np.full((768, 512), 128, np.uint8)
        planes[:512] = textured(512, 512, seed=1)
        planes[100:200, 8 * index : 8 * index + 100] = 200  # something moves
        timecode.draw(planes[:512], number)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, 30)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    for packet in packets:
        for frame in decoder.decode(av.Packet(bytes(packet))):
            yield np.asarray(frame.to_ndarray()[:512], np.uint8)
    for frame in decoder.decode(None):
        yield np.asarray(frame.to_ndarray()[:512], np.uint8)


def test_ages_go_on_where_the_number_wraps() -> None:
    assert timecode.age_ms(timecode.WRAP - 100, 200) == pytest.approx(30.0)


def test_percentiles_of_a_known_sample() -> None:
    assert spread.summary(range(101)) == {"n": 101, "p50": 50, "p95": 95, "p99": 99, "max": 100}
    assert spread.summary([]) is None


def test_a_sample_that_was_not_measured_is_no_figure() -> None:
    with pytest.raises(ValueError, match="not measured"):
        spread.summary([1.0, float("nan")])
    with pytest.raises(ValueError, match="nothing was measured"):
        spread.added([], [[1.0]])
    with pytest.raises(ValueError, match="no samples"):
        spread.added([[]], [[1.0]])


@settings(max_examples=20, deadline=None)
@given(shift=st.floats(-50, 50), seed=st.integers(0, 1000))
def test_what_is_added_is_found(shift: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    without = [generator.normal(20, 2, 300) for _ in range(4)]
    with_it = [generator.normal(20 + shift, 2, 300) for _ in range(4)]
    found = spread.added(with_it, without)
    low, high = found["interval95"]
    assert found["median"] == pytest.approx(shift, abs=1)
    assert low - 0.5 <= shift <= high + 0.5
    assert len(found["by_run"]) == 4


def test_runs_that_jump_make_the_interval_wide_though_they_have_many_frames() -> None:
    """A run's frames share its phase: 4 runs of 1000 frames are 4 samples, not 4000."""
    generator = np.random.default_rng(5)
    runs = [[generator.normal(base, 0.1, 1000) for base in (10, 18, 10, 18)] for _ in range(2)]
    low, high = spread.added(runs[0], runs[1])["interval95"]
    assert high - low > 7


def test_a_record_says_where_and_when(tmp_path: Path) -> None:
    args = argparse.Namespace(clip=tmp_path / "x.mp4", quick=True, run=print, json=None)
    whole = record.Recorder("rooms", args).finish({"track": {"p50": 3.1}})
    assert whole["arguments"] == {"clip": str(tmp_path / "x.mp4"), "quick": True}
    assert whole["machine"]["cores"] == os.cpu_count()
    assert set(whole) >= {"at", "versions", "commit", "load", "figures", "took_s"}
    record.write(whole, tmp_path / "deep" / "r.json")
    assert '"p50": 3.1' in (tmp_path / "deep" / "r.json").read_text()


def test_a_busy_process_is_seen_to_be_busy() -> None:
    before, tree = processes.usage(os.getpid()), processes.tree_cpu_s(os.getpid())
    total = 0
    while processes.usage(os.getpid()).cpu_s < before.cpu_s + 0.1:
        total += sum(range(10_000))
    assert processes.tree_cpu_s(os.getpid()) >= tree + 0.09
    assert processes.busy_s() > 0
    assert before.resident_mb > 10


def test_a_clip_that_is_none_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="--clip"):
        clip.read(tmp_path / "missing.mp4", 10)
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(BadRequest, match="name another"):
        clip.read(tmp_path / "text.mp4", 10)


def test_an_endless_run_has_no_jump() -> None:
    shown = [clip.back_and_forth(4, index) for index in range(14)]
    assert shown == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
