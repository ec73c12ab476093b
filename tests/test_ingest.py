"""Frames of any kind become pictures; a slow worker loses old ones, never gains delay."""

from __future__ import annotations

import threading
import time

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.types import Picture
from live.clock import MILLISECOND, SECOND, ns_from_ticks, ticks_from_ns
from live.decoded import decoded
from live.ingest import Camera, Mailbox, Microphone
from live.measures import Counts
from live.opus import Piece
from live.peer_clock import PeerClock


def scene(width: int, height: int) -> np.ndarray:
    """Smooth colours, so that chroma subsampling costs little."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    rgb = np.stack([40 + 150 * x / width, 60 + 130 * y / height, 120 + 0 * x], axis=2)
    return rgb.astype(np.uint8)


def frame_of(rgb: np.ndarray, format: str = "yuv420p") -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=format, threads=1)


@pytest.mark.parametrize(
    "size", [(640, 480), (1080, 1920), (512, 512), (638, 358), (320, 240), (34, 66)]
)
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    width, height = size
    rgb = scene(width, height)
    planes = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    frame = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
    found = decoded(frame).rgb
    assert found.shape == (height, width, 3)
    assert found.flags.c_contiguous
    # frames' lines are padded; a mistake there shows as shear
    assert np.abs(found.astype(int) - rgb).max() < 12


@pytest.mark.parametrize(
    ("size", "cut"), [((641, 481), (640, 480)), ((3, 5), (2, 4)), ((2, 2), (2, 2))]
)
def test_odd_sizes_are_cut(size: tuple[int, int], cut: tuple[int, int]) -> None:
    frame = av.VideoFrame(*size, "yuv420p")
    assert decoded(frame).rgb.shape == (cut[1], cut[0], 3)


def test_a_frame_of_one_pixel() -> None:
    assert decoded(av.VideoFrame(1, 1, "yuv420p")).rgb.shape == (1, 1, 3)


@pytest.mark.parametrize("format", ["yuv422p", "yuvj420p", "nv12", "gray", "yuv444p"])
def test_other_formats(format: str) -> None:
    rgb = np.full((64, 96, 3), 90, np.uint8)
    assert np.abs(decoded(frame_of(rgb, format)).rgb.astype(int) - 90).max() <= 3


def test_the_full_range_is_understood() -> None:
    rgb = np.full((64, 64, 3), 255, np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    full = frame.reformat(format="yuv420p", dst_color_range=ColorRange.JPEG, threads=1)
    assert np.frombuffer(memoryview(full.planes[0]), np.uint8)[0] == 255
    assert decoded(full).rgb.min() >= 253


def test_converting_is_quick_and_on_one_thread() -> None:
    frame = frame_of(scene(512, 512))
    assert decoded(frame).rgb.shape == (512, 512, 3)
    costs = []
    for _ in range(30):
        start, everyone = time.thread_time(), time.process_time()
        assert decoded(frame).rgb.size
        costs.append(max(time.thread_time() - start, time.process_time() - everyone))
    assert np.median(costs) < 2e-3


MATRICES = st.tuples(
    st.floats(0.3, 3), st.floats(-3.2, 3.2), st.floats(-80, 300), st.floats(-80, 300)
)


@given(
    place=MATRICES,
    size=st.sampled_from([(64, 96), (240, 320), (480, 640)]),
    side=st.sampled_from([32, 192, 256]),
)
@settings(deadline=None, max_examples=50)
def test_a_part_is_cut_from_planes_as_from_pixels(
    place: tuple[float, float, float, float], size: tuple[int, int], side: int
) -> None:
    scale, angle, x, y = place
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[cos, -sin, x], [sin, cos, y]])
    height, width = size
    picture = decoded(frame_of(scene(width, height)))
    found = picture.cut(matrix, side)
    assert found.shape == (side, side, 3)
    assert found.flags.c_contiguous
    expected = Picture(picture.rgb).cut(matrix, side)
    assert np.abs(found.astype(int) - expected).max() <= 6
    np.testing.assert_array_equal(picture.cut(matrix, side), expected)  # of the pixels, once made


def test_a_frame_mirrored_and_at_another_time() -> None:
    frame = frame_of(scene(320, 240))
    picture = decoded(frame).at(5, 3)
    other = picture.mirrored().at(8)
    assert (picture.shape, other.shape) == ((240, 320), (240, 320))
    assert (picture.pts_ns, picture.captured_ns) == (5, 3)
    assert (other.pts_ns, other.captured_ns) == (8, 3)
    np.testing.assert_array_equal(other.rgb, picture.rgb[:, ::-1])
    plain = Picture(picture.rgb, 5, 3)
    np.testing.assert_array_equal(plain.mirrored().rgb, other.rgb)
    assert (plain.at(1, 2).pts_ns, plain.at(1, 2).captured_ns, plain.at(1).captured_ns) == (1, 2, 3)


def test_pixels_are_converted_once_and_kept() -> None:
    picture = decoded(frame_of(scene(64, 64)))
    assert picture.rgb is picture.rgb
    assert picture.at(7).rgb is picture.rgb


def test_the_newest_stays() -> None:
    box: Mailbox[int] = Mailbox()
    assert not box.put(1)
    assert box.put(2)
    assert box.take(0) == 2
    assert box.take(0) is None
    assert not box.put(3)


def test_taking_waits() -> None:
    box: Mailbox[int] = Mailbox()
    threading.Timer(0.02, box.put, [5]).start()
    assert box.take(5) == 5


def test_closing_wakes_and_empties() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(1)
    threading.Timer(0.02, box.close).start()
    box.take(0)
    assert box.take(5) is None
    assert box.closed
    box.put(2)
    assert box.take(0) is None


def test_what_a_slow_worker_misses_is_counted() -> None:
    counts = Counts()
    camera = Camera(counts, PeerClock())
    for i in range(10):
        frame = frame_of(np.full((32, 32, 3), 10 * i, np.uint8))
        frame.pts = 3000 * i
        camera.deliver(frame, captured_ns=SECOND + i * 33 * MILLISECOND)
    taken = camera.frames.take(0)
    assert taken is not None
    assert abs(int(taken.picture().rgb.mean()) - 90) <= 2
    assert counts["in"] == 10
    assert counts["dropped.superseded"] == 9


def test_pictures_larger_than_any_cameras_are_dropped() -> None:
    counts = Counts()
    camera = Camera(counts, PeerClock())
    camera.deliver(av.VideoFrame(4096, 4096, "yuv420p"), SECOND)
    assert camera.frames.take(0) is None
    assert counts.with_prefix("dropped.") == {"too_large": 1}


@given(st.integers(0, 2**40), st.sampled_from([48_000, 90_000]))
def test_ticks_survive_the_way_to_ns_and_back(ticks: int, rate: int) -> None:
    assert ticks_from_ns(ns_from_ticks(ticks, rate), rate) == ticks


def test_the_microphone_tells_everybody_when_it_was_said() -> None:
    heard: list[list[Piece]] = [[], []]

    class Taker:
        def __init__(self, pieces: list[Piece]) -> None:
            self.put = pieces.append

    microphone = Microphone(PeerClock(), [Taker(pieces) for pieces in heard])
    for i, late in enumerate((0, 12, 3)):
        arrived_ns = SECOND + (20 * i + late) * MILLISECOND
        microphone.deliver_encoded(b"\xf8" + bytes([i]), 960 * i, arrived_ns)
    assert heard[0] == heard[1]
    # a piece begins 20 ms before its packet can be made, and an encoder looks 6.5 ms ahead
    assert [piece.pts_ns - SECOND for piece in heard[0]] == [-26_500_000, -6_500_000, 13_500_000]
    assert heard[0][1].captured_ns == SECOND + 32 * MILLISECOND
