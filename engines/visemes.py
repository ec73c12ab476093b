"""The 15 visemes of Oculus' lip sync, which most talking heads are made for, and their phones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.phones import PHONES
from engines.types import Floats

VISEMES: tuple[str, ...] = (
    *("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U"),
)
"""Oculus' own order."""

# What a phone may be shown as: its own viseme first, then those that an animator might as well
# choose (a diphthong has two ends, L is not on the list of 15, an R-coloured vowel is both).
_SHOWN_AS = {
    "SIL": "sil",
    "AA": "aa",
    "AE": "aa E",
    "AH": "aa E",
    "AO": "O",
    "AW": "aa U",
    "AY": "aa E I",
    "B": "PP",
    "CH": "CH",
    "D": "DD",
    "DH": "TH",
    "EH": "E",
    "ER": "E RR",
    "EY": "E I",
    "F": "FF",
    "G": "kk",
    "HH": "SS kk",
    "IH": "I",
    "IY": "I",
    "JH": "CH",
    "K": "kk",
    "L": "RR nn",
    "M": "PP",
    "N": "nn",
    "NG": "nn kk",
    "OW": "O U",
    "OY": "O I",
    "P": "PP",
    "R": "RR",
    "S": "SS",
    "SH": "SS CH",
    "T": "DD",
    "TH": "TH",
    "UH": "U",
    "UW": "U",
    "V": "FF",
    "W": "U RR",
    "Y": "I RR",
    "Z": "SS",
    "ZH": "SS CH",
}
_GROUPS = {
    "silence": "sil",
    "closed": "PP",
    "lip on teeth": "FF",
    "teeth": "SS CH",
    "tongue": "TH DD kk nn RR",
    "open": "aa",
    "spread": "E I",
    "round": "O U",
}
# How far the jaw is open, by viseme; 1 is as far as speech opens it.
_JAW = {
    **{"sil": 0.0, "PP": 0.0, "FF": 0.1, "TH": 0.25, "DD": 0.25, "kk": 0.3, "CH": 0.2, "SS": 0.15},
    **{"nn": 0.25, "RR": 0.3, "aa": 1.0, "E": 0.65, "I": 0.4, "O": 0.7, "U": 0.4},
}

SILENT = VISEMES.index("sil")
CLOSED = VISEMES.index("PP")
GROUPS: tuple[str, ...] = tuple(_GROUPS)

ACCEPTED: NDArray[np.bool_] = np.array(
    [[viseme in _SHOWN_AS[phone].split() for viseme in VISEMES] for phone in PHONES]
)
"""`(40, 15)`: whether a phone may be shown as a viseme."""
VISEME_OF: NDArray[np.int64] = np.array(
    [VISEMES.index(_SHOWN_AS[phone].split()[0]) for phone in PHONES]
)
"""`(40,)`: each phone's own viseme."""
GROUP_OF: NDArray[np.int64] = np.array(
    [
        next(number for number, names in enumerate(_GROUPS.values()) if viseme in names.split())
        for viseme in VISEMES
    ]
)
"""`(15,)`: each viseme's place in `GROUPS`."""
JAW_OF_VISEME: Floats = np.array([_JAW[viseme] for viseme in VISEMES], np.float32)
"""`(15,)`: how far the jaw is open, 0…1."""
JAW_OF_PHONE: Floats = (ACCEPTED @ JAW_OF_VISEME / ACCEPTED.sum(1)).astype(np.float32)
"""`(40,)`: the mean of what a phone may be shown as."""


def from_phones(posteriors: Floats) -> Floats:
    """`(n, 40)` probabilities of phones → `(n, 15)` of visemes, each phone given to its own."""
    visemes = np.zeros((len(posteriors), len(VISEMES)), np.float32)
    for phone, viseme in enumerate(VISEME_OF):
        visemes[:, viseme] += posteriors[:, phone]
    return visemes
