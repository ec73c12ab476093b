"""Clothes: a body's surface goes in, garments with soft-cut edges come out.

A garment is the body itself pushed outwards and cut by a formula that the renderer evaluates at
every point, so that edges are smooth on a coarse mesh. Collars are lofted around the neck.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.studio.hair import Surface
from engines.studio.makehuman import Points, Triangles
from engines.studio.people import Colour, Look

_AROUND = 160
_GREY: Colour = (0.45, 0.48, 0.52)
_TURNS = (np.arange(_AROUND) + 0.5) / _AROUND * 2 * np.pi
"""From the front to the subject's left; none lies on the mesh's own seam."""
_AXIS = 0.3  # z of the neck's axis, cm


@dataclass(frozen=True, slots=True)
class Edge:
    """A garment's end: it is kept where `low + across · |x| - y - tilt · z` is in 0…`width`."""

    low: float
    across: float = 0.0
    tilt: float = 0.0
    width: float = 999.0


@dataclass(frozen=True, slots=True)
class Garment:
    """A mesh with a colour; `edge`: `None` where all of it is kept."""

    vertices: Points
    faces: NDArray[np.int64]
    """Triangles or quads."""
    colour: Colour
    edge: Edge | None = None
    knitted: bool = False


def dressed(surface: Surface, look: Look) -> list[Garment]:
    """All garments of one look, from the skin outwards."""
    first, second = look.cloth, look.second_cloth
    if look.clothes == "turtleneck":
        return [
            _layer(surface, 0.45, _around_neck(-10.6, 0.28), first, knitted=True),
            _tube(surface, first, bottom=-12.4, top=-8.3, away=0.42),
        ]
    if look.clothes == "blazer":
        return [
            _layer(surface, 0.3, _around_neck(-10.9, 0.42), second),
            _collar(surface, second),
            _layer(surface, 0.75, Edge(-19.5, 1.25, 0.12), first),
            _layer(surface, 1.02, Edge(-19.5, 1.25, 0.12, 5.3), first),
        ]
    if look.clothes == "suit":
        return [
            _layer(surface, 0.4, _around_neck(-11.8, 0.28), first),
            _tube(surface, _GREY, bottom=-12.2, top=-10.2, away=0.5, knitted=False),
            _layer(surface, 0.62, Edge(-14.6, 0.55, 0.12), _brighter(first)),
        ]
    return [
        _layer(surface, 0.45, _around_neck(-11.9, 0.42), first, knitted=True),
        _tube(surface, first, bottom=-12.1, top=-11.0, away=0.42, tilt=0.42),
    ]


def relaxed(vertices: Points) -> Points:
    """The body with its shoulders let down from the pose the mesh is modelled in."""
    x, y = np.abs(vertices[:, 0]), vertices[:, 1]
    beyond = np.clip(x - 7.5, 0.0, None) * np.clip((-8.0 - y) / 4.0, 0.0, 1.0)
    lowered = vertices.copy()
    lowered[:, 1] -= 0.20 * beyond
    lowered[:, 0] -= np.sign(vertices[:, 0]) * 0.05 * beyond
    return lowered


def _around_neck(height: float, tilt: float) -> Edge:
    """Along the plane of `_neck_ring`."""
    return Edge(height + tilt * _AXIS, 0.0, tilt)


def _brighter(colour: Colour) -> Colour:
    red, green, blue = colour
    return 2.2 * red, 2.2 * green, 2.2 * blue


def _layer(
    surface: Surface, away: float, edge: Edge, colour: Colour, *, knitted: bool = False
) -> Garment:
    low = surface.faces[surface.vertices[surface.faces][..., 1].max(axis=1) < -5.0]
    return Garment(surface.vertices + away * surface.normals, low, colour, edge, knitted)


def _neck_ring(surface: Surface, height: float, tilt: float) -> Points:
    """`(_AROUND, 3)` where rays from the neck's axis meet the body; the front lower by `tilt`."""
    rays = np.stack([np.sin(_TURNS), 0 * _TURNS, np.cos(_TURNS)], axis=1)
    rays[:, 1] = -tilt * rays[:, 2]
    origin = np.array([0.0, height, _AXIS])
    radii = _cast(surface.vertices, surface.faces, origin, rays)
    # The ring is smoothed around, so that it bridges tendons and the throat as cloth does.
    wide = np.concatenate([radii[-12:], radii, radii[:12]])
    kernel = np.hanning(15) / np.hanning(15).sum()
    smooth = np.convolve(wide, kernel, mode="same")[12:-12]
    ring: Points = origin + rays * np.maximum(smooth, radii - 0.1)[:, None]
    return ring


def _cast(vertices: Points, faces: Triangles, origin: Points, rays: Points) -> NDArray[np.float64]:
    """Distances along rays to the first triangle met (Möller and Trumbore, 1997)."""
    centre = vertices[faces].mean(axis=1) - origin
    a, b, c = (vertices[faces[np.linalg.norm(centre, axis=1) < 16.0]][:, k] for k in range(3))
    edge_1, edge_2 = b - a, c - a
    from_a = origin - a
    q = np.cross(from_a, edge_1)
    radii = np.empty(len(rays))
    for number, ray in enumerate(rays):
        p = np.cross(ray, edge_2)
        scale = (edge_1 * p).sum(axis=1)
        scale[np.abs(scale) < 1e-9] = 1e-9
        u = (from_a * p).sum(axis=1) / scale
        v = (q @ ray) / scale
        distance = (edge_2 * q).sum(axis=1) / scale
        met = (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0.5)
        radii[number] = distance[met].min() if met.any() else 6.0
    return radii


def _loft(rings: list[Points]) -> NDArray[np.int64]:
    number = np.arange(len(rings) * _AROUND).reshape(len(rings), _AROUND)
    here, above = number[:-1], number[1:]
    quads = np.stack([here, np.roll(here, -1, 1), np.roll(above, -1, 1), above], axis=-1)
    return quads.reshape(-1, 4)


def _outwards(ring: Points) -> Points:
    flat = ring - [0.0, 0.0, _AXIS]
    flat[:, 1] = 0.0
    unit: Points = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return unit


def _tube(
    surface: Surface,
    colour: Colour,
    *,
    bottom: float,
    top: float,
    away: float,
    tilt: float = 0.28,
    knitted: bool = True,
) -> Garment:
    """A roll around the neck: up outside it and folded over."""
    heights = np.linspace(bottom, top, 9)
    inner = [_neck_ring(surface, h, tilt) for h in heights]
    outwards = [_outwards(ring) for ring in inner]
    swell = np.sin(np.linspace(0.15, 1.0, 9) * np.pi) * 0.22
    outer = [
        ring + (away + 0.32 + bulge) * out
        for ring, out, bulge in zip(inner, outwards, swell, strict=True)
    ]
    rim = inner[-1] + (away * 0.75 + 0.1) * outwards[-1] + [0.0, 0.22, 0.0]
    inside = [ring + 0.12 * out for ring, out in zip(inner[::-1], outwards[::-1], strict=True)]
    rings = [*outer, rim, *inside]
    vertices = np.concatenate(rings)
    return Garment(vertices, _loft(rings), colour, knitted=knitted)


def _collar(surface: Surface, colour: Colour) -> Garment:
    """A shirt's collar: up the neck, over, and down outside, open at the front."""
    low, high = _neck_ring(surface, -11.4, 0.42), _neck_ring(surface, -9.0, 0.42)
    out_low, out_high = _outwards(low), _outwards(high)
    front = np.clip(np.cos(_TURNS), 0.0, 1.0)[:, None] ** 6
    rings = [
        low + 0.30 * out_low,
        high + 0.30 * out_high,
        high + 0.45 * out_high + [0.0, 0.15, 0.0],
        high + 0.62 * out_high,
        low + (0.75 + 0.15 * front) * out_low - [0.0, 0.4, 0.0] - front * [0.0, 1.3, 0.0],
    ]
    quads = _loft(rings)
    open_front = np.isin(quads % _AROUND, [_AROUND - 2, _AROUND - 1, 0, 1]).all(axis=1)
    return Garment(np.concatenate(rings), quads[~open_front], colour)
