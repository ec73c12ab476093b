"""The echo renderer: what was asked for can be read from its pictures."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.errors import UnusablePortrait
from engines.renderers.echo import GAUGES, LIMIT, EchoRenderer, read_gauges
from engines.types import Backdrop, BackdropKind, Motion, Portrait, Renderer

RENDERER = EchoRenderer()
SIZE = 128
STEP = LIMIT / 108  # one level of grey


def portrait(*, matte: bool = False) -> Portrait:
    """A white square on blue, in the middle of a wide picture."""
    rgb = np.zeros((120, 200, 3), np.uint8)
    rgb[..., 2] = 200
    rgb[50:70, 90:110] = 255
    cut = (rgb[..., 0] == 255).astype(np.uint8) * 255
    return Portrait(rgb, (), cut if matte else None)


def motion(pose: list[float] | None = None, eyes: list[list[float]] | None = None) -> Motion:
    neutral = Motion.neutral(5, 7)
    return replace(
        neutral,
        pose=neutral.pose if pose is None else np.array(pose, np.float32),
        eyes=neutral.eyes if eyes is None else np.array(eyes, np.float32),
    )


AVATAR = RENDERER.prepare(portrait(), id="a", consent="synthetic", size=SIZE)


def square_centre(rgb: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(rgb[SIZE // 8 :, :, 0] > 128)
    return float(columns.mean()), float(rows.mean()) + SIZE // 8


def test_it_is_a_renderer() -> None:
    assert isinstance(RENDERER, Renderer)
    assert (AVATAR.id, AVATAR.made_by, AVATAR.consent) == ("a", "echo", "synthetic")


def test_the_times_are_the_motions() -> None:
    picture = RENDERER.render(AVATAR, motion())
    assert (picture.pts_ns, picture.captured_ns) == (5, 7)


numbers = st.floats(-1.375, 1.375, width=32)


@given(
    st.lists(numbers, min_size=6, max_size=6), st.lists(numbers, min_size=6, max_size=6), numbers
)
def test_every_number_can_be_read_back(pose: list[float], eyes: list[float], lips: float) -> None:
    asked = motion(pose, [eyes[:3], eyes[3:]])
    asked.expression[14, 1] = lips
    read = read_gauges(RENDERER.render(AVATAR, asked).rgb)
    np.testing.assert_allclose(read, [*pose, *eyes, lips], atol=STEP)


@pytest.mark.parametrize("size", [64, 100, 512, 720])
def test_at_any_size_and_after_a_codec(size: int) -> None:
    avatar = RENDERER.prepare(portrait(), id="a", consent="synthetic", size=size)
    pose = [0.3, -0.2, 0.1, 0.5, -0.4, 0.2]
    rgb = RENDERER.render(avatar, motion(pose)).rgb
    assert rgb.shape == (size, size, 3)
    np.testing.assert_allclose(read_gauges(rgb)[:6], pose, atol=STEP)
    if size >= 512:
        coded = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        assert decoded is not None
        smaller = cv2.resize(decoded, (320, 320))
        np.testing.assert_allclose(read_gauges(smaller.astype(np.uint8))[:6], pose, atol=0.06)


def test_the_portrait_goes_where_the_head_goes() -> None:
    rest = square_centre(RENDERER.render(AVATAR, motion()).rgb)
    np.testing.assert_allclose(rest, (63.5, 63.5), atol=0.6)
    moved = square_centre(RENDERER.render(AVATAR, motion([0, 0, 0, 0.5, 0.25, 0])).rgb)
    np.testing.assert_allclose(np.subtract(moved, rest), (16, 8), atol=0.6)


def test_a_positive_roll_turns_clockwise() -> None:
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[30:34, 50:54] = 255  # right of the middle: it goes down
    avatar = RENDERER.prepare(Portrait(rgb, ()), id="a", consent="synthetic", size=SIZE)
    x, y = square_centre(RENDERER.render(avatar, motion([0, 0, np.pi / 4, 0, 0, 0])).rgb)
    assert y - 63.5 == pytest.approx(x - 63.5, abs=1.0)
    assert y > 80


def test_what_is_not_a_number_counts_as_rest() -> None:
    bad = motion([np.nan, np.inf, -np.inf, np.nan, 0.2, 0], [[np.nan] * 3, [0.5, 0, 0]])
    read = read_gauges(RENDERER.render(AVATAR, bad).rgb)
    expected = [0, 0, 0, 0, 0.2, 0, 1, 0, 0, 0.5, 0, 0, 0]
    np.testing.assert_allclose(read, expected, atol=STEP)


def test_too_much_is_held_at_the_limit() -> None:
    read = read_gauges(RENDERER.render(AVATAR, motion([9, -9, 0, 0, 0, 0])).rgb)
    np.testing.assert_allclose(read[:2], [LIMIT, -LIMIT], atol=STEP)


def test_a_backdrop_replaces_what_is_outside_the_matte() -> None:
    avatar = RENDERER.prepare(portrait(matte=True), id="a", consent="synthetic", size=SIZE)
    backdrop = Backdrop(BackdropKind.COLOUR, (10, 20, 30))
    rgb = RENDERER.render(RENDERER.with_backdrop(avatar, backdrop), motion()).rgb
    assert (rgb[SIZE // 2, SIZE // 2] == 255).all()
    assert (rgb[-1] == (10, 20, 30)).all()
    back = RENDERER.with_backdrop(RENDERER.with_backdrop(avatar, backdrop), Backdrop())
    np.testing.assert_array_equal(
        RENDERER.render(back, motion()).rgb, RENDERER.render(avatar, motion()).rgb
    )


def test_without_a_matte_the_background_stays() -> None:
    green = Backdrop(BackdropKind.GREEN)
    assert RENDERER.with_backdrop(AVATAR, green) is AVATAR


@pytest.mark.parametrize(("size", "reason"), [(8, "too_small"), (4096, "too_large")])
def test_sizes_that_cannot_be_drawn(size: int, reason: str) -> None:
    with pytest.raises(UnusablePortrait) as caught:
        RENDERER.prepare(portrait(), id="a", consent="synthetic", size=size)
    assert caught.value.reason == reason


def test_there_is_a_name_for_each_gauge() -> None:
    assert len(read_gauges(np.zeros((64, 64, 3), np.uint8))) == len(GAUGES) == 13
