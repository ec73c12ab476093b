"""Hair as strands: a head's surface goes in, curves from root to tip come out.

Roots are drawn at random from the scalp's triangles; each strand then grows step by step along the
direction of its style, kept outside the body by the nearest points of its surface, and strands of
one clump lean on a common one. All lengths in cm; the frame is that of `makehuman`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from engines.studio.makehuman import Points, Triangles, vertex_normals

_AZIMUTHS = (0, 20, 38, 52, 64, 74, 84, 96, 112, 126, 145, 180)
_SHORT_LINE = (10.9, 10.9, 10.6, 9.4, 7.2, 4.4, 4.6, 5.6, 4.8, 1.0, -2.6, -3.4)
_FULL_LINE = (11.1, 11.1, 10.6, 9.0, 6.2, 2.4, 3.4, 3.6, 0.6, -3.0, -4.3, -4.6)
_LONG_LINE = (11.1, 11.1, 10.6, 9.0, 6.4, 2.8, 4.0, 5.6, 4.8, 1.0, -2.6, -3.4)


@dataclass(frozen=True, slots=True)
class Hairdo:
    """What to grow on a head."""

    style: str
    """`short`, `curly`, `afro`, `long` or `bob`."""
    count: int
    radius: float
    """Of a strand at its root, cm."""
    melanin: float
    """0 white … 1 black."""
    redness: float
    part: float = 0.0
    """Where the hair parts: cm towards the subject's left of the middle."""
    hairline: float = 0.0
    """How much higher the hairline over the forehead is than usual, cm."""
    length: float = 1.0
    """A factor on the style's own length."""
    fringe: bool = False
    grey: float = 0.0
    """The share of strands without colour."""


@dataclass(frozen=True, slots=True)
class Strands:
    """`(n, k, 3)` points from root to tip and the radius at the root."""

    points: Points
    radius: float


@dataclass(frozen=True, slots=True)
class Surface:
    """The body that hair grows on and lies against."""

    vertices: Points
    faces: Triangles
    normals: Points

    @classmethod
    def of(cls, vertices: Points, faces: Triangles) -> Surface:
        """With its normals."""
        return cls(vertices, faces, vertex_normals(vertices, faces))

    def sampled(self, rng: np.random.Generator) -> tuple[Any, Points, Points]:
        """A tree over points on the surface, the points, and their normals."""
        near = self.faces[self.vertices[self.faces][..., 1].min(axis=1) > -40.0]
        shares = rng.dirichlet((1, 1, 1), (len(near), 4))
        points = np.einsum("fkj,fjc->fkc", shares, self.vertices[near]).reshape(-1, 3)
        normals = _unit(np.einsum("fkj,fjc->fkc", shares, self.normals[near]).reshape(-1, 3))
        used = np.unique(near)
        points = np.concatenate([points, self.vertices[used]])
        return cKDTree(points), points, np.concatenate([normals, self.normals[used]])


def above_hairline(points: Points, hairdo: Hairdo) -> NDArray[np.float64]:
    """`(n,)` cm above the hairline; negative: no hair grows there."""
    x, y, z = points.T
    azimuth = np.degrees(np.arctan2(np.abs(x), z))
    line = {"long": _LONG_LINE, "bob": _LONG_LINE, "afro": _FULL_LINE}.get(
        hairdo.style, _SHORT_LINE
    )
    height = np.interp(azimuth, _AZIMUTHS, line)
    height += hairdo.hairline * np.clip((75.0 - azimuth) / 60.0, 0.0, 1.0)
    height += 0.25 * np.sin(5.3 * x) + 0.18 * np.sin(11.0 * x + 7.0 * z)
    above: NDArray[np.float64] = y - height
    above[(np.abs(x) > 7.25) & (y < 5.5) & (z > -3.5)] = -1.0  # the ears
    above[y < -5.0] = -2.0
    return above


def grow(surface: Surface, hairdo: Hairdo, seed: int = 5) -> list[Strands]:
    """The whole head of hair; the same for the same seed."""
    rng = np.random.default_rng(seed)
    roots, normals = _roots(surface, hairdo, rng)
    flow = {"short": _short, "curly": _curly, "afro": _curly, "long": _falling, "bob": _falling}[
        hairdo.style
    ]
    hair = [_grown(surface, roots, normals, flow(roots, normals, hairdo, rng), rng)]
    if hairdo.fringe:
        front = (roots[:, 2] > 1.2) & (np.abs(roots[:, 0]) < 6.2) & (roots[:, 1] > 7.0)
        ways = _fringe(roots[front], normals[front], hairdo, rng)
        hair.append(_grown(surface, roots[front], normals[front], ways, rng))
    return [Strands(points, hairdo.radius) for points in hair]


def brows(surface: Surface, eyes: Points, *, lift: float, thick: float, seed: int) -> Strands:
    """Both eyebrows: short hairs, upright at the inner end, flat at the outer one."""
    rng = np.random.default_rng(seed)
    tree, points, normals = surface.sampled(rng)
    front = points[:, 2] > 4.0
    tree, points, normals = cKDTree(points[front][:, :2]), points[front], normals[front]
    hairs = []
    for eye, outwards in zip(eyes, (-1.0, 1.0), strict=True):
        t = np.sort(rng.random(720) ** 1.1)
        half = thick * (0.38 * np.clip(1.05 - t, 0, 1) ** 0.6 * np.clip(t * 3.5 + 0.3, 0, 1) + 0.10)
        across = rng.uniform(-1, 1, t.size)
        x = eye[0] + outwards * (-1.70 + 3.75 * t)
        y = eye[1] + 1.75 + lift + 0.45 * np.sin(np.pi * np.clip(t, 0, 1) ** 1.3) - 0.25 * t
        x, y = x - outwards * 0.10 * across, y + across * half
        lean = np.radians(np.where(t < 0.25, 62 - 120 * t, 30 - 62 * (t - 0.25)) - 22 * across)
        length = rng.uniform(0.35, 0.62, t.size) * (1.0 - 0.25 * t)
        steps = np.linspace(0.0, 1.0, 6)
        px = x[:, None] + outwards * np.cos(lean)[:, None] * length[:, None] * steps
        bend = lean[:, None] - 0.5 * steps
        py = y[:, None] + np.sin(bend) * length[:, None] * steps
        near = tree.query(np.stack([px, py], -1), k=4)[1]
        z = points[near][..., 2].mean(-1)
        out = normals[near].mean(-2)
        hair = (
            np.stack([px, py, z], -1) + out * (0.015 + 0.10 * steps * (1 - 0.55 * steps))[:, None]
        )
        hairs.append(hair)
    return Strands(np.concatenate(hairs), 0.008)


@dataclass(frozen=True, slots=True)
class _Ways:
    """How strands of one style grow; callables take the step's fraction of the whole, 0…1."""

    steps: int
    lengths: Points
    """`(n, 1)`."""
    direction: Callable[[Points, float, Points], Points]
    """Tips, fraction and the normals of the surface below: where to go next."""
    gap: Callable[[float], Points]
    """`(n, 1)` least distance from the body."""
    inertia: float
    clump: float
    per_clump: int
    rough: float
    is_bad: Callable[[Points], NDArray[np.bool_]]
    """`(n, k, 3)` → `(n,)`: strands to drop, such as those across the face."""
    hold: Callable[[Points], Points] | None = None
    """Keeps tips within the style's silhouette."""
    lies_flat: bool = False


def _unit(vectors: Points) -> Points:
    unit: Points = vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)
    return unit


def _roots(surface: Surface, hairdo: Hairdo, rng: np.random.Generator) -> tuple[Points, Points]:
    vertices, faces = surface.vertices, surface.faces
    grows = above_hairline(vertices, hairdo)
    chosen = faces[(grows[faces].min(axis=1) > -0.3) & (vertices[faces][..., 1].min(axis=1) > -5)]
    a, b, c = (vertices[chosen[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    # The parting shows the scalp: it gets more hair.
    middle = (a + b + c) / 3
    area *= 1.0 + 1.2 * np.exp(-(((middle[:, 0] - hairdo.part) / 1.4) ** 2)) * (middle[:, 1] > 8)
    picked = rng.choice(len(chosen), hairdo.count, p=area / area.sum())
    u = rng.random((hairdo.count, 2))
    u[u.sum(axis=1) > 1] = 1 - u[u.sum(axis=1) > 1]
    shares = np.c_[1 - u.sum(axis=1), u][..., None]
    points = (vertices[chosen[picked]] * shares).sum(axis=1)
    normals = _unit((surface.normals[chosen[picked]] * shares).sum(axis=1))
    keep = above_hairline(points, hairdo) > rng.random(hairdo.count) * 0.9 - 0.15
    return points[keep], normals[keep]


def _grown(
    surface: Surface, roots: Points, normals: Points, ways: _Ways, rng: np.random.Generator
) -> Points:
    tree, points, outwards = surface.sampled(rng)
    tips, heading = roots.copy(), normals.copy()
    step = ways.lengths / ways.steps
    path = [roots - 0.15 * normals]
    for k in range(ways.steps):
        t = k / ways.steps
        below = outwards[tree.query(tips)[1]]
        wanted = _unit(ways.direction(tips, t, below))
        heading = _unit(ways.inertia * heading + (1 - ways.inertia) * wanted)
        tips = tips + heading * step
        distance, nearest = tree.query(tips)
        height = ((tips - points[nearest]) * outwards[nearest]).sum(axis=1, keepdims=True)
        sunk = (distance[:, None] < 3.5) & (height < ways.gap(t))
        tips = tips + np.where(sunk, ways.gap(t) - height, 0.0) * outwards[nearest]
        if ways.lies_flat:  # above the ears: no strand stands off its neighbours
            over = np.maximum(height - ways.gap(t) - 0.55, 0.0)
            tips = tips - np.clip((tips[:, 1:2] - 4.0) / 3.0, 0, 1) * 0.5 * over * outwards[nearest]
        if ways.hold is not None:
            tips = ways.hold(tips)
        path.append(tips.copy())
    strands = np.stack(path, axis=1)
    keep = ~ways.is_bad(strands)
    return _clumped(strands[keep], roots[keep], ways, rng)


def _clumped(strands: Points, roots: Points, ways: _Ways, rng: np.random.Generator) -> Points:
    count, length = strands.shape[:2]
    leaders = rng.choice(count, max(8, count // ways.per_clump), replace=False)
    own = cKDTree(roots[leaders]).query(roots + rng.normal(size=roots.shape) * 0.12)[1]
    led = strands[leaders[own]]
    apart = np.linalg.norm(led[:, -1] - strands[:, -1], axis=1) > 3.0
    led = np.where(apart[:, None, None], strands, led)
    t = np.linspace(0.0, 1.0, length)[None, :, None]
    strands = strands + (led - strands) * ways.clump * t**1.1
    waver = np.cumsum(rng.normal(size=strands.shape) * 0.012, axis=1)
    return strands + ways.rough * waver


def _crosses_face(strands: Points) -> NDArray[np.bool_]:
    x, y, z = np.abs(strands[..., 0]), strands[..., 1], strands[..., 2]
    face = (x < 6.3) & (y < 8.0) & (y > -10.0) & (z > 4.0)
    throat = (x < 5.2) & (y < -7.0) & (z > 0.5)
    return np.asarray((face | throat).any(axis=1))


def _falling(roots: Points, normals: Points, hairdo: Hairdo, rng: np.random.Generator) -> _Ways:
    """Long hair or a bob: combed off the parting, then falling."""
    count = len(roots)
    chance, jitter = rng.random((count, 1)), rng.normal(size=(count, 3))
    x, z = roots[:, :1], roots[:, 2:]
    long = hairdo.style == "long"
    side = np.sign(x - hairdo.part + 0.35 * jitter[:, :1])
    front = np.clip((z - 1.0) / 4.0, 0.0, 1.0)
    behind = np.concatenate([0.6 * side, -0.5 + 0 * z, -0.55 + 0 * z], axis=1) + 0.05 * jitter
    across = np.concatenate([side, -0.12 + 0 * z, -0.35 + 0 * z], axis=1) + 0.05 * jitter
    lengths = hairdo.length * (34.0 if long else 21.0) * (0.9 + 0.2 * chance)
    lengths *= 1.0 - 0.22 * front * chance if long else 1.0
    at_parting = np.clip(np.abs(x - hairdo.part) / 3.0, 0.25, 1.0)
    crown = 0.45 * np.clip((roots[:, 1:2] - 8.0) / 4.0, 0.0, 1.0)  # volume
    down = np.array([0.0, -1.0, 0.0])
    phase = 0.5 * x + 0.45 * z

    def direction(tips: Points, t: float, _below: Points) -> Points:
        # Over the forehead hair goes sideways until it is past the temple.
        past = np.maximum((np.abs(tips[:, :1]) - 5.6) / 1.2, (3.0 - tips[:, 2:]) / 2.0)
        fall = np.clip(5.0 * t - 0.15, 0.0, 1.0) * np.clip(past, 0.0, 1.0)
        comb = np.where(past < 1.0, across, behind)
        way = _unit(
            comb * (1 - fall) + down * (fall + 0.05) + 0.5 * np.exp(-16 * t) * at_parting * normals
        )
        if not long:  # the tips of a bob turn in
            inwards = _unit(np.c_[-tips[:, 0], 0 * tips[:, 0], 0.4 - 0.1 * tips[:, 2]])
            way = way + np.clip((t - 0.7) / 0.3, 0, 1) * 0.54 * inwards
        wave = (0.08 + (0.40 * t if long else 0.0)) * np.sin(11.0 * t + phase)
        return way + wave * _unit(np.cross(way, normals))

    def gap(t: float) -> Points:
        return 0.15 + min(1.0, 9.0 * t) * (0.5 + crown) * chance * (0.5 + 0.5 * at_parting)

    def hold(tips: Points) -> Points:
        # Beside the head hair hangs straight down instead of following the ears and the jaw out.
        radius = np.hypot(tips[:, :1], tips[:, 2:])
        limit = 7.9 + 0.8 * chance
        much = np.clip((11.0 - tips[:, 1:2]) / 7.0, 0.0, 1.0) * (tips[:, 1:2] > -14)
        over = np.maximum(radius - limit, 0.0)
        shrink = 1.0 - 0.45 * much * over / radius
        held: Points = tips * np.concatenate([shrink, np.ones_like(shrink), shrink], axis=1)
        return held

    return _Ways(
        26 if long else 20, lengths, direction, gap, 0.45, 0.6 if long else 0.55, 18, 1.0,
        _crosses_face, hold, True,
    )  # fmt: skip


def _fringe(roots: Points, _normals: Points, _hairdo: Hairdo, rng: np.random.Generator) -> _Ways:
    """Hair that falls over the forehead to just above the brows."""
    chance, jitter = rng.random((len(roots), 1)), rng.normal(size=(len(roots), 3))
    x, y = roots[:, :1], roots[:, 1:2]
    lengths = np.maximum(1.2, 1.1 * (y - 6.5)) * (0.9 + 0.18 * chance)
    spread = 0.10 * np.sign(x) * np.clip(np.abs(x) / 6.0, 0.0, 1.0)
    comb = np.concatenate([spread, -1.0 + 0 * x, 0.35 + 0 * x], axis=1) + 0.05 * jitter

    def direction(_tips: Points, t: float, below: Points) -> Points:
        way: Points = comb + 0.5 * np.exp(-7 * t) * below
        return way

    def too_low(strands: Points) -> NDArray[np.bool_]:
        return np.asarray((strands[..., 1] < 5.9).any(axis=1))

    def gap(t: float) -> Points:
        return 0.22 + 0.5 * min(1.0, 5.0 * t) * chance

    return _Ways(10, lengths, direction, gap, 0.45, 0.5, 18, 1.0, too_low)


def _short(roots: Points, normals: Points, hairdo: Hairdo, rng: np.random.Generator) -> _Ways:
    """Short at the sides, longer on top and swept to the side."""
    count = len(roots)
    chance, jitter = rng.random((count, 1)), rng.normal(size=(count, 3))
    y, z = roots[:, 1:2], roots[:, 2:]
    top, front = np.clip((y - 7.0) / 5.0, 0, 1), np.clip((z + 1.0) / 6.0, 0, 1)
    lengths = hairdo.length * (1.2 + 3.4 * top * (0.45 + 0.55 * front)) * (0.75 + 0.5 * chance)
    sweep = -np.sign(hairdo.part) if hairdo.part else 0.0
    comb = np.concatenate([0.9 * sweep * top, -(1 - top), -0.25 * top - 0.6 * (1 - top)], axis=1)
    comb = comb + 0.10 * jitter

    def direction(_tips: Points, t: float, below: Points) -> Points:
        along = _unit(comb - below * (comb * below).sum(axis=1, keepdims=True))
        rise = np.exp(-5 * t) * (0.25 + top * (0.55 + 0.5 * front))
        way: Points = along + rise * normals - 0.25 * t * below
        return way

    def gap(_t: float) -> Points:
        return 0.08 + 0.5 * chance * top

    return _Ways(12, lengths, direction, gap, 0.45, 0.6, 18, 1.5, _crosses_face)


def _curly(roots: Points, normals: Points, hairdo: Hairdo, rng: np.random.Generator) -> _Ways:
    """Coils that stand off the head."""
    count = len(roots)
    chance, jitter = rng.random((count, 1)), rng.normal(size=(count, 3))
    start = rng.random((count, 1)) * 2 * np.pi
    top = np.clip((roots[:, 1:2] - 7.0) / 5.0, 0, 1)
    lengths = hairdo.length * (2.2 + 1.3 * top) * (0.6 + 0.8 * chance)
    droop = 0.0
    if hairdo.style == "afro":
        droop = 0.8
        lengths = hairdo.length * 3.2 * (0.85 + 0.3 * chance)
    across = _unit(np.cross(normals, np.array([0.01, 1.01, 0.01])))
    other = np.cross(normals, across)

    def direction(_tips: Points, t: float, _below: Points) -> Points:
        angle = start + 13.0 * t
        coil = np.cos(angle) * across + np.sin(angle) * other
        return 0.55 * normals + coil + 0.1 * jitter - [0.0, droop * t, 0.0]

    def gap(_t: float) -> Points:
        return np.full((count, 1), 0.08)

    return _Ways(14, lengths, direction, gap, 0.0, 0.5, 10, 1.5, _crosses_face)
