"""IPA symbols go in, ARPAbet phones come out: what synthesisers write, in the terms of the mouth.

Sounds that English lacks become the English sound that looks most alike on the lips and, among
those, the one that sounds most alike: [y] is rounded as UW, [ɸ] blows like F, [ɯ] is spread as IH.
Marks of length, tone, nasality, voicing and the like do not change a mouth and are dropped.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import NamedTuple

from engines.phones import VOWELS
from engines.types import Phone

_DIPHTHONGS = {
    "AW": "aʊ ɑʊ æʊ au ɑu",
    "AY": "aɪ ɑɪ ʌɪ ai ɑi",
    "EY": "eɪ ɛɪ əɪ ei ɛi",
    "OW": "oʊ əʊ ɔʊ ʌʊ ou əu",
    "OY": "ɔɪ oɪ ɔʏ ɔi oi",
}
_VOWELS = {
    "AA": "a ɑ ɒ ɶ",
    "AE": "æ",
    "AH": "ʌ ə ɐ ᵊ ɘ ɤ",
    "AO": "ɔ œ",
    "EH": "ɛ e",
    "ER": "ɜ ɝ ɚ ɞ",
    "IH": "ɪ ᵻ ɨ ɯ",
    "IY": "i",
    "OW": "o",
    "UH": "ʊ ʏ ø ɵ",
    "UW": "u ʉ y",
}
_CONSONANTS = {
    "B": "b ɓ β ʙ",
    "CH": "tʃ tɕ tʂ ʧ ʨ ꭧ",
    "D": "d ɖ ɗ ɾ",
    "D Z": "dz ʣ",
    "DH": "ð",
    "F": "f ɸ",
    "G": "ɡ g ɟ ɠ ɣ ʁ ɢ ɰ",
    "HH": "h ɦ x χ ħ ʕ",
    "JH": "dʒ dʑ dʐ ʤ ʥ",
    "K": "k q c",
    "L": "l ɫ ɭ ʎ ʟ ɬ ɮ ɺ",
    "M": "m ɱ",
    "N": "n ɲ ɳ",
    "NG": "ŋ ɴ",
    "P": "p",
    "P F": "pf",
    "R": "ɹ r ɻ ɽ ʀ",
    "S": "s",
    "SH": "ʃ ɕ ʂ ç ɧ",
    "T": "t ʈ",
    "T S": "ts ʦ",
    "TH": "θ",
    "V": "v ʋ ⱱ",
    "W": "w ʍ ɥ",
    "Y": "j ʝ",
    "Z": "z",
    "ZH": "ʒ ʐ ʑ",
}
SYMBOLS: Mapping[str, tuple[str, ...]] = {
    symbol: tuple(names.split())
    for table in (_DIPHTHONGS, _VOWELS, _CONSONANTS)
    for names, symbols in table.items()
    for symbol in symbols.split()
}
"""IPA symbol → phones."""

PRIMARY_STRESS = "ˈ"
_STRESSES = frozenset((PRIMARY_STRESS, "ˌ"))
# Said with the mouth of what stands before: length marks, the glottal stop, aspiration and its kin.
_HELD = frozenset("ːˑʔˀʰʱʲʷˠˤʼ˞ⁿˡ")
_LONGEST = max(map(len, SYMBOLS))
_VOWEL_WEIGHT = 1.6
"""How much longer a vowel lasts than a consonant, where a symbol's time is divided among phones."""


class Timed(NamedTuple):
    """Symbols that a synthesiser gives one stretch of time."""

    symbols: str
    start_ns: int
    end_ns: int


def arpabet(ipa: str) -> tuple[str, ...]:
    """The phones of an IPA text, in order; what is no IPA is passed over."""
    plain = _plain(ipa)
    names: list[str] = []
    at = 0
    while at < len(plain):
        symbol = next(
            (plain[at : at + n] for n in range(_LONGEST, 0, -1) if plain[at : at + n] in SYMBOLS),
            plain[at],
        )
        at += len(symbol)
        for name in SYMBOLS.get(symbol, ()):
            if name != "R" or names[-1:] != ["ER"]:  # [ɜːɹ] is one sound
                names.append(name)
    return tuple(names)


def phones_in_time(timed: Iterable[Timed]) -> tuple[Phone, ...]:
    """The phones of symbols that follow each other in time.

    A stress mark on its own lends its time to what follows, a length mark or a glottal stop to what
    stands before. Symbols that are no sound (a space, a full stop, nothing) are `SIL`. Phones
    without a duration are left out.
    """
    phones: list[Phone] = []
    stressed = False
    lent_ns: int | None = None  # where the time that a stress mark lends begins
    for symbols, start_ns, end_ns in timed:
        start = start_ns if lent_ns is None else lent_ns
        lent_ns = None
        stressed |= PRIMARY_STRESS in symbols
        names = arpabet(symbols)
        if names:
            phones += _divided(names, start, end_ns, stressed)
            stressed &= VOWELS.isdisjoint(names)
        elif not _STRESSES.isdisjoint(symbols):
            lent_ns = start
        elif phones and not _HELD.isdisjoint(symbols):
            phones.append(replace(phones.pop(), end_ns=end_ns))
        else:
            phones.append(Phone("SIL", start, end_ns))
            stressed = False
    return _with_whole_silences(phone for phone in phones if phone.end_ns > phone.start_ns)


def _plain(ipa: str) -> str:
    """Without marks, in the table's symbols as far as possible."""
    characters = []
    for character in unicodedata.normalize("NFC", ipa):
        # [ç] is a symbol of its own, [ã] is an [a] with a mark.
        base = character if character in SYMBOLS else unicodedata.normalize("NFD", character)[0]
        if not unicodedata.combining(base) and base not in _HELD:
            characters.append(base)
    return "".join(characters)


def _divided(names: tuple[str, ...], start_ns: int, end_ns: int, stressed: bool) -> list[Phone]:
    """The time of one symbol among its phones; the first vowel takes the stress."""
    weights = [_VOWEL_WEIGHT if name in VOWELS else 1.0 for name in names]
    whole = sum(weights)
    bounds = [
        start_ns + round((end_ns - start_ns) * part / whole)
        for part in accumulate(weights, initial=0)
    ]
    nucleus = (
        next((at for at, name in enumerate(names) if name in VOWELS), None) if stressed else None
    )
    return [
        Phone(name, start, end, at == nucleus)
        for at, (name, (start, end)) in enumerate(zip(names, pairwise(bounds), strict=True))
    ]


def _with_whole_silences(phones: Iterable[Phone]) -> tuple[Phone, ...]:
    whole: list[Phone] = []
    for phone in phones:
        if phone.name == "SIL" and whole and whole[-1].name == "SIL":
            whole.append(replace(whole.pop(), end_ns=phone.end_ns))
        else:
            whole.append(phone)
    return tuple(whole)
