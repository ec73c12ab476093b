"""The phones that voices say and listeners hear: ARPAbet without stress, and silence."""

from __future__ import annotations

PHONES: tuple[str, ...] = (
    "SIL",
    *("AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH"),
    *("IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH"),
    *("UH", "UW", "V", "W", "Y", "Z", "ZH"),
)
"""The 39 of the CMU Pronouncing Dictionary, after silence; a network's classes in this order."""

VOWELS = frozenset(
    ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
)
BILABIALS = frozenset(("B", "M", "P"))
"""Said with closed lips."""
