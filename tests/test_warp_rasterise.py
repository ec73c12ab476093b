"""The rasterisers against barycentric coordinates worked out one pixel at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.renderers.warp.way import OPENCV, Way, fastest

NOTHING = -1.0


@pytest.fixture(params=["opencv", "machine code"])
def way(request: pytest.FixtureRequest) -> Way:
    if request.param == "opencv":
        return OPENCV
    if fastest() is OPENCV:
        pytest.skip("no machine code can be made here")
    return fastest()


def drawn(
    way: Way,
    points: NDArray[np.float64],
    depth: list[float],
    values: NDArray[np.float32],
    triangles: Sequence[tuple[int, ...]],
    size: int = 32,
) -> NDArray[np.float32]:
    background = np.full((3, size, size), NOTHING, np.float32)
    planes = way.rasterise(
        points, np.array(depth), values, np.array(triangles, np.int64), background
    )
    assert (background == NOTHING).all(), "the background is the caller's"
    return planes.transpose(1, 2, 0)


def reference(
    points: NDArray[np.float64],
    depth: NDArray[np.floating],
    values: NDArray[np.float32],
    triangles: NDArray[np.int32],
    size: int,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The picture, and where it is sure: nowhere within a hair of an edge."""
    picture = np.full((size, size, 3), NOTHING)
    sure = np.ones((size, size), bool)
    for row in range(size):
        for column in range(size):
            nearest = np.inf
            for corners in triangles:
                system = np.vstack([points[corners].T, np.ones(3)])
                weights = np.linalg.solve(system, [column, row, 1.0])
                if np.abs(weights).min() < 2e-3:
                    sure[row, column] = False
                at = float(weights @ depth[corners])
                if weights.min() >= 0 and at < nearest:
                    nearest = at
                    picture[row, column] = weights @ values[corners]
    return picture, sure


@pytest.mark.parametrize("seed", range(4))
def test_values_and_depth_are_those_of_the_reference(way: Way, seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, count = 24, 9
    points = rng.uniform(-4, size + 4, (count, 2))
    depth = rng.permutation(count) * 1.0
    values = rng.uniform(0, 400, (count, 3)).astype(np.float32)
    triangles = np.arange(count, dtype=np.int32).reshape(-1, 3)
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    u, v = b - a, c - a
    turned = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0] < 0
    triangles[turned] = triangles[turned][:, [0, 2, 1]]
    expected, sure = reference(points, depth, values, triangles, size)
    shown = drawn(way, points, depth.tolist(), values, [tuple(t) for t in triangles.tolist()], size)
    assert sure.mean() > 0.9
    # texture coordinates: OpenCV's are off by a tenth of a pixel
    atol = 0.1 if way is OPENCV else 0.02
    np.testing.assert_allclose(shown[sure], expected[sure], atol=atol)


def test_a_whole_number_is_a_pixel_centre(way: Way) -> None:
    """Four vertices on pixel centres give those pixels exactly their own values."""
    points = np.array([[3.0, 5.0], [19.0, 5.0], [19.0, 27.0], [3.0, 27.0]])
    values = np.column_stack([points, np.ones(4)]).astype(np.float32)
    picture = drawn(way, points, [0.0] * 4, values, [(0, 1, 2), (0, 2, 3)])
    rows, columns = np.mgrid[6:27, 4:19]
    np.testing.assert_allclose(
        picture[6:27, 4:19, 0], columns, atol=0.02 if way is OPENCV else 1e-4
    )
    np.testing.assert_allclose(picture[6:27, 4:19, 1], rows, atol=0.02 if way is OPENCV else 1e-4)


BIG = np.array([[2.0, 2.0], [30.0, 2.0], [2.0, 30.0]] * 2)
RED_THEN_GREEN = np.array([[1, 0, 0]] * 3 + [[0, 1, 0]] * 3, np.float32)


@pytest.mark.parametrize(("depths", "seen"), [((0.0, 0.5), 0), ((0.5, 0.0), 1)])
def test_the_nearer_one_is_seen(way: Way, depths: tuple[float, float], seen: int) -> None:
    depth = [depths[0]] * 3 + [depths[1]] * 3
    picture = drawn(way, BIG, depth, RED_THEN_GREEN, [(0, 1, 2), (3, 4, 5)])
    assert picture[8, 8].argmax() == seen


def test_one_that_is_turned_over_shows_only_where_no_other_is(way: Way) -> None:
    points = BIG.copy()
    points[3:] += 6
    depth = [5.0] * 3 + [0.0] * 3  # nearer, yet turned over
    picture = drawn(way, points, depth, RED_THEN_GREEN, [(0, 1, 2), (3, 5, 4)])
    assert picture[10, 10].argmax() == 0
    assert picture[20, 22].argmax() == 1, "beyond the first one's long side"


def test_one_without_area_is_left_out(way: Way) -> None:
    points = np.array([[2.0, 2.0], [10.0, 10.0], [20.0, 20.0]])
    values = np.ones((3, 3), np.float32)
    assert (drawn(way, points, [0.0] * 3, values, [(0, 1, 2)]) == NOTHING).all()


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_neighbours_leave_no_gap(way: Way, seed: int, whole: bool) -> None:
    """A fan around a point covers its square wherever the point and the corners lie."""
    rng = np.random.default_rng(seed)
    rim = np.array([[4, 4], [14, 4], [27, 4], [27, 16], [27, 27], [13, 27], [4, 27], [4, 15]])
    points = np.concatenate([rng.uniform(8, 24, (1, 2)), rim + rng.uniform(-0.5, 0.5, (8, 2))])
    points = np.rint(points) if whole else points
    fan = [(0, corner, 1 + corner % 8) for corner in range(1, 9)]
    picture = drawn(way, points, [0.0] * 9, np.ones((9, 3), np.float32), fan)
    assert (picture[5:27, 5:27] == 1.0).all()


def test_points_far_outside_harm_nothing(way: Way) -> None:
    points = np.array([[-1e4, -2e4], [3e4, 16.0], [-1e4, 2e4]])
    picture = drawn(way, points, [0.0] * 3, np.ones((3, 3), np.float32), [(0, 1, 2)])
    np.testing.assert_allclose(picture, 1.0, atol=1e-3)
