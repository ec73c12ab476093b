"""The instruments are right about what they say: time codes, percentiles, differences."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from benchmarks import (
    caller,
    clip,
    delay,
    packets,
    parts,
    processes,
    record,
    rooms,
    serving,
    spread,
    timecode,
)
from benchmarks.call import CallFailed, CallPlan
from engines.types import Avatar, Face, Motion, Picture, Space
from live.canvas import Canvas
from live.decoded import decoded
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
    assert whole["arguments"] == {"clip": "x.mp4", "quick": True}
    assert whole["machine"]["cores"] == os.cpu_count()
    assert set(whole) >= {"at", "versions", "commit", "load", "figures", "took_s"}
    record.write(whole, tmp_path / "deep" / "r.json")
    assert '"p50": 3.1' in (tmp_path / "deep" / "r.json").read_text()


def test_a_busy_process_is_seen_to_be_busy() -> None:
    tree, before = processes.tree_cpu_s(os.getpid()), processes.usage(os.getpid())
    total = 0
    while processes.usage(os.getpid()).cpu_s < before.cpu_s + 0.1:
        total += sum(range(10_000))
    assert processes.tree_cpu_s(os.getpid()) >= tree + 0.09
    assert processes.busy_s() > 0
    assert before.resident_mb > 10


def test_processes_that_a_process_has_started_count_with_it() -> None:
    busy = "import sys, time\nwhile time.process_time() < .1: pass\nprint(flush=True); input()"
    before = processes.tree_usage(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-S", "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        during, alone = processes.tree_usage(os.getpid()), processes.usage(os.getpid())
        assert during.cpu_s >= before.cpu_s + 0.09
        assert during.resident_mb > alone.resident_mb + 2
        assert during.threads > alone.threads
        assert during.handles > alone.handles
        child.communicate(b"\n")
    after = processes.tree_usage(os.getpid())
    assert after.cpu_s >= during.cpu_s - 0.02  # it is not lost with the process
    assert after.threads < during.threads
    with pytest.raises(ProcessLookupError):
        processes.tree_usage(child.pid)


def test_a_clip_that_is_none_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="--clip"):
        clip.read(tmp_path / "missing.mp4", 10)
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(BadRequest, match="name another"):
        clip.read(tmp_path / "text.mp4", 10)


def test_an_endless_run_has_no_jump() -> None:
    shown = [clip.back_and_forth(4, index) for index in range(14)]
    assert shown == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]


def movement(times: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sin(times / 310) + 0.6 * np.sin(times / 127 + 1) + 0.3 * np.sin(times / 730)


@settings(max_examples=20, deadline=None)
@given(late=st.floats(0, 200), seed=st.integers(0, 100))
def test_a_known_delay_is_found(late: float, seed: int) -> None:
    """Uneven times on both sides, another rate, another scale, and noise."""
    generator = np.random.default_rng(seed)
    sent = np.cumsum(generator.uniform(28, 39, 300))
    seen = np.cumsum(generator.uniform(30, 50, 240))
    noise = generator.normal(0, 0.05, 240)
    found = delay.delay(sent, movement(sent), seen, 3 - 2.5 * -movement(seen - late) + noise)
    assert found.ms == pytest.approx(late, abs=max(3.0, 4 * found.uncertainty_ms))
    assert found.uncertainty_ms < 5
    assert found.r > 0.97


def test_another_movement_has_no_delay() -> None:
    times = np.arange(0, 10_000, 33.3)
    noise = np.random.default_rng(1).normal(size=len(times))
    with pytest.raises(delay.NoDelay, match="does not move"):
        delay.delay(times, movement(times), times, noise)
    with pytest.raises(delay.NoDelay, match="4 s of movement"):
        delay.delay(times[:60], movement(times[:60]), times[:60], movement(times[:60]))
    with pytest.raises(delay.NoDelay, match="rising"):
        delay.delay(times[::-1], movement(times), times, movement(times))


class Still:
    """A renderer that always draws the same, and a tracker that counts."""

    name = "still"
    space = Space.MESH478
    tracked = drawn = 0

    def track(self, picture: Picture) -> Face | None:
        self.tracked += 1
        return None

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        self.drawn += 1
        rgb = np.full((512, 512, 3), 90, np.uint8)
        return Picture(rgb, motion.pts_ns, motion.captured_ns)


def coded_picture(number: int, width: int, captured_ns: int) -> Picture:
    luma = textured(width, width * 3 // 4)
    timecode.draw(luma, number)
    return Picture(np.repeat(luma[..., None], 3, axis=2), captured_ns, captured_ns)


@pytest.mark.parametrize("width", [512, 640, 1280])
def test_the_code_goes_past_the_avatar_and_nothing_else_does(width: int) -> None:
    still: Any = Still()
    passage = parts.Passage()
    tracker = parts.CodedTracker(still, passage, echo=False)
    renderer = parts.CodedRenderer(still, passage)
    tracker.track(coded_picture(7, width, 1000))
    tracker.track(coded_picture(8, width, 2000))
    for number, captured_ns in ((7, 1000), (8, 2000)):
        motion = replace(Motion.neutral(), captured_ns=captured_ns)
        drawn = renderer.render(still, motion).rgb
        assert timecode.read(drawn[..., 1]) == number
        assert (drawn[timecode.strip_height(512) :] == 90).all()
    assert (still.tracked, still.drawn) == (2, 2)


@pytest.mark.parametrize("size", [(512, 512), (640, 480), (1280, 720), (336, 256)])
def test_a_camera_pictures_code_is_read_without_converting_it(size: tuple[int, int]) -> None:
    planes = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
    luma = planes[: size[1]]
    luma[:] = textured(*size)
    for number in (0, 0xABCDEF, timecode.WRAP - 1):
        timecode.draw(luma, number)
        picture = decoded(av.VideoFrame.from_ndarray(planes, format="yuv420p"))
        assert parts.code_of(picture) == number
    luma[: timecode.strip_height(size[0]) // 2, :40] = 16
    assert parts.code_of(decoded(av.VideoFrame.from_ndarray(planes, format="yuv420p"))) is None


def test_a_wide_picture_has_its_code_over_its_own_edge() -> None:
    canvas = Canvas(np.full((512, 512, 3), 90, np.uint8), 912)
    passage = parts.Passage()
    passage.put(1000, parts.Came(12))
    lay = parts.coded_canvas(Canvas.planes, passage)
    square = Picture(np.full((512, 512, 3), 90, np.uint8), 0, 1000)
    assert timecode.read(lay(canvas, square).luma) == 12
    assert timecode.read(lay(canvas, square).luma[40:]) is None


def test_a_picture_that_follows_no_camera_has_no_code() -> None:
    still: Any = Still()
    renderer = parts.CodedRenderer(still, parts.Passage())
    assert timecode.read(renderer.render(still, Motion.neutral()).rgb[..., 1]) is None


def test_a_picture_between_two_of_the_camera_has_the_code_of_the_one_before() -> None:
    still: Any = Still()
    passage = parts.Passage()
    for echo in (True, False):
        parts.CodedTracker(still, passage, echo=echo).track(coded_picture(11, 512, 1000))
        between = parts.CodedRenderer(still, passage).render(still, Motion.neutral())
        assert timecode.read(between.rgb[..., 1]) == 11


def test_an_echo_gives_the_camera_and_does_none_of_the_work() -> None:
    still: Any = Still()
    passage = parts.Passage()
    picture = coded_picture(9, 640, 5)
    assert parts.CodedTracker(still, passage, echo=True).track(picture) is None
    motion = replace(Motion.neutral(), captured_ns=5)
    came = parts.CodedRenderer(still, passage).render(still, motion)
    np.testing.assert_array_equal(came.rgb, picture.rgb)
    assert (still.tracked, still.drawn) == (0, 0)


def test_what_passes_the_avatar_is_bounded() -> None:
    passage = parts.Passage()
    for captured_ns in range(100):
        passage.put(captured_ns, parts.Came(captured_ns))
    assert [passage.get(captured_ns) for captured_ns in (98, 0)] == [parts.Came(98), parts.Came(99)]


@pytest.mark.alone
def test_calls_by_aiortc_over_a_server_that_sends_back() -> None:
    """Ages are those of the pictures themselves: they agree with when each was made."""
    plan = CallPlan("VP8", "track", warm_s=0.3, seconds=1.0)
    found = clip.read(clip.DEFAULT, 10)
    with serving.Serving("aiortc", {}) as server:
        seen, coded, viewer = asyncio.run(caller.call(server, plan, found))
    made = dict(coded.shown)
    assert seen.fps > 5
    assert {row.number for row in viewer.received} <= made.keys()
    assert 1 < min(seen.ages_ms) <= max(seen.ages_ms) < 10_000


def test_pictures_without_a_code_are_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server as it is draws an avatar without a code: nothing to measure, and it says so."""
    monkeypatch.setattr(caller, "_FIRST_FRAME_LIMIT_S", 1.0)
    plan = CallPlan("VP8", "track", warm_s=0.1, seconds=0.1)
    blank = [np.full((128, 128, 3), level, np.uint8) for level in (80, 90)]
    monkeypatch.setattr(caller, "draw", lambda luma, number: None)
    with (
        serving.Serving("aiortc", {}) as server,
        pytest.raises(CallFailed, match="pictures without one"),
    ):
        asyncio.run(caller.call(server, plan, blank))


def test_a_server_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(serving.ServerFailed, match="unknown setting"),
        serving.Serving("server", {"SERVER__PRT": "1"}),
    ):
        pass


def test_a_stopwatch_keeps_the_cold_sample_apart() -> None:
    watch = rooms.Stopwatch()
    for pause in (0.02, 0.0, 0.0):
        watch("nap", time.sleep, pause)
    figures = watch.figures(3)["nap"]
    assert figures["cold_ms"] >= 20
    assert figures["wall_ms"]["n"] == 2
    assert figures["wall_ms"]["max"] < 15
    assert figures["cpu_ms_per_picture"] < 5


def test_every_room_is_measured_on_a_clip(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    rooms.add_arguments(parser)
    file = tmp_path / "rooms.json"
    args = parser.parse_args(["--pictures", "12", "--networks", "none", "--json", str(file)])
    figures = rooms.run(args)["figures"]
    found = figures["rooms"]
    ways = {f"{way} {name}" for way in ("decode", "encode") for name in packets.CODECS}
    assert set(found) >= set(rooms.ROOMS) | ways
    assert {f"  warp {stage}" for stage in rooms.WARP_STAGES} < set(found)
    assert found["  net face_mesh"]["calls"] >= 4
    # what is inside a room cannot cost more than the room
    assert found["render"]["wall_ms"]["p50"] > found["  warp rasterise"]["wall_ms"]["p50"]
    assert found["track"]["wall_ms"]["p50"] > found["  net face_mesh"]["wall_ms"]["p50"]
    assert figures["total_cpu_ms_per_picture"] == rooms.total(found)
    assert figures["microphone_cpu_ms_per_picture"] == rooms.microphone(found)
    assert np.mean(found["track"]["by_block"]) == pytest.approx(
        found["track"]["cpu_ms_per_picture"], rel=0.2
    )
    assert len(figures["total_by_block"]) == 10
    assert '"rooms"' in file.read_text()


def test_the_total_counts_each_room_once_and_one_codec() -> None:
    cost = dict.fromkeys(rooms.ROOMS, 1.0) | {
        "decode H264": 2.0,
        "decode VP8": 4.0,
        "encode H264": 10.0,
        "encode VP8": 20.0,
        "  net face_blendshapes": 50.0,
    }
    found = {name: {"cpu_ms_per_picture": ms} for name, ms in cost.items()}
    assert rooms.total(found) == len(rooms.ROOMS) + 3 + 15
