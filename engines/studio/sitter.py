"""Who a talking head is and how it is shown: shape, colours, light and lens, in numbers.

The defaults are the person of the project's own test clip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Palette:
    """What the paint is mixed from; colours are sRGB 0…1."""

    skin: Colour = (0.80, 0.58, 0.47)
    lips: Colour = (0.70, 0.36, 0.34)
    lip_cover: float = 0.85
    """How much of the skin the colour of the lips hides, 0…1."""
    hair: Colour = (0.15, 0.10, 0.08)
    brow: float = 0.92
    """How dense the brows are, 0…1."""
    lashes: float = 1.0
    """How dark the edges of the lids are, 0…1."""
    stubble: float = 0.0
    """How much of a beard shows, 0…1."""
    blush: float = 1.0
    """Strength of what is redder or darker than the rest of the skin."""
    cloth: Colour = (0.20, 0.34, 0.44)
    iris: Colour = (0.27, 0.18, 0.12)
    white: Colour = (0.90, 0.87, 0.85)
    mouth: Colour = (0.45, 0.16, 0.15)
    tongue: Colour = (0.66, 0.33, 0.33)
    teeth: Colour = (0.86, 0.83, 0.76)
    gloss: float = 0.25
    """Of bare skin."""
    seed: int = 4
    """Of blotches, hairs and fibres."""


@dataclass(frozen=True, slots=True)
class Light:
    """One lamp far away."""

    direction: Colour
    """Towards it: x to the picture's right, y up, z to the viewer; of any length."""
    strength: Colour
    """Linear RGB."""


@dataclass(frozen=True, slots=True)
class Sitter:
    """A synthetic person before a camera."""

    origins: Mapping[str, float] = field(
        default_factory=lambda: {"caucasian": 0.5, "asian": 0.25, "african": 0.25}
    )
    sexes: Mapping[str, float] = field(default_factory=lambda: {"female": 0.35, "male": 0.65})
    age: float = 0.0
    """0 young … 1 old."""
    details: Mapping[str, float] = field(
        default_factory=lambda: {"eyes/*-eye-scale-incr": 0.5, "head/head-oval": 0.4}
    )
    """Weights of MakeHuman's targets."""
    palette: Palette = field(default_factory=Palette)
    skin: Path | None = None
    """A MakeHuman skin texture, tinted by the palette's skin; `None`: painted."""
    teeth: Path | None = None
    """A MakeHuman `.mhclo` of teeth with `.obj` and `.png` beside it; `None`: the mesh's own."""
    hairline: float = 0.0
    """How much higher the hair begins than usual, cm; over 20: bald."""
    lights: tuple[Light, ...] = (
        Light((-0.5, 0.55, 0.75), (0.95, 0.90, 0.84)),
        Light((0.8, 0.15, 0.6), (0.22, 0.25, 0.30)),
        Light((0.0, -0.3, 0.9), (0.14, 0.13, 0.12)),
    )
    ambient: Colour = (0.27, 0.28, 0.30)
    lens: Colour = (0.0, -1.5, 92.0)
    """Where the camera is, cm."""
    field_of_view: float = math.radians(24.0)
    wall: Colour = (0.16, 0.18, 0.19)
    """Linear RGB behind the sitter, out of the light that falls on it."""
    glow: Colour = (0.22, 0.22, 0.20)
    """Linear RGB that the light adds to the wall."""
