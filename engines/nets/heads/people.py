"""Random sitters: a seed goes in, a person with a camera and lights before them comes out."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from engines.studio.sitter import Colour, Light, Palette, Sitter

_SKINS = ((0.93, 0.76, 0.66), (0.86, 0.66, 0.54), (0.78, 0.56, 0.42), (0.62, 0.42, 0.30),
          (0.45, 0.30, 0.22), (0.33, 0.22, 0.17))  # fmt: skip
_HAIRS = ((0.10, 0.08, 0.07), (0.22, 0.14, 0.09), (0.38, 0.24, 0.14), (0.66, 0.52, 0.33),
          (0.45, 0.18, 0.10), (0.62, 0.61, 0.60))  # fmt: skip
_IRISES = ((0.20, 0.12, 0.08), (0.33, 0.22, 0.12), (0.36, 0.40, 0.24), (0.32, 0.44, 0.54),
           (0.42, 0.46, 0.48))  # fmt: skip
_DETAILS = (
    "cheek/*-cheek-bones-incr", "cheek/*-cheek-volume-incr", "cheek/*-cheek-volume-decr",
    "chin/chin-height-incr", "chin/chin-height-decr", "chin/chin-width-incr",
    "chin/chin-width-decr", "chin/chin-prominent-incr", "eyes/*-eye-height2-incr",
    "eyes/*-eye-height2-decr", "eyes/*-eye-epicanthus-in", "eyes/*-eye-eyefold-down",
    "eyes/*-eye-eyefold-up", "eyes/*-eye-bag-incr", "eyes/*-eye-corner1-up",
    "eyes/*-eye-corner2-up", "eyes/*-eye-trans-in", "eyes/*-eye-trans-out", "head/head-oval",
    "head/head-round", "head/head-square", "head/head-fat-incr", "head/head-scale-horiz-decr",
    "mouth/mouth-scale-horiz-incr", "mouth/mouth-scale-horiz-decr",
    "mouth/mouth-upperlip-volume-incr", "mouth/mouth-upperlip-volume-decr",
    "mouth/mouth-lowerlip-volume-incr", "mouth/mouth-lowerlip-volume-decr",
    "mouth/mouth-upperlip-height-incr", "mouth/mouth-lowerlip-height-incr",
    "mouth/mouth-cupidsbow-incr", "mouth/mouth-laugh-lines-out", "mouth/mouth-dimples-in",
    "mouth/mouth-angles-up", "mouth/mouth-angles-down", "nose/nose-width1-incr",
    "nose/nose-width3-incr", "nose/nose-volume-decr", "nose/nose-point-up", "nose/nose-hump-incr",
)  # fmt: skip
_OFTEN = 0.22
"""How likely each detail is."""


def sitter(seed: int, assets: Path | None = None) -> Sitter:
    """The person of a seed; `assets`: a folder of MakeHuman's CC0 textures and parts.

    With it three in four wear a textured skin and all have modelled teeth; without, all is painted.
    """
    rng = np.random.default_rng([seed, 11])
    female = float(rng.beta(0.35, 0.35))
    age = float(rng.beta(0.7, 1.3))
    skins = sorted(assets.glob("*_diffuse*.jpg")) if assets is not None else []
    skin = skins[int(rng.integers(len(skins)))] if skins and rng.random() < 0.75 else None
    dark = skin is not None and "dark" in skin.name
    origins = rng.dirichlet([0.2, 0.6, 0.6] if skin is not None and not dark else [0.6, 0.6, 0.6])
    return Sitter(
        origins=dict(zip(("african", "asian", "caucasian"), map(float, origins), strict=True)),
        sexes={"female": female, "male": 1.0 - female},
        age=age,
        details={"eyes/*-eye-scale-incr": float(rng.uniform(0.0, 0.7))}
        | {name: float(rng.uniform(0.15, 0.7)) for name in _DETAILS if rng.random() < _OFTEN},
        palette=_palette(rng, textured=skin is not None, female=female, age=age, seed=seed),
        skin=skin,
        teeth=assets / "teeth_base.mhclo" if assets is not None else None,
        hairline=float(rng.choice([0.0, rng.uniform(-1.0, 1.5), 25.0], p=[0.35, 0.5, 0.15])),
        lights=_lights(rng),
        ambient=_grey(rng, rng.uniform(0.18, 0.40)),
        lens=(0.0, float(rng.uniform(-1.6, -0.6)), distance := float(rng.uniform(60.0, 130.0))),
        field_of_view=2 * math.atan(float(rng.uniform(13.0, 15.5)) / (distance - 6.0)),
        wall=_grey(rng, rng.uniform(0.02, 0.35), 0.25),
        glow=_grey(rng, rng.uniform(0.0, 0.4), 0.2),
    )


def _grey(rng: np.random.Generator, level: float, tint: float = 0.06) -> Colour:
    red, green, blue = level * (1.0 + rng.uniform(-tint, tint, 3))
    return float(red), float(green), float(blue)


def _near(rng: np.random.Generator, colours: tuple[Colour, ...], apart: float) -> Colour:
    """A mixture of two of the colours, a little off."""
    first, second = rng.integers(len(colours), size=2)
    share = rng.random()
    mixed = share * np.array(colours[first]) + (1 - share) * np.array(colours[second])
    red, green, blue = np.clip(mixed * (1 + rng.uniform(-apart, apart, 3)), 0.02, 1.0)
    return float(red), float(green), float(blue)


def _palette(
    rng: np.random.Generator, *, textured: bool, female: float, age: float, seed: int
) -> Palette:
    hair = _near(rng, _HAIRS, 0.1)
    plain = np.array(_near(rng, _SKINS, 0.05))
    tint = rng.uniform(0.72, 1.05) * (1 + rng.uniform(-0.06, 0.06, 3))
    lips = np.clip(plain * [0.92, 0.62, 0.66] * rng.uniform(0.75, 1.1), 0, 1)
    if rng.random() < 0.35 * female:  # painted
        lips = np.array([rng.uniform(0.45, 0.8), rng.uniform(0.12, 0.35), rng.uniform(0.15, 0.4)])
    white = np.array([0.92, 0.90, 0.88]) * rng.uniform(0.80, 1.0)
    teeth = np.array([0.92, 0.89, 0.83 - 0.08 * age]) * rng.uniform(0.82, 1.0)
    mouth = np.array([0.45, 0.18, 0.17]) * rng.uniform(0.7, 1.15)

    def colour(values: np.ndarray) -> Colour:
        red, green, blue = values
        return float(red), float(green), float(blue)

    return Palette(
        skin=colour(tint if textured else plain),
        lips=colour(lips),
        lip_cover=float(rng.uniform(0.0, 0.5) if textured else rng.uniform(0.5, 0.95)),
        hair=hair,
        brow=float(rng.uniform(0.45, 0.95)),
        lashes=float(rng.uniform(0.4, 1.0)),
        stubble=float(rng.uniform(0.1, 0.8) if female < 0.4 and rng.random() < 0.5 else 0.0),
        blush=0.0 if textured else float(rng.uniform(0.2, 1.0)),
        cloth=colour(rng.uniform(0.1, 0.9, 3)),
        iris=_near(rng, _IRISES, 0.15),
        white=colour(white),
        mouth=colour(mouth),
        tongue=colour(np.array([0.72, 0.36, 0.37]) * rng.uniform(0.8, 1.1)),
        teeth=colour(teeth),
        gloss=float(rng.uniform(0.05, 0.4)),
        seed=seed,
    )


def _lights(rng: np.random.Generator) -> tuple[Light, ...]:
    """A key light, a fill, one from the front; now and then coloured."""
    side = float(rng.choice([-1.0, 1.0]))
    tint = 0.3 if rng.random() < 0.15 else 0.08
    key = (side * float(rng.uniform(0.0, 0.9)), float(rng.uniform(0.1, 0.8)), 0.75)
    fill = (-side * float(rng.uniform(0.3, 1.0)), float(rng.uniform(-0.2, 0.4)), 0.6)
    return (
        Light(key, _grey(rng, rng.uniform(0.5, 1.0), tint)),
        Light(fill, _grey(rng, rng.uniform(0.05, 0.45), tint)),
        Light((0.0, float(rng.uniform(-0.4, 0.3)), 0.9), _grey(rng, rng.uniform(0.05, 0.35))),
    )
