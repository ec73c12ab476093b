"""The geometry has known answers: a similarity put in comes out, whatever the points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import face_geometry as geometry
from engines.face_mesh import BLENDSHAPES, CANONICAL, OVAL, RIGHT_EYE, STABLE, TRIANGLES

angles = st.floats(-1.0, 1.0)


def canonical_landmarks() -> geometry.Points:
    """The canonical face as 478 landmarks in a picture's axes."""
    points = np.concatenate([CANONICAL, CANONICAL[[33] * 5], CANONICAL[[263] * 5]])
    flipped: geometry.Points = points * np.array([1.0, -1.0, -1.0])
    return flipped


@given(angles, angles, angles, st.floats(0.2, 5.0), st.floats(-50, 50))
def test_fit_similarity_finds_what_was_applied(
    pitch: float, yaw: float, roll: float, scale: float, shift: float
) -> None:
    rotation = geometry.rotation_matrix(np.array([pitch, yaw, roll]))
    target = scale * CANONICAL @ rotation.T + shift
    fitted = geometry.fit_similarity(CANONICAL, target)
    assert fitted.scale == pytest.approx(scale, rel=1e-6)
    np.testing.assert_allclose(fitted.rotation, rotation, atol=1e-6)
    back = fitted.scale * (CANONICAL - fitted.source_centre) @ fitted.rotation.T
    np.testing.assert_allclose(back + fitted.target_centre, target, atol=1e-6 * scale * 50)
    assert geometry.rotation_vector(rotation) == pytest.approx([pitch, yaw, roll], abs=2e-5)


def test_fit_similarity_never_mirrors() -> None:
    mirrored = CANONICAL * np.array([-1.0, 1.0, 1.0])
    assert np.linalg.det(geometry.fit_similarity(CANONICAL, mirrored).rotation) == pytest.approx(1)


def test_the_mesh_is_one_disk_with_the_oval_as_its_edge() -> None:
    edges = np.sort(TRIANGLES[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    assert count.max() == 2
    assert set(unique[count == 1].ravel()) == set(OVAL)
    assert len(np.unique(TRIANGLES)) - len(unique) + len(TRIANGLES) == 1  # Euler's number


def test_closing_the_lids_closes_the_aperture() -> None:
    face = canonical_landmarks()
    open_eye = geometry.eye_aperture(face, RIGHT_EYE)
    face[RIGHT_EYE[9:16]] = face[RIGHT_EYE[7:0:-1]]
    assert geometry.eye_aperture(face, RIGHT_EYE) < 0.05 < open_eye


def test_mouth_scale_is_one_on_the_average_face_and_local_to_the_mouth() -> None:
    face = canonical_landmarks()
    np.testing.assert_allclose(geometry.mouth_scale(face), 1.0, atol=1e-9)
    lips = face.copy()
    around = np.linalg.norm(lips[:, :2] - lips[[61, 291], :2].mean(axis=0), axis=1) < 3.0
    lips[around, 0] *= 1.2
    scale = geometry.mouth_scale(lips)
    assert scale[61, 0] == pytest.approx(1.2, rel=0.05)
    np.testing.assert_allclose(scale[STABLE], 1.0, atol=0.02)


def test_fifty_two_blendshapes_without_a_double() -> None:
    assert len(set(BLENDSHAPES)) == 52
