"""The warp renderer, seen by its pictures of a drawn person whose colours can be found again."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from engines.errors import UnusablePortrait
from engines.face_geometry import eye_distance, mouth_width, rotation_matrix
from engines.face_mesh import INNER_LIPS, LEFT_EYE, OVAL, RIGHT_EYE
from engines.renderers import warp
from engines.renderers.warp import WarpRenderer
from engines.renderers.warp.deform import deform
from engines.renderers.warp.framing import Framed, frame
from engines.renderers.warp.mesh import Mesh, build_mesh
from engines.renderers.warp.renderer import draw as draw_by
from engines.renderers.warp.way import OPENCV, fastest
from engines.types import (
    Avatar,
    Backdrop,
    BackdropKind,
    Motion,
    Picture,
    Portrait,
    Renderer,
    Rgb,
)
from tests.drawn import HAIR, IRIS, LIPS, NOSE, SKIN, WALL, WHITE, centre_of, person, resembles
from tests.heads import head

RENDERER = WarpRenderer()
SIZE = 512


@cache
def avatar(*, matte: bool = True, size: int = SIZE) -> Avatar:
    return RENDERER.prepare(person(matte=matte), id="drawn", consent="synthetic", size=size)


@cache
def framed(*, matte: bool = True) -> Framed:
    portrait = person(matte=matte)
    return frame(portrait, portrait.faces[0], SIZE)


@cache
def mesh() -> Mesh:
    return build_mesh(framed().landmarks, SIZE, still_edges=False)


def motion(
    *,
    pose: tuple[float, ...] = (0, 0, 0, 0, 0, 0),
    expression: NDArray[np.floating] | None = None,
    eyes: tuple[tuple[float, float, float], tuple[float, float, float]] = ((1, 0, 0), (1, 0, 0)),
) -> Motion:
    neutral = Motion.neutral(11, 22)
    return replace(
        neutral,
        pose=np.array(pose, np.float32),
        eyes=np.array(eyes, np.float32),
        expression=neutral.expression if expression is None else expression.astype(np.float32),
    )


def opened(jaw: float) -> NDArray[np.float64]:
    """The expression of a jaw that opens by 3 cm at 1."""
    shut = head().landmarks.astype(np.float64)
    return (head(jaw=jaw).landmarks - shut) / eye_distance(shut)


def draw(asked: Motion, **which: bool | int) -> Rgb:
    return RENDERER.render(avatar(**which), asked).rgb


def box(points: NDArray[np.integer], grow: float = 0.0) -> tuple[slice, slice]:
    """Rows and columns around landmarks of the resting face."""
    place = framed().landmarks[points, :2]
    low, high = place.min(axis=0), place.max(axis=0)
    border = grow * (high - low).max()
    (left, top), (right, bottom) = np.floor(low - border), np.ceil(high + border)
    return slice(int(top), int(bottom) + 1), slice(int(left), int(right) + 1)


def psnr(a: Rgb, b: Rgb) -> float:
    error = max(float(np.square(a.astype(float) - b).mean()), 1e-9)  # two may be the same
    return float(10 * np.log10(255**2 / error))


# --- what a renderer is ---------------------------------------------------------------------------


def test_it_is_a_renderer() -> None:
    assert isinstance(RENDERER, Renderer)
    made = avatar()
    assert (made.id, made.made_by, made.consent) == ("drawn", "warp", "synthetic")


def test_a_picture_has_the_motions_times_and_its_own_array() -> None:
    first = RENDERER.render(avatar(), motion())
    assert (first.pts_ns, first.captured_ns) == (11, 22)
    kept = first.rgb.copy()
    assert first.rgb.dtype == np.uint8
    assert first.rgb.flags.c_contiguous
    first.rgb[:] = 0  # the label is drawn into it
    np.testing.assert_array_equal(draw(motion()), kept)


@pytest.mark.parametrize("size", [256, 512, 720])
def test_sizes(size: int) -> None:
    rgb = draw(motion(pose=(0.1, 0.2, 0, 0, 0, 0), expression=opened(0.5)), size=size)
    assert rgb.shape == (size, size, 3)
    # the same picture at every size
    smaller = rgb[:: size // 64, :: size // 64][:64, :64]
    assert resembles(smaller, SKIN).mean() > 0.05


@pytest.mark.parametrize("side", [(700, 1024), (1024, 700)])
def test_portraits_that_are_not_square(side: tuple[int, int]) -> None:
    whole = person()
    assert whole.matte is not None
    height, width = side
    left = (1024 - width) // 2
    face = whole.faces[0]
    face = replace(face, landmarks=face.landmarks - np.array([left, 0, 0], np.float32))
    cut = Portrait(
        np.ascontiguousarray(whole.rgb[:height, left : left + width]),
        (face,),
        np.ascontiguousarray(whole.matte[:height, left : left + width]),
    )
    made = RENDERER.prepare(cut, id="cut", consent="synthetic", size=SIZE)
    rgb = RENDERER.render(made, motion()).rgb
    assert resembles(rgb, IRIS).sum() > 50
    assert centre_of(resembles(rgb, NOSE))[0] == pytest.approx(SIZE / 2, abs=3)


# --- at rest --------------------------------------------------------------------------------------


@pytest.mark.parametrize("matte", [True, False])
def test_a_neutral_motion_shows_the_portrait(matte: bool) -> None:
    still = framed(matte=matte)
    wanted = still.rgb[still.frame]
    shown = draw(motion(), matte=matte)
    face = box(OVAL)
    assert psnr(shown[face], wanted[face]) > 30
    assert psnr(shown, wanted) > 30


def test_two_pictures_of_one_motion_are_the_same() -> None:
    turned = motion(pose=(0.1, 0.2, 0.05, 0.02, 0, 0.1), expression=opened(0.4))
    first = draw(turned)
    draw(motion(pose=(-0.2, -0.4, 0, 0, 0, 0)))
    np.testing.assert_array_equal(draw(turned), first)


def test_a_small_motion_is_a_small_change() -> None:
    """Nothing pops in or out on the way from rest to a motion, as layers switched on would."""

    def largest_step(at: Callable[[float], Motion]) -> float:
        pictures = [draw(at(t)).astype(np.float32) for t in np.linspace(0, 1, 25)]
        return max(
            float(np.abs(b - a).mean(axis=(0, 1)).max()) for a, b in itertools.pairwise(pictures)
        )

    whole = np.abs(draw(motion(eyes=((0, 0, 0),) * 2)).astype(float) - draw(motion())).mean()
    assert largest_step(lambda t: motion(eyes=((1 - t, 0, 0),) * 2)) < whole / 4
    whole = np.abs(draw(motion(expression=opened(1))).astype(float) - draw(motion())).mean()
    assert largest_step(lambda t: motion(expression=opened(t))) < whole / 4


# --- the head -------------------------------------------------------------------------------------


def nose(rgb: Rgb) -> NDArray[np.float64]:
    return centre_of(resembles(rgb, NOSE))


def test_the_head_goes_right_and_down_by_face_widths() -> None:
    moved = nose(draw(motion(pose=(0, 0, 0, 0.2, 0.1, 0)))) - nose(draw(motion()))
    np.testing.assert_allclose(moved, np.array([0.2, 0.1]) * mesh().face_width, atol=1.5)


def test_the_head_grows() -> None:
    area = [resembles(draw(motion(pose=(0, 0, 0, 0, 0, s))), LIPS).sum() for s in (0, 0.15)]
    assert area[1] / area[0] == pytest.approx(math.exp(2 * 0.15), rel=0.08)


@pytest.mark.parametrize(
    "turn", [(0.0, 0.3, 0.0), (0.0, -0.3, 0.0), (0.25, 0.0, 0.0), (-0.25, 0.0, 0.0), (0, 0, 0.3)]
)
def test_the_nose_goes_where_a_rigid_head_has_it(turn: tuple[float, float, float]) -> None:
    rest = mesh()
    tip = (rest.points[1] - rest.centre) @ rotation_matrix(np.array(turn)).T + rest.centre
    expected = tip[:2] - rest.points[1, :2]
    moved = nose(draw(motion(pose=(*turn, 0, 0, 0)))) - nose(draw(motion()))
    np.testing.assert_allclose(moved, expected, atol=2.0)


def test_a_head_that_is_turned_shows_neither_tear_nor_wall() -> None:
    """Within the head's outline nothing of the background may come through."""
    for pitch, yaw in [(0, 0.44), (0, -0.44), (0.35, 0), (-0.35, 0), (0.3, 0.4)]:
        turned = motion(pose=(pitch, yaw, 0, 0, 0, 0), expression=opened(0.3))
        rgb = draw(turned)
        outline = deform(mesh(), turned).face[OVAL, :2]
        middle = outline.mean(axis=0)
        rows, columns = np.mgrid[:SIZE, :SIZE]
        inside = np.ones((SIZE, SIZE), bool)
        smaller = middle + 0.93 * (outline - middle)
        for a, b in zip(smaller, np.roll(smaller, -1, axis=0), strict=True):
            inside &= (b[0] - a[0]) * (rows - a[1]) - (b[1] - a[1]) * (columns - a[0]) >= 0
        assert inside.sum() > 5000
        assert not (resembles(rgb, WALL, within=90) & inside).any()


def test_too_large_a_turn_is_held() -> None:
    for axis, most in ((0, 0.39), (1, 0.53)):
        far, farther = ([0.0] * 6, [0.0] * 6)
        far[axis], farther[axis] = 1.0, 3.0
        np.testing.assert_array_equal(
            draw(motion(pose=tuple(far))), draw(motion(pose=tuple(farther)))
        )
        within = [0.0] * 6
        within[axis] = most / 2
        assert psnr(draw(motion(pose=tuple(within))), draw(motion(pose=tuple(far)))) < 40


def test_without_a_matte_the_edges_stay_as_they_are() -> None:
    rest = draw(motion(), matte=False)
    turned = draw(motion(pose=(0.1, 0.3, 0.1, 0.05, 0, 0)), matte=False)
    assert psnr(turned, rest) < 30
    for edge in (np.s_[:3], np.s_[:, :3], np.s_[:, -3:]):
        assert np.abs(turned[edge].astype(int) - rest[edge]).mean() < 1


def test_the_light_changes_with_the_turn_and_not_at_rest() -> None:
    """The portrait is lit from one side; turning towards the light makes the face brighter."""
    portrait = person()
    shade = np.linspace(1.15, 0.5, 1024)[None, :, None]
    lit = np.clip(portrait.rgb * shade, 0, 255).astype(np.uint8)
    made = RENDERER.prepare(replace(portrait, rgb=lit), id="lit", consent="synthetic", size=SIZE)

    def forehead(yaw: float) -> float:
        rgb = RENDERER.render(made, motion(pose=(0, yaw, 0, 0, 0, 0))).rgb
        x, y = deform(mesh(), motion(pose=(0, yaw, 0, 0, 0, 0))).face[151, :2].astype(int)
        return float(rgb[y - 4 : y + 5, x - 4 : x + 5].mean())

    assert forehead(0.35) > 1.01 * forehead(0)
    assert forehead(-0.35) < 0.99 * forehead(0)


# --- the eyes -------------------------------------------------------------------------------------

BOTH_SHUT = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


def eyeball(rgb: Rgb) -> NDArray[np.bool_]:
    return resembles(rgb, WHITE, 45) | resembles(rgb, IRIS, 80)


def test_openness_0_leaves_no_eyeball() -> None:
    open_eyes, shut = draw(motion()), draw(motion(eyes=BOTH_SHUT))
    for ring in (RIGHT_EYE, LEFT_EYE):
        around = box(ring, 0.3)
        assert eyeball(open_eyes[around]).sum() > 100
        assert not eyeball(shut[around]).any()
        assert resembles(shut[around], SKIN, 60).mean() > 0.7


@pytest.mark.parametrize("pose", [(0, 0.4, 0, 0, 0, 0), (0.3, -0.2, 0.2, 0, 0, 0)])
def test_closed_lids_stay_closed_when_the_head_turns(pose: tuple[float, ...]) -> None:
    assert not eyeball(draw(motion(pose=pose, eyes=BOTH_SHUT))).any()


def test_each_eye_closes_by_itself() -> None:
    rgb = draw(motion(eyes=((0, 0, 0), (1, 0, 0))))
    assert not eyeball(rgb[box(RIGHT_EYE, 0.3)]).any()
    assert eyeball(rgb[box(LEFT_EYE, 0.3)]).sum() > 100


def test_the_opening_follows_the_openness() -> None:
    seen = [
        int(eyeball(draw(motion(eyes=((openness, 0, 0),) * 2))).sum())
        for openness in (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
    ]
    assert seen == sorted(seen)
    assert 0.3 < seen[2] / seen[4] < 0.7
    assert seen[5] > 1.05 * seen[4]


def test_the_irises_go_where_the_gaze_goes() -> None:
    def irises(right: float, down: float) -> list[NDArray[np.float64]]:
        rgb = draw(motion(eyes=((1, right, down),) * 2))
        found = []
        for ring in (RIGHT_EYE, LEFT_EYE):
            rows, columns = box(ring, 0.2)
            found.append(centre_of(resembles(rgb[rows, columns], IRIS, 90)))
        return found

    width = float(np.linalg.norm(mesh().points[33, :2] - mesh().points[133, :2]))
    for rest, right, left, down in zip(
        irises(0, 0), irises(0.15, 0), irises(-0.15, 0), irises(0, 0.05), strict=True
    ):
        assert 0.7 * 0.15 < (right - rest)[0] / width < 1.4 * 0.15
        assert 0.7 * 0.15 < (rest - left)[0] / width < 1.4 * 0.15
        assert abs((right - rest)[1]) < 1.0
        assert (down - rest)[1] > 0.5


def test_an_eye_that_is_shut_in_the_portrait_stays_shut() -> None:
    made = RENDERER.prepare(person(closed=(1.0, 0.0)), id="wink", consent="synthetic", size=SIZE)
    for openness in (0.0, 1.0, 1.3):
        rgb = RENDERER.render(made, motion(eyes=((openness, 0, 0), (1, 0, 0)))).rgb
        assert eyeball(rgb[box(LEFT_EYE, 0.3)]).sum() > 100
        assert not eyeball(rgb[box(RIGHT_EYE, 0.3)]).any()


# --- the mouth ------------------------------------------------------------------------------------


def test_an_opening_mouth_shows_its_interior() -> None:
    def interior(jaw: float) -> Rgb:
        asked = motion(expression=opened(jaw))
        lips = deform(mesh(), asked).face[INNER_LIPS, :2]
        (left, top), (right, bottom) = lips.min(axis=0), lips.max(axis=0)
        middle = slice(int(left + (right - left) / 3), int(right - (right - left) / 3))
        return draw(asked)[int(top) : int(bottom) + 1, middle]

    shut, wide = interior(0), interior(1)
    assert len(shut) < 10
    assert len(wide) > 20
    dark, bright = wide.max(axis=2) < 90, wide.min(axis=2) > 120
    assert dark.mean() > 0.15, "the cavity"
    assert bright.mean() > 0.03, "the teeth"
    assert not resembles(wide, SKIN, 30).any(), "no skin between the lips"
    assert np.flatnonzero(bright.any(axis=1))[0] < len(wide) / 3, "the upper teeth are above"


def test_lips_that_are_shut_show_no_interior() -> None:
    rgb = draw(motion(pose=(0, 0.2, 0, 0, 0, 0)))[box(INNER_LIPS, 0.3)]
    assert not (rgb.max(axis=2) < 90).any()


def test_lips_do_not_pass_through_each_other() -> None:
    crossed = np.zeros((478, 3))
    crossed[INNER_LIPS[1:10], 1] = 0.1
    shape = deform(mesh(), motion(expression=crossed)).face
    assert (shape[INNER_LIPS[19:10:-1], 1] - shape[INNER_LIPS[1:10], 1]).min() > -0.01


def test_a_mouth_opens_no_wider_than_one_believes() -> None:
    gaps = []
    for jaw in (0.5, 1.0, 2.0, 4.0):
        shape = deform(mesh(), motion(expression=opened(jaw))).face
        gaps.append(float(np.linalg.norm(shape[13] - shape[14])) / mouth_width(mesh().points))
    assert gaps == sorted(gaps)
    assert gaps[-1] < 0.8


def test_a_portrait_with_an_open_mouth_keeps_its_own_interior() -> None:
    portrait = person(jaw=0.5)
    still = frame(portrait, portrait.faces[0], SIZE)
    made = RENDERER.prepare(portrait, id="open", consent="synthetic", size=SIZE)
    around = box(INNER_LIPS, 0.5)
    wanted = still.rgb[still.frame][around]
    assert psnr(RENDERER.render(made, motion()).rgb[around], wanted) > 26


# --- the background -------------------------------------------------------------------------------


def outside_and_inside() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the resting person surely is not, and surely is: some pixels from the edge."""
    still = framed()
    assert still.matte is not None
    matte = still.matte[still.frame].astype(np.float32)
    near = 5
    high = np.max([np.roll(matte, s, axis=a) for a in (0, 1) for s in (-near, near, 0)], axis=0)
    low = np.min([np.roll(matte, s, axis=a) for a in (0, 1) for s in (-near, near, 0)], axis=0)
    return high < 1, low > 254


@pytest.mark.parametrize(
    ("backdrop", "colour"),
    [
        (Backdrop(BackdropKind.COLOUR, (12, 34, 56)), (12, 34, 56)),
        (Backdrop(BackdropKind.GREEN), (0, 177, 64)),
    ],
)
def test_a_backdrop_replaces_the_background_exactly(
    backdrop: Backdrop, colour: tuple[int, int, int]
) -> None:
    outside, inside = outside_and_inside()
    before, after = (
        draw(motion()),
        RENDERER.render(RENDERER.with_backdrop(avatar(), backdrop), motion()).rgb,
    )
    assert (after[outside] == colour).all()
    assert np.abs(after[inside].astype(int) - before[inside]).max() <= 1


@pytest.mark.parametrize("pose", [(0,) * 6, (0, 0.35, 0, 0.1, 0, 0)])
def test_no_halo_of_the_old_background(pose: tuple[float, ...]) -> None:
    dark = RENDERER.with_backdrop(avatar(), Backdrop(BackdropKind.COLOUR, (0, 0, 0)))
    rgb = RENDERER.render(dark, motion(pose=pose)).rgb.astype(int)
    # the wall has far more red and blue than green, the person nowhere has
    pinkness = np.minimum(rgb[..., 0], rgb[..., 2]) - rgb[..., 1]
    assert pinkness.max() < 22


def test_a_blurred_backdrop_holds_nobody() -> None:
    """The blur is of the empty room, not of the picture with the person in it."""
    blurred = RENDERER.with_backdrop(avatar(), Backdrop(BackdropKind.BLUR))
    outside, _ = outside_and_inside()
    rgb = RENDERER.render(blurred, motion()).rgb
    assert resembles(rgb, WALL, 25)[outside].all()


def test_a_head_that_moves_away_uncovers_wall() -> None:
    away = motion(pose=(0, 0, 0, 0.35, 0, 0))
    rgb = draw(away)
    uncovered = resembles(draw(motion()), HAIR) & ~resembles(rgb, HAIR) & ~resembles(rgb, SKIN, 60)
    left_edge = uncovered & (np.arange(SIZE) < mesh().centre[0])
    assert left_edge.sum() > 500
    assert resembles(rgb, WALL, 40)[left_edge].mean() > 0.85


def test_keeping_the_background_brings_it_back() -> None:
    there = RENDERER.with_backdrop(avatar(), Backdrop(BackdropKind.GREEN))
    back = RENDERER.with_backdrop(there, Backdrop())
    np.testing.assert_array_equal(RENDERER.render(back, motion()).rgb, draw(motion()))


def test_without_a_matte_no_backdrop() -> None:
    without = avatar(matte=False)
    assert RENDERER.with_backdrop(without, Backdrop(BackdropKind.GREEN)) is without


# --- bad input ------------------------------------------------------------------------------------

anything = st.floats(width=32, allow_nan=True, allow_infinity=True)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, (478, 3), elements=anything),
    arrays(np.float32, 6, elements=anything),
    arrays(np.float32, (2, 3), elements=anything),
)
def test_no_motion_makes_a_mesh_that_is_not_finite(
    expression: NDArray[np.float32], pose: NDArray[np.float32], eyes: NDArray[np.float32]
) -> None:
    asked = replace(Motion.neutral(), expression=expression, pose=pose, eyes=eyes)
    moved = deform(mesh(), asked)
    for values in (moved.face, moved.vertices, moved.depth, moved.openness, moved.gaze):
        assert np.isfinite(values).all()
    assert np.abs(moved.vertices).max() < 20 * SIZE


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_a_broken_motion_neither_fails_nor_lasts(value: float) -> None:
    broken = motion(
        pose=(value,) * 6, expression=np.full((478, 3), value), eyes=((value,) * 3,) * 2
    )
    before = draw(motion())
    assert draw(broken).shape == before.shape
    np.testing.assert_array_equal(draw(motion()), before)
    if not np.isfinite(value):
        np.testing.assert_array_equal(draw(broken), before)


@pytest.mark.parametrize(
    "pose", [(0, 0, 0, 9, 0, 0), (0, 0, 0, -9, -9, 0.4), (0.3, 0.5, 0.6, 0.6, 0.6, 0.4)]
)
def test_a_head_out_of_view(pose: tuple[float, ...]) -> None:
    assert draw(motion(pose=pose, expression=opened(0.5))).shape == (SIZE, SIZE, 3)


def test_a_portrait_without_a_face_is_refused() -> None:
    with pytest.raises(UnusablePortrait) as caught:
        RENDERER.prepare(Portrait(person().rgb, ()), id="nobody", consent="synthetic")
    assert caught.value.reason == "no_face"


@pytest.mark.parametrize(("size", "reason"), [(16, "too_small"), (5000, "too_large")])
def test_a_size_that_cannot_be_drawn_is_refused(size: int, reason: str) -> None:
    with pytest.raises(UnusablePortrait) as caught:
        RENDERER.prepare(person(), id="drawn", consent="synthetic", size=size)
    assert caught.value.reason == reason


# --- many at once, and time -----------------------------------------------------------------------


def many_motions(seed: int) -> list[Motion]:
    rng = np.random.default_rng(seed)
    return [
        motion(
            pose=tuple(rng.uniform(-0.3, 0.3, 6)),
            expression=opened(float(rng.uniform(0, 1))),
            eyes=tuple((float(rng.uniform(0, 1.2)), *rng.uniform(-0.1, 0.1, 2)) for _ in "ab"),  # type: ignore[arg-type]
        )
        for _ in range(12)
    ]


@pytest.mark.parametrize("matte", [True, False])
@pytest.mark.parametrize("size", [64, 203, 512])
@pytest.mark.parametrize(
    "pose", [(0, 0, 0, 0, 0, 0), (0.2, -0.5, 0.3, 0.2, -0.1, 0.2), (0, 0.4, 0, -9, 0, -0.4)]
)
def test_machine_code_draws_what_opencv_draws(
    matte: bool, size: int, pose: tuple[float, ...]
) -> None:
    if fastest() is OPENCV:
        pytest.skip("no machine code can be made here")
    features = avatar(matte=matte, size=size).features
    moved = deform(features.mesh, motion(pose=pose, expression=opened(0.6)))
    one, other = (draw_by(features, moved, way) for way in (OPENCV, fastest()))
    assert psnr(one, other) > 45


def test_without_a_compiler_opencv_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "engines.renderers.warp.machine", None)
    monkeypatch.delattr(warp, "machine", raising=False)
    fastest.cache_clear()
    try:
        assert fastest() is OPENCV
    finally:
        fastest.cache_clear()


def test_threads_that_share_an_avatar_do_not_disturb_each_other() -> None:
    lists = [many_motions(seed) for seed in range(2)]
    serial = [[draw(m) for m in motions] for motions in lists]

    def work(motions: list[Motion]) -> list[Picture]:
        return [RENDERER.render(avatar(), m) for m in motions]

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(work, lists))
    for alone, beside in zip(serial, together, strict=True):
        for expected, picture in zip(alone, beside, strict=True):
            np.testing.assert_array_equal(picture.rgb, expected)


def test_time_per_picture(record_property: Callable[[str, object], None]) -> None:
    """Recorded, and bounded only where something is badly wrong: 60 ms would be 16 pictures a s."""
    motions = many_motions(9) * 3
    draw(motions[0])
    begin = time.thread_time()
    for asked in motions:
        draw(asked)
    spent = (time.thread_time() - begin) / len(motions) * 1e3
    record_property("cpu_ms_per_picture", round(spent, 2))
    assert spent < 60
