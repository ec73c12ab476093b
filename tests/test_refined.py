"""The refined renderer: what it may change in a warped picture, and what it must leave alone."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines import registry
from engines.face_geometry import eye_distance
from engines.renderers.refined import RefinedRenderer, crops
from engines.renderers.refined.correction import confine, correct
from engines.renderers.warp import WarpRenderer
from engines.renderers.warp.deform import deform
from engines.renderers.warp.mesh import Mesh
from engines.shipped_models import shipped
from engines.types import Avatar, Backdrop, BackdropKind, Motion, Renderer
from tests.drawn import person
from tests.heads import head

SIZE = 320
RENDERER = RefinedRenderer()
WARP = WarpRenderer()


@cache
def avatar() -> Avatar:
    return RENDERER.prepare(person(), id="drawn", consent="synthetic", size=SIZE)


def mesh() -> Mesh:
    found: Mesh = avatar().features.warped.features.mesh
    return found


def acted(
    jaw: float = 0.0, openness: tuple[float, float] = (1.0, 1.0), gaze: float = 0.0
) -> Motion:
    shut = head().landmarks.astype(np.float64)
    expression = (head(jaw=jaw).landmarks - shut) / eye_distance(shut)
    eyes = np.array([[lid, gaze, 0.0] for lid in openness], np.float32)
    return replace(Motion.neutral(), expression=expression.astype(np.float32), eyes=eyes)


def changed(motion: Motion) -> NDArray[np.int64]:
    """`(h, w)` levels by which the refined picture differs from the warped one."""
    refined = RENDERER.render(avatar(), motion).rgb.astype(np.int64)
    warped = WARP.render(avatar().features.warped, motion).rgb.astype(np.int64)
    levels: NDArray[np.int64] = np.abs(refined - warped).max(axis=2)
    return levels


def eye_crops(motion: Motion) -> list[crops.Crop]:
    moved = deform(mesh(), motion)
    return [
        crops.eye_crop(moved, number, crops.eye_width(mesh().points, number)) for number in (0, 1)
    ]


def inside(crop: crops.Crop) -> NDArray[np.float64]:
    """`(SIZE, SIZE)` how near each pixel is to the crop's rim: 0 the middle, 1 the rim."""
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float64)
    at = crop.inside(np.stack([columns.ravel(), rows.ravel()], axis=1))
    near: NDArray[np.float64] = np.abs(at).max(axis=1).reshape(SIZE, SIZE)
    return near


def test_it_is_registered() -> None:
    renderer = registry.renderer("refined")
    assert isinstance(renderer, Renderer)
    assert renderer.name == "refined"


def test_the_card_is_of_this_file() -> None:
    eyes = shipped("refiner_eyes")
    assert eyes.whole()
    assert eyes.card["bytes"] == eyes.spec.path.stat().st_size < 2_000_000
    for row in eyes.card["figures"]:
        assert row["inside_refined"] > row["inside_warp"]
        assert row["gmsd_refined"] < row["gmsd_warp"]


def test_a_face_at_rest_is_the_warped_one() -> None:
    assert changed(Motion.neutral()).max() == 0


def test_a_gaze_alone_is_the_warped_one() -> None:
    assert changed(acted(gaze=0.2)).max() == 0


@pytest.mark.parametrize("jaw", [0.05, 0.3, 0.9])
def test_a_mouth_is_the_warped_one(jaw: float) -> None:
    assert changed(acted(jaw=jaw)).max() == 0


@pytest.mark.parametrize("closed", [(0.0, 0.0), (0.0, 1.0), (1.0, 0.3)])
def test_lids_that_close_are_refined_within_their_crops(closed: tuple[float, float]) -> None:
    motion = acted(openness=closed)
    difference = changed(motion)
    near = [inside(crop) for crop in eye_crops(motion)]
    for openness, reach in zip(closed, near, strict=True):
        own = difference[reach < 0.8].max()
        assert own > 2 if openness < 0.5 else own == 0
    beyond = np.min(near, axis=0)
    assert difference[beyond > 1].max() == 0


def test_corrections_leave_no_seam() -> None:
    motion = acted(jaw=0.05, openness=(0.0, 0.0))
    difference = changed(motion)
    rim = np.min([inside(crop) for crop in eye_crops(motion)], axis=0)
    assert difference.max() > 2
    assert difference[rim > 0.97].max() <= 2


def test_the_same_motion_is_the_same_picture() -> None:
    motion = acted(jaw=0.05, openness=(0.2, 0.2))
    other = RefinedRenderer().prepare(person(), id="drawn", consent="synthetic", size=SIZE)
    first, second = RENDERER.render(avatar(), motion), RENDERER.render(other, motion)
    np.testing.assert_array_equal(first.rgb, second.rgb)


def test_a_motion_that_is_not_finite_is_held() -> None:
    motion = acted(openness=(0.0, 0.0))
    broken = replace(
        motion,
        expression=np.full_like(motion.expression, np.nan),
        pose=np.full_like(motion.pose, np.inf),
    )
    picture = RENDERER.render(avatar(), broken).rgb
    assert picture.shape == (SIZE, SIZE, 3)


def test_a_head_out_of_view_is_drawn() -> None:
    motion = replace(acted(openness=(0.0, 0.0)), pose=np.array([0, 0, 0, 9, 9, 0.4], np.float32))
    assert RENDERER.render(avatar(), motion).rgb.shape == (SIZE, SIZE, 3)


def test_another_background_stays_behind_refined_eyes() -> None:
    green = RENDERER.with_backdrop(avatar(), Backdrop(BackdropKind.COLOUR, (0, 200, 0)))
    picture = RENDERER.render(green, acted(openness=(0.0, 0.0))).rgb
    assert tuple(picture[4, 4]) == (0, 200, 0)
    own = RENDERER.render(avatar(), acted(openness=(0.0, 0.0))).rgb
    assert tuple(own[4, 4]) != (0, 200, 0)


def test_the_left_eye_is_seen_as_a_mirror_shows_the_right() -> None:
    moved = deform(mesh(), acted(openness=(0.3, 0.3)))
    for number in (0, 1):
        width = crops.eye_width(mesh().points, number)
        crop = crops.eye_crop(moved, number, width)
        lids = crops.lids_in(crop, moved, number)
        assert lids[0, 0] < -0.3 < 0.3 < lids[8, 0]  # the outer corner is on the left
        assert lids[4, 1] >= lids[12, 1]  # the lower lid is below
        assert np.sign(np.linalg.det(crop.matrix[:, :2])) == 1 - 2 * number


@given(
    st.floats(0, 1), st.floats(0, 0.5), st.floats(-3, 3), st.floats(20, 300), st.integers(0, 2**32)
)
@settings(max_examples=40, deadline=None)
def test_whatever_a_network_says_stays_in_its_crop(
    level: float, shift: float, angle: float, place: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    side = crops.SIDE
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    crop = crops.Crop(np.column_stack([1.3 * turn, [place, place]]), side)
    said = rng.uniform(-1, 1, (5, side, side)).astype(np.float32)
    said *= np.array([shift, shift, level, level, level], np.float32)[:, None, None]
    said[:, [0, -1]] = said[:, :, [0, -1]] = 0.0
    picture = rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    before = picture.copy()
    whole = np.ones((side, side), np.float32)
    correct(picture, crop, confine(said, 0 * whole, whole))
    np.testing.assert_array_equal(picture[inside(crop) > 1], before[inside(crop) > 1])


def test_nothing_is_painted_between_the_lids() -> None:
    side = crops.SIDE
    said = np.full((5, side, side), 0.5, np.float32)
    said[:2] = 0
    opening = np.zeros((side, side), np.float32)
    opening[20:40, 20:40] = 1
    planes = confine(said, opening, np.ones((side, side), np.float32))
    assert np.abs(planes[opening == 1][:, 2:]).max() == 0
    assert (planes[opening == 0][:, 2:] == 0.5).all()
