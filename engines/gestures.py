"""What each speech sound asks of the mouth, how strongly, and for how long before and after it.

Targets are ARKit coefficients of unhurried speech; jaws of speakers seldom open beyond 0.5.
"""

from __future__ import annotations

import numpy as np

from engines.phones import PHONES

_MILLISECOND = 1_000_000

# Gestures: what the tables below are about. The first two groups fade by their own dominance.
OPENING = ("jaw", "lower", "upper")
_SHAPING = ("pucker", "funnel", "stretch", "smile")
GESTURES = OPENING + _SHAPING
"""Jaw, lower lip down, upper lip up; lips forward, and forward and open, stretched, smiling."""

# Per sound: dominance over the opening and over the shape of the lips, then the targets.
_SOUNDS: dict[str, tuple[float, float, dict[str, float]]] = {
    "SIL": (1.1, 1.0, {}),
    "AA": (1.0, 0.5, {"jaw": 0.46, "lower": 0.22, "upper": 0.12, "funnel": 0.06}),
    "AE": (1.0, 0.7, {"jaw": 0.40, "lower": 0.26, "upper": 0.16, "stretch": 0.18, "smile": 0.08}),
    "AH": (0.8, 0.3, {"jaw": 0.29, "lower": 0.16, "upper": 0.08}),
    "AO": (1.0, 1.2, {"jaw": 0.38, "lower": 0.12, "funnel": 0.42, "pucker": 0.15}),
    "EH": (1.0, 0.7, {"jaw": 0.32, "lower": 0.22, "upper": 0.12, "stretch": 0.16, "smile": 0.08}),
    "ER": (0.9, 1.0, {"jaw": 0.19, "lower": 0.12, "upper": 0.05, "funnel": 0.34, "pucker": 0.15}),
    "IH": (0.9, 0.6, {"jaw": 0.21, "lower": 0.18, "upper": 0.08, "stretch": 0.16, "smile": 0.06}),
    "IY": (1.0, 1.0, {"jaw": 0.14, "lower": 0.22, "upper": 0.12, "stretch": 0.30, "smile": 0.16}),
    "UH": (0.9, 1.0, {"jaw": 0.21, "lower": 0.06, "funnel": 0.30, "pucker": 0.35}),
    "UW": (1.0, 1.7, {"jaw": 0.12, "funnel": 0.12, "pucker": 0.80}),
    "OW": (1.0, 1.5, {"jaw": 0.32, "funnel": 0.46, "pucker": 0.42}),
    "W": (1.3, 2.2, {"jaw": 0.07, "funnel": 0.06, "pucker": 0.88}),
    "Y": (0.7, 0.6, {"jaw": 0.12, "lower": 0.16, "upper": 0.08, "stretch": 0.22, "smile": 0.10}),
    "R": (0.8, 1.0, {"jaw": 0.13, "lower": 0.10, "funnel": 0.36, "pucker": 0.18}),
    "L": (0.5, 0.12, {"jaw": 0.21, "lower": 0.16, "upper": 0.06}),
    "T": (0.8, 0.12, {"jaw": 0.09, "lower": 0.15, "upper": 0.05}),
    "D": (0.8, 0.12, {"jaw": 0.10, "lower": 0.15, "upper": 0.05}),
    "N": (0.7, 0.12, {"jaw": 0.11, "lower": 0.14, "upper": 0.05}),
    "S": (1.9, 0.35, {"jaw": 0.05, "lower": 0.26, "upper": 0.10, "stretch": 0.18}),
    "Z": (1.8, 0.35, {"jaw": 0.06, "lower": 0.26, "upper": 0.10, "stretch": 0.16}),
    "SH": (1.8, 1.6, {"jaw": 0.08, "lower": 0.16, "upper": 0.14, "funnel": 0.52, "pucker": 0.20}),
    "ZH": (1.7, 1.5, {"jaw": 0.08, "lower": 0.16, "upper": 0.14, "funnel": 0.48, "pucker": 0.18}),
    "CH": (1.7, 1.5, {"jaw": 0.08, "lower": 0.16, "upper": 0.14, "funnel": 0.50, "pucker": 0.20}),
    "JH": (1.7, 1.4, {"jaw": 0.09, "lower": 0.16, "upper": 0.14, "funnel": 0.46, "pucker": 0.18}),
    "TH": (1.1, 0.25, {"jaw": 0.13, "lower": 0.20, "upper": 0.06}),
    "DH": (0.9, 0.2, {"jaw": 0.12, "lower": 0.18, "upper": 0.05}),
    "K": (0.4, 0.06, {"jaw": 0.16, "lower": 0.10, "upper": 0.04}),
    "G": (0.4, 0.06, {"jaw": 0.16, "lower": 0.10, "upper": 0.04}),
    "NG": (0.4, 0.06, {"jaw": 0.16, "lower": 0.10, "upper": 0.04}),
    "HH": (0.08, 0.04, {"jaw": 0.22, "lower": 0.12, "upper": 0.06}),
    # The opening of these is laid over below; the vowels around them keep the rounding.
    "B": (1.2, 0.25, {"jaw": 0.08}),
    "M": (1.1, 0.25, {"jaw": 0.08}),
    "P": (1.2, 0.25, {"jaw": 0.08}),
    "F": (1.5, 0.6, {"jaw": 0.07}),
    "V": (1.4, 0.6, {"jaw": 0.07}),
}
DIPHTHONGS = {
    "AW": ("AA", "UW"),
    "AY": ("AA", "IH"),
    "EY": ("EH", "IY"),
    "OW": ("OW", "UW"),
    "OY": ("AO", "IH"),
}
"""Said as two sounds, one after the other."""
FIRST_PART = 0.55  # of a diphthong's time

_OPENING_REACH_NS = 130 * _MILLISECOND
_SHAPING_REACH_NS = 150 * _MILLISECOND
_ROUNDING_AHEAD_NS = 200 * _MILLISECOND  # lips round long before a rounded vowel is heard
_ROUNDED = frozenset(("UW", "OW", "AO", "UH", "W", "SH", "ZH", "CH", "JH"))

TARGETS = np.array(
    [
        [_SOUNDS.get(name, _SOUNDS["AH"])[2].get(gesture, 0.0) for gesture in GESTURES]
        for name in PHONES
    ]
)
"""`(40, 7)` rows in the order of `PHONES`, columns in that of `GESTURES`; a diphthong is not used,
but for that of `OW`, its first part."""
DOMINANCE = np.array(
    [
        [_SOUNDS.get(name, _SOUNDS["AH"])[0]] * len(OPENING)
        + [_SOUNDS.get(name, _SOUNDS["AH"])[1]] * len(_SHAPING)
        for name in PHONES
    ]
)
"""`(40, 7)` how strongly each phone pulls at each gesture."""
AHEAD_NS = np.array(
    [
        [_OPENING_REACH_NS] * len(OPENING)
        + [_ROUNDING_AHEAD_NS if name in _ROUNDED else _SHAPING_REACH_NS] * len(_SHAPING)
        for name in PHONES
    ],
    np.float64,
)
"""`(40, 7)` how long before its core a phone begins to pull."""
AFTER_NS = np.array([_OPENING_REACH_NS] * len(OPENING) + [_SHAPING_REACH_NS] * len(_SHAPING))
"""`(7,)` how long after its core a phone still pulls."""
