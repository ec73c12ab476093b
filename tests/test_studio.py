"""The parts of the studio that need none of its heavy tools."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from engines.avatars import Record
from engines.studio import makehuman
from engines.studio.performance import rotation
from engines.studio.portrait import contact_sheet, gradient, write_avatar

_QUAD = """# a square of two groups
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
g front
f 1/1 2/2 3/3 4/4
g corner
f 1/1 2/2 4/4
"""

_PART = """# a part of two vertices
x_scale 0 1 2.0
verts 0
2
0 1 3 0.5 0.25 0.25 0.1 0.0 0.2
weights
"""


def test_polygons_of_an_obj_become_triangles_of_their_group(tmp_path: Path) -> None:
    path = tmp_path / "quad.obj"
    path.write_text(_QUAD)
    mesh = makehuman.read_obj(path)
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 3]]
    assert mesh.face_uv.tolist() == mesh.faces.tolist()
    assert mesh.groups.tolist() == ["front", "front", "corner"]
    assert mesh.members("corner").tolist() == [0, 1, 3]
    normals = makehuman.vertex_normals(mesh.vertices, mesh.faces)
    np.testing.assert_allclose(normals, np.tile([0.0, 0.0, 1.0], (4, 1)))


def test_a_part_follows_the_body_and_its_scale(tmp_path: Path) -> None:
    path = tmp_path / "part.mhclo"
    path.write_text(_PART)
    body = np.array([[0.0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0]])
    fitted = makehuman.fit_part(path, body)
    # The second vertex's own offset grows with the width between vertices 0 and 1: 4 over 2.0.
    np.testing.assert_allclose(fitted, np.array([[4.0, 4.0, 0.0], [1.0 + 0.1 * 2, 1.0, 0.2]]))


@pytest.mark.parametrize(
    ("euler", "point", "goes"),
    [
        ((90, 0, 0), (0, 0, 1), (1, 0, 0)),  # the nose turns to the picture's right
        ((0, 90, 0), (0, 0, 1), (0, -1, 0)),  # down
        ((0, 0, 90), (0, 1, 0), (-1, 0, 0)),  # the crown tilts to the left: counter-clockwise
    ],
)
def test_angles_turn_the_head_the_way_that_is_told(
    euler: tuple[float, ...], point: tuple[float, ...], goes: tuple[float, ...]
) -> None:
    np.testing.assert_allclose(rotation(np.array(euler)) @ point, goes, atol=1e-12)


def test_an_avatar_is_written_with_its_backdrop_matte_and_hashes(tmp_path: Path) -> None:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[16:, 16:48] = (200, 40, 10, 255)
    record = write_avatar(
        tmp_path / "cube",
        rgba,
        backdrop=("203040", "203040"),
        name="Cube",
        description="A red cube.",
        style="drawn",
        origin="A test.",
        skin_origin="A test.",
    )
    assert record == Record(**json.loads((tmp_path / "cube" / "record.json").read_text()))
    assert record.id == "cube"
    matte = cv2.imread(str(tmp_path / "cube" / "matte.png"), cv2.IMREAD_UNCHANGED)
    assert matte is not None
    assert np.array_equal(matte, rgba[..., 3])
    portrait = cv2.imread(str(tmp_path / "cube" / "portrait.jpg"))
    assert portrait is not None
    np.testing.assert_allclose(portrait[4, 4], (0x40, 0x30, 0x20), atol=4)
    np.testing.assert_allclose(portrait[40, 32], (10, 40, 200), atol=8)
    contact_sheet([tmp_path / "cube"] * 3, tmp_path / "sheet.jpg", side=20, columns=2)
    sheet = cv2.imread(str(tmp_path / "sheet.jpg"))
    assert sheet is not None
    assert sheet.shape == (40, 40, 3)
    assert (sheet[30:, 30:] > 240).all()


def test_a_backdrop_goes_from_its_middle_to_its_rim() -> None:
    picture = gradient(100, "ffffff", "000000")
    assert picture[42, 50].mean() > 250
    assert picture[99, 0].mean() < 40
