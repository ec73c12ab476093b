"""The neural portrait's keypoint maths, held to the published formulas and to our own axes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.face_crop import level_crop, lip_ratio, upright_crop
from engines.face_geometry import rotation_vector
from engines.implicit_keypoints import Change, Reading, as_input, driven, rotation
from engines.renderers.portrait.pose import change
from engines.renderers.warp.deform import deform
from engines.renderers.warp.mesh import build_mesh
from engines.types import Motion, Space
from tests.heads import head
from tests.portrait_fakes import KEYPOINTS, PARTS

Array = NDArray[np.float64]


def published_rotation(pitch: float, yaw: float, roll: float) -> Array:
    """(Rz Ry Rx)ᵀ, written out, for points as rows."""
    x, y, z = np.radians([pitch, yaw, roll])
    rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return np.asarray((rz @ ry @ rx).T)


def reading(angles: tuple[float, float, float], rng: np.random.Generator) -> Reading:
    return Reading(
        rotation(angles),
        rng.normal(0, 0.1, 3),
        rng.normal(0, 0.02, (21, 3)),
        float(rng.uniform(1.2, 1.6)),
        KEYPOINTS,
    )


def motion(pose: tuple[float, ...], expression: Array | None = None) -> Motion:
    offsets = np.zeros((21, 3)) if expression is None else expression
    return Motion(
        Space.IMPLICIT21,
        offsets.astype(np.float32),
        np.array(pose, np.float32),
        Motion.neutral().eyes,
    )


def test_relative_drive_is_the_published_one() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        of_source, first, now = (tuple(rng.uniform(-30, 30, 3)) for _ in range(3))
        source = reading(of_source, rng)
        offsets = rng.normal(0, 0.03, (21, 3))
        shift, growth = rng.normal(0, 0.1, 2), float(rng.uniform(0.8, 1.25))
        turned = (
            published_rotation(*now) @ published_rotation(*first).T @ published_rotation(*of_source)
        )
        expected = source.scale * growth * (
            KEYPOINTS @ turned + source.expression + offsets
        ) + np.append(source.translation[:2] + shift, 0.0)
        ours = driven(
            source,
            Change(
                rotation_vector(rotation(first).T @ rotation(now)),
                shift,
                float(np.log(growth)),
                offsets,
            ),
        )
        np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_a_portrait_at_rest_is_where_it_was() -> None:
    source = reading((8, -20, 4), np.random.default_rng(0))
    moved = driven(source, change(motion((0,) * 6), 1.0))
    np.testing.assert_allclose(moved, source.placed(), atol=1e-9)
    assert not np.allclose(moved[:, 2], moved[:, 2].mean())


@pytest.mark.parametrize("axis", range(6))
def test_poses_mean_what_they_mean_to_the_warp_renderer(axis: int) -> None:
    """Both move the same points of the face the same way in the picture, for every axis."""
    face = head(size=(512, 512))
    mesh = build_mesh(face.landmarks.astype(np.float64), 512, still_edges=False)
    pose = [0.0] * 6
    pose[axis] = 0.12
    still, turned = (
        deform(mesh, Motion(Space.MESH478, np.zeros((478, 3), np.float32), np.array(p, np.float32),
                            Motion.neutral().eyes)).rigid[PARTS, :2]
        for p in ([0.0] * 6, pose)
    )  # fmt: skip
    source = Reading(np.eye(3), np.zeros(3), np.zeros((21, 3)), 1.0, KEYPOINTS)
    ours = driven(source, change(motion(tuple(pose)), 0.9)) - source.placed()
    theirs = turned - still
    # The centre that a head turns and grows about is another: only the rest is compared.
    a, b = (each - each.mean(axis=0) for each in (ours[:, :2], theirs))
    if axis in (3, 4):
        a, b = ours[:, :2], theirs
    assert (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()) > 0.9


def test_what_is_not_a_number_is_neutral_and_what_is_too_much_is_held() -> None:
    source = reading((0, 0, 0), np.random.default_rng(0))
    broken = motion((np.nan, np.inf, -np.inf, np.nan, np.nan, np.inf), np.full((21, 3), np.nan))
    np.testing.assert_allclose(driven(source, change(broken, 1.0)), source.placed())
    held = change(motion((9, -9, 9, 9, -9, 9), np.full((21, 3), 9.0)), 1.0)
    assert np.degrees(np.abs(held.turn)) == pytest.approx([30, 40, 45])
    assert np.isfinite(driven(source, held)).all()
    assert np.abs(driven(source, held)[:, :2]).max() < 4


def test_crops() -> None:
    upright = head(size=(640, 640)).landmarks.astype(np.float64)
    crop = upright_crop(upright, 2.3, 0.125)
    extent = np.ptp(upright[:468, :2], axis=0).max()
    assert crop.side == pytest.approx(2.3 * extent, rel=0.02)
    middle = (upright[:468, :2].min(axis=0) + upright[:468, :2].max(axis=0)) / 2
    np.testing.assert_allclose(crop.centre - middle, [0, -0.125 * crop.side], atol=0.02 * crop.side)
    # A tilted head stands upright in its crop, in the same place; in a level crop it stays tilted.
    tilted = head((0, 0, 0.5), size=(640, 640)).landmarks.astype(np.float64)
    for make, upright_again in ((upright_crop, True), (level_crop, False)):
        square = make(tilted, 2.3, 0.125)
        inverse = np.linalg.inv(np.vstack([square.matrix(256), [0, 0, 1]]))[:2]
        there = tilted[:, :2] @ inverse[:, :2].T + inverse[:, 2]
        along = there[[33, 263]]
        angle = np.degrees(np.arctan2(*(along[1] - along[0])[::-1]))
        assert abs(angle - (0 if upright_again else np.degrees(0.5))) < 2


def test_pixels_of_a_crop_are_those_of_the_picture() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (300, 400, 3), np.uint8)
    landmarks = np.zeros((478, 2))
    landmarks[234], landmarks[454], landmarks[10], landmarks[152] = (
        (100, 100), (200, 100), (150, 50), (150, 150),
    )  # fmt: skip
    landmarks[:468][landmarks[:468].sum(axis=1) == 0] = (150, 100)
    crop = level_crop(landmarks, 1.0, 0.0)
    assert (crop.side, *crop.centre) == (100, 150, 100)
    cut = crop.cut(picture, 100)
    # 100 pixels around 150, whose middle is between two of them
    np.testing.assert_allclose(
        cut.astype(float)[10:-10, 10:-10],
        picture.astype(float)[60:140, 110:190] / 4
        + picture.astype(float)[61:141, 110:190] / 4
        + picture.astype(float)[60:140, 111:191] / 4
        + picture.astype(float)[61:141, 111:191] / 4,
        atol=3,
    )
    smooth = np.dstack([np.tile(np.linspace(0, 255, 400), (300, 1))] * 3).astype(np.uint8)
    small = crop.cut(smooth, 25)
    np.testing.assert_allclose(small[12, 12], smooth[100, 150], atol=2)
    assert as_input(small).shape == (1, 3, 25, 25)
    assert as_input(small).dtype == np.float32
    np.testing.assert_allclose(as_input(small)[0, 1], small[..., 1] / 255, atol=1e-6)


def test_lips() -> None:
    landmarks = head().landmarks.copy()
    assert 0.03 < lip_ratio(landmarks) < lip_ratio(head(jaw=0.3).landmarks)
    landmarks[13] = landmarks[14]
    assert lip_ratio(landmarks) == 0
