"""The alphabet of Kokoro and hibari (misaki's): IPA with single letters for diphthongs."""

from __future__ import annotations

_LETTERS = str.maketrans(
    {"A": "eɪ", "I": "aɪ", "O": "oʊ", "W": "aʊ", "Y": "ɔɪ", "Q": "əʊ", "T": "ɾ", "ᵊ": "ə"}
)


def to_ipa(symbols: str) -> str:
    """The same in plain IPA."""
    return symbols.translate(_LETTERS)
