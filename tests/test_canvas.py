"""Wide pictures: the square one stays as it is, and what is beside it belongs to it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.renderers.warp import WarpRenderer
from engines.types import (
    Avatar,
    Backdrop,
    BackdropKind,
    Backed,
    Motion,
    Picture,
    Rgb,
)
from live.canvas import Canvas, carried_on
from live.disclosure import Label
from live.easel import Easel
from live.label import draw
from live.pipeline import Pipeline
from live.planes import Planes
from live.shape import Shape
from tests.drawn import person
from tests.fakes import FakeDriver, FakeRenderer, FakeTracker, permitted, stamp

SIDE, WIDTH = 144, 256
MORE = (WIDTH - SIDE) // 2


def studio() -> Rgb:
    """A backdrop that is bright behind the person and darker around."""
    axis = np.linspace(-1, 1, SIDE)
    x, y = np.meshgrid(axis, axis)
    light = 1 - 0.3 * (x**2 + (y + 0.3) ** 2)
    return np.asarray(np.rint(light[..., None] * (200, 180, 220)), np.uint8)


def test_heights_and_widths() -> None:
    assert {shape: shape.width(720) for shape in Shape} == {"square": 720, "wide": 1280}
    for height in range(128, 1025, 16):
        width = Shape.WIDE.width(height)
        assert width % 16 == 0
        assert width / height == pytest.approx(16 / 9, rel=0.04)


@given(level=st.integers(0, 255), side=st.sampled_from([128, 144, 160]))
@settings(deadline=None, max_examples=10)
def test_one_colour_stays_one_colour(level: int, side: int) -> None:
    plate = np.full((side, side, 3), (level, 177, 64), np.uint8)
    assert (carried_on(plate, 56) == plate[0, 0]).all()


def test_a_studio_goes_on_without_a_seam() -> None:
    whole = carried_on(studio(), MORE).astype(int)
    assert whole.shape == (SIDE, WIDTH, 3)
    np.testing.assert_array_equal(whole[:, MORE:-MORE], studio())
    assert np.abs(np.diff(whole, axis=1)).max() <= 4  # no step anywhere
    rows = whole[20:-20].mean(axis=(0, 2))
    assert (np.diff(rows[:MORE:8]) >= 0).all()  # darker and darker towards both edges
    assert (np.diff(rows[-MORE::8]) <= 0).all()
    np.testing.assert_allclose(whole, whole[:, ::-1], atol=2)


def test_texture_goes_on() -> None:
    rng = np.random.default_rng(1)
    plate = np.asarray(studio() + rng.normal(0, 12, (SIDE, SIDE, 1)).clip(-35, 35), np.uint8)
    whole = carried_on(plate, MORE).astype(np.float32)
    fine = np.abs(whole - cv2.GaussianBlur(whole, (0, 0), 2)).mean(axis=(0, 2))
    assert fine[MORE - 20 : MORE].mean() > 0.6 * fine[MORE:-MORE].mean()
    assert fine[:20].mean() < 0.6 * fine[MORE - 20 : MORE].mean()  # and softens


def test_the_picture_is_laid_into_the_middle() -> None:
    plate = studio()
    somebody = plate.copy()
    cv2.circle(somebody, (SIDE // 2, SIDE // 2), 40, (90, 40, 30), -1)
    wide = Canvas(plate, WIDTH).planes(Picture(somebody, 7, 5))
    assert (wide.pts_ns, wide.captured_ns) == (7, 5)
    assert wide.luma.shape == (SIDE, WIDTH)
    alone = Planes.of(Picture(somebody))
    for found, expected in zip((wide.luma, *wide.chroma), (alone.luma, *alone.chroma), strict=True):
        left = (found.shape[1] - expected.shape[1]) // 2
        middle = found[:, left : left + expected.shape[1]].astype(int)
        assert np.abs(middle - expected).max() <= 1
    empty = Canvas(plate, WIDTH).planes(Picture(plate))
    np.testing.assert_array_equal(wide.luma[:, :MORE], empty.luma[:, :MORE])


def test_what_reaches_the_edge_fades_out() -> None:
    plate = np.full((SIDE, SIDE, 3), 200, np.uint8)
    shoulders = plate.copy()
    shoulders[100:] = 40
    row = Canvas(plate, WIDTH).planes(Picture(shoulders)).luma[120].astype(int)
    np.testing.assert_array_equal(row, row[::-1])
    assert np.abs(np.diff(row)).max() < 25  # nowhere cut
    assert row[MORE + SIDE // 8] == row[WIDTH // 2]  # and whole from an eighth on
    assert row[MORE - 1] == row[0]


def test_each_picture_has_an_array_of_its_own() -> None:
    canvas = Canvas(studio(), WIDTH)
    one, two = (canvas.planes(Picture(studio())) for _ in range(2))
    one.i420[:] = 0
    assert two.i420.min() >= 16


@pytest.mark.parametrize(
    ("shape", "width"),
    [((144, 142, 3), 256), ((143, 143, 3), 256), ((144, 144, 3), 144), ((144, 144, 3), 254)],
)
def test_plates_that_do_not_fit(shape: tuple[int, int, int], width: int) -> None:
    with pytest.raises(ValueError, match="cannot be carried on"):
        Canvas(np.zeros(shape, np.uint8), width)
    with pytest.raises(ValueError, match="not one of side"):
        Canvas(studio(), WIDTH).planes(Picture(np.zeros((64, 64, 3), np.uint8)))


# ── in a call ─────────────────────────────────────────────────────────────────────────────────────


def shown(pipeline: Pipeline) -> Rgb:
    return pipeline(Picture(np.full((48, 64, 3), 50, np.uint8), 40, 37)).planes.rgb


def test_a_call_shows_wide_pictures_and_its_background_on_both_sides() -> None:
    pipeline = Pipeline(
        FakeTracker(),
        FakeDriver(),
        FakeRenderer(SIDE),
        permitted(level=100),
        stamp(Label()),
        shape=Shape.WIDE,
    )
    first = shown(pipeline)
    assert first.shape == (SIDE, WIDTH, 3)
    assert abs(int(first[:80].mean()) - 100) < 3
    pipeline.request(backdrop=Backdrop(BackdropKind.GREEN))
    green = shown(pipeline)
    for part in (green[:80, :40], green[:80, 100:150], green[:80, -40:]):
        assert np.abs(part.reshape(-1, 3).mean(axis=0) - (0, 255, 0)).max() < 8
    pipeline.request(avatar=permitted("other", 200), backdrop=Backdrop())
    assert abs(int(shown(pipeline)[:80].mean()) - 200) < 3


def test_the_label_hangs_on_the_middle() -> None:
    planes = Planes.of(Picture(np.full((720, 1280, 3), 90, np.uint8)))
    draw(planes, "AI avatar")
    rows, columns = np.nonzero(planes.luma != planes.luma[0, 0])
    assert abs((columns.min() + columns.max()) / 2 - 640) <= 1
    assert 0.82 * 720 < rows.min() < rows.max() < 720
    assert columns.max() - columns.min() < 400  # well within the square


class Plated(FakeRenderer):
    """One that says what stands behind the person."""

    def plate(self, avatar: Avatar) -> Rgb | None:
        return np.full((self.size, self.size, 3), 30, np.uint8)


def test_the_renderers_own_plate_is_preferred() -> None:
    easel = Easel(Plated(SIDE), permitted(level=100), lambda fall: None, Shape.WIDE)
    drawn = easel.draw(Motion.neutral())
    assert isinstance(drawn, Planes)
    assert np.abs(drawn.rgb[:, :40].astype(int) - 30).max() <= 2
    assert np.abs(drawn.rgb[:, 120:130].astype(int) - 100).max() <= 2


def test_a_square_call_is_drawn_as_ever() -> None:
    easel = Easel(FakeRenderer(SIDE), permitted(level=100), lambda fall: None)
    assert isinstance(easel.draw(Motion.neutral()), Picture)


@pytest.mark.parametrize("kind", [BackdropKind.KEEP, BackdropKind.BLUR, BackdropKind.COLOUR])
def test_the_warp_renderer_knows_its_plate(kind: BackdropKind) -> None:
    renderer, drawn_face = WarpRenderer(), person()
    assert isinstance(renderer, Backed)
    made = renderer.prepare(drawn_face, id="a", consent="synthetic", size=128)
    before = renderer.with_backdrop(made, Backdrop(kind, (10, 20, 30)))
    plate = renderer.plate(before)
    assert plate is not None
    picture = renderer.render(before, Motion.neutral()).rgb
    assert np.abs(picture[:10].astype(int) - plate[:10]).max() <= 2  # nobody is up there
    bare = renderer.prepare(replace(drawn_face, matte=None), id="a", consent="x", size=128)
    assert renderer.plate(bare) is None
