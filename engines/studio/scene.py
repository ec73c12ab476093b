"""Renders a person with Blender's Cycles: a description goes in, an RGBA picture comes out.

Blender (GPL) is a tool here, run at the desk and never in the server; its pictures are ours.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bpy
import cv2
import mathutils
import numpy as np
from numpy.typing import NDArray

from engines.studio import clothes, eyes, hair, materials
from engines.studio import makehuman as mh
from engines.studio.hair import Strands, Surface
from engines.studio.people import Person

_CAMERA_HEIGHT = 3.2
_CAMERA_DISTANCE = 130.0
_CAMERA_HALF = 22.6  # cm seen above and below the axis at the origin


def render(person: Person, assets: Path, *, size: int, samples: int) -> NDArray[np.uint8]:
    """`(size, size, 4)` RGBA, straight alpha, of a person before nothing."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with tempfile.TemporaryDirectory() as folder:
        _build(person, assets, Path(folder))
        _light(person)
        return _shoot(Path(folder) / "picture.png", size, samples)


def _build(person: Person, assets: Path, folder: Path) -> None:
    mesh = mh.base()
    shape = mh.person(person.origins, person.sexes, person.age, person.details)
    for name, weight in person.mood.items():
        shape += weight * mh.face_units()[name] / 10.0
    body = mh.placed(shape)
    kept = (mesh.groups == "body") & (body[mesh.faces][..., 1].min(axis=1) > -46.0)
    kept &= np.abs(body[mesh.faces][..., 0]).max(axis=1) < 30.0
    body = clothes.relaxed(body)
    if person.hairdo is None or person.hairdo.style in ("long", "bob", "afro"):
        body = _ears_flat(body)
    surface = Surface.of(body, mesh.faces[kept])
    uv = mesh.uv[mesh.face_uv[kept]]
    _add_skin(person, surface, uv, assets)
    for garment in clothes.dressed(surface, person.look):
        cloth = materials.cloth(garment.colour, garment.edge, knitted=garment.knitted)
        _mesh(garment.vertices, garment.faces, cloth, smooth=2)
    centres = np.array([body[mesh.members(f"helper-{side}-eye")].mean(axis=0) for side in "rl"])
    radius = float(np.ptp(body[mesh.members("helper-l-eye")][:, 0])) / 2
    _add_eyes(person, centres, radius, folder)
    if person.hairdo is None:
        _add_ear_discs()
        return
    _add_lashes(person, shape, assets)
    look, hairdo = person.look, person.hairdo
    brows = hair.brows(surface, centres, lift=look.brow_lift, thick=look.brow_thick, seed=7)
    _add_hair(brows, 0.95 * hairdo.melanin, 0.4 * hairdo.redness, look.brow_grey)
    for strands in hair.grow(surface, hairdo):
        _add_hair(strands, hairdo.melanin, hairdo.redness, hairdo.grey)


def _ears_flat(body: mh.Points) -> mh.Points:
    """Ears that hair or discs cover would push them out."""
    x, y, z = body.T
    ear = (np.abs(x) > 6.9) & (y > -5.0) & (y < 6.5) & (np.abs(z) < 6.0)
    flat = body.copy()
    flat[ear, 0] = np.sign(x[ear]) * (6.9 + 0.25 * (np.abs(x[ear]) - 6.9))
    return flat


def _upright(points: mh.Points) -> mh.Points:
    """Into Blender's axes: y away from the viewer, z up."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1)


def _mesh(
    vertices: mh.Points,
    faces: NDArray[np.int64],
    material: Any,
    *,
    uv: mh.Points | None = None,
    smooth: int = 0,
    marks: Mapping[str, NDArray[np.float64]] | None = None,
) -> None:
    """Adds a mesh; `uv` is per corner `(f, k, 2)`, `marks` are numbers per vertex."""
    used, numbers = np.unique(faces, return_inverse=True)
    data = bpy.data.meshes.new("part")
    data.from_pydata(_upright(vertices[used]).tolist(), [], numbers.reshape(faces.shape).tolist())
    if uv is not None:
        data.uv_layers.new().data.foreach_set("uv", uv.reshape(-1).astype(np.float32))
    for name, values in (marks or {}).items():
        stored = data.attributes.new(name, "FLOAT", "POINT").data
        stored.foreach_set("value", values[used].astype(np.float32))
    data.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    data.materials.append(material)
    part = bpy.data.objects.new("part", data)
    bpy.context.scene.collection.objects.link(part)
    if smooth:
        subdivide = part.modifiers.new("smooth", "SUBSURF")
        subdivide.render_levels = smooth
        subdivide.uv_smooth = "PRESERVE_BOUNDARIES"


def _add_skin(person: Person, surface: Surface, uv: mh.Points, assets: Path) -> None:
    vertices = surface.vertices
    if person.hairdo is None:
        shell = materials.shell(person.look)
        _mesh(vertices, surface.faces, shell, smooth=2, marks={"lip": 0.75 * mh.mask("lips")})
        return
    hairdo = person.hairdo
    scalp = np.clip(hair.above_hairline(vertices, hairdo) / 1.1 + 0.3, 0.0, 1.0)
    dark = (1 - hairdo.melanin) ** 1.4
    colour = (0.35 * dark + 0.006, 0.2 * dark + 0.006, 0.1 * dark + 0.006)
    if hairdo.grey:
        colour = (0.30, 0.26, 0.23)
    skin = materials.skin(person.look, assets, colour)
    _mesh(
        vertices,
        surface.faces,
        skin,
        uv=uv,
        smooth=2,
        marks={"scalp": 0.9 * scalp, "lip": mh.mask("lips"), "lid": mh.mask("eyelids")},
    )


def _add_eyes(person: Person, centres: mh.Points, radius: float, folder: Path) -> None:
    iris = folder / "iris.png"
    eyes.paint_iris(iris, person.look.iris)
    white, clear = materials.eyeball(iris), materials.cornea()
    for centre in centres:
        vertices, quads, uv = eyes.ball(radius)
        _mesh(vertices + centre, quads, white, uv=uv[quads])
        vertices, quads = eyes.cornea(radius)
        _mesh(vertices + centre, quads, clear)


def _add_lashes(person: Person, shape: mh.Points, assets: Path) -> None:
    name = person.look.lash
    cards = mh.read_obj(assets / f"{name}.obj")
    fitted = mh.placed(shape, mh.fit_part(assets / f"{name}.mhclo", shape))
    material = materials.lashes(assets / f"{name}.png")
    _mesh(fitted, cards.faces, material, uv=cards.uv[cards.face_uv], smooth=1)


def _add_hair(strands: Strands, melanin: float, redness: float, grey: float) -> None:
    """Adds strands; the share `grey` of them is silver."""
    silver = np.random.default_rng(9).random(len(strands.points)) < grey
    for chosen, is_silver in ((~silver, False), (silver, True)):
        if chosen.any():
            material = materials.silver_hair() if is_silver else materials.hair(melanin, redness)
            _add_curves(strands.points[chosen], strands.radius, material)


def _add_curves(points: mh.Points, radius: float, material: Any) -> None:
    count, length = points.shape[:2]
    data = bpy.data.hair_curves.new("hair")
    data.add_curves([length] * count)
    place = _upright(points).astype(np.float32).ravel()
    data.attributes["position"].data.foreach_set("vector", place)
    taper = radius * (1 - 0.75 * np.linspace(0.0, 1.0, length) ** 2)
    thick = data.attributes.get("radius") or data.attributes.new("radius", "FLOAT", "POINT")
    thick.data.foreach_set("value", np.tile(taper, count).astype(np.float32))
    data.materials.append(material)
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("hair", data))


def _add_ear_discs() -> None:
    """An android's ears."""
    for side in (-1.0, 1.0):
        for radius, depth, colour, glow in (
            (3.3, 2.6, (0.75, 0.77, 0.80), 0.0),
            (2.5, 3.0, (0.05, 0.10, 0.19), 0.0),
            (1.7, 3.5, (0.10, 0.70, 1.00), 3.0),
        ):
            bpy.ops.mesh.primitive_cylinder_add(
                radius=radius, depth=depth, vertices=96, location=(7.9 * side, 0.2, 2.3),
                rotation=(0.0, math.pi / 2, 0.0),
            )  # fmt: skip
            disc = bpy.context.object
            disc.data.materials.append(materials.plain(colour, glow=glow))
            bevel = disc.modifiers.new("bevel", "BEVEL")
            bevel.width, bevel.segments = 0.25, 4


def _area(place: Sequence[float], size: float, power: float, colour: Sequence[float]) -> None:
    lamp = bpy.data.lights.new("lamp", "AREA")
    lamp.size, lamp.energy, lamp.color = size, power, colour
    stand = bpy.data.objects.new("lamp", lamp)
    stand.location = place
    aim = mathutils.Vector((0.0, -3.0, 2.0)) - stand.location
    stand.rotation_euler = aim.to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(stand)


def _light(person: Person) -> None:
    """Warm key from the upper left, cool fill, two rims, a little from below, a grey sky."""
    key, rims = person.key, person.key * person.rims
    _area((-46, -70, 42), 38, 62_000 * key, (1.0, 0.95, 0.89))
    _area((60, -60, 6), 55, 22_000 * key, (0.86, 0.92, 1.0))
    _area((44, 48, 36), 26, 60_000 * rims, (1.0, 0.93, 0.85))
    _area((-50, 46, 26), 26, 42_000 * rims, (0.85, 0.92, 1.0))
    _area((0, -60, -30), 40, 7_000 * key, (1.0, 0.93, 0.90))
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    sky = world.node_tree.nodes["Background"]
    sky.inputs[0].default_value = (0.5, 0.52, 0.55, 1.0)
    sky.inputs[1].default_value = 0.35
    bpy.context.scene.world = world


def _shoot(path: Path, size: int, samples: int) -> NDArray[np.uint8]:
    scene = bpy.context.scene
    lens = bpy.data.cameras.new("camera")
    lens.angle = 2 * math.atan(_CAMERA_HALF / _CAMERA_DISTANCE)
    lens.clip_end = 1000.0
    camera = bpy.data.objects.new("camera", lens)
    camera.location = (0.0, -_CAMERA_DISTANCE, _CAMERA_HEIGHT)
    camera.rotation_euler = (math.pi / 2, 0.0, 0.0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    settings, cycles = scene.render, scene.cycles
    settings.engine, cycles.device, cycles.seed = "CYCLES", "CPU", 0
    cycles.samples, cycles.use_adaptive_sampling, cycles.adaptive_threshold = samples, True, 0.03
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.max_bounces, cycles.transparent_max_bounces = 8, 16
    settings.film_transparent = True
    settings.resolution_x = settings.resolution_y = size
    settings.image_settings.color_mode = "RGBA"
    settings.filepath = str(path)
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    bpy.ops.render.render(write_still=True)
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA).astype(np.uint8)
