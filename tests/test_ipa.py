"""IPA becomes phones: English and foreign, marked and unmarked, in time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.ipa import SYMBOLS, Timed, arpabet, phones_in_time
from engines.phones import PHONES


@pytest.mark.parametrize(
    ("ipa", "phones"),
    [
        ("ɡˈʊd mˈɔːɹnɪŋ", "G UH D M AO R N IH NG"),
        ("tʃˈɜːɹtʃ", "CH ER CH"),
        ("t͡ʃ d͡ʒ", "CH JH"),
        ("naɪf bɔɪ", "N AY F B OY"),
        ("fˈaɪɚ", "F AY ER"),
        ("bˈɑːʔn̩", "B AA N"),
        ("bɔ̃ vɛ̃", "B AO V EH"),  # written with combining tildes
        ("ãõ", "AA OW"),  # and in one character
        ("ɪç çoː", "IH SH SH OW"),
        ("ɡɾøːsə tsvœlf", "G D UH S AH T S V AO L F"),
        ("ky", "K UW"),
        ("(1) ?", ""),
        ("", ""),
    ],
)
def test_what_a_mouth_makes_of_it(ipa: str, phones: str) -> None:
    assert arpabet(ipa) == tuple(phones.split())


def test_every_symbol_means_known_phones_and_every_phone_has_a_symbol() -> None:
    meant = {name for names in SYMBOLS.values() for name in names}
    assert meant == set(PHONES) - {"SIL"}


def test_marks_lend_their_time_and_stress_falls_on_the_vowel() -> None:
    written = ["h", "ə", "l", "ˈ", "oʊ", "ː", "ʔ", ".", " ", "b", "ˌ", "i", ""]
    phones = phones_in_time(Timed(each, at * 10, at * 10 + 10) for at, each in enumerate(written))
    assert [(p.name, p.start_ns, p.end_ns, p.stressed) for p in phones] == [
        ("HH", 0, 10, False),
        ("AH", 10, 20, False),
        ("L", 20, 30, False),
        ("OW", 30, 70, True),
        ("SIL", 70, 90, False),
        ("B", 90, 100, False),
        ("IY", 100, 120, False),
        ("SIL", 120, 130, False),
    ]


def test_a_symbol_of_two_phones_divides_its_time() -> None:
    phones = phones_in_time([Timed("ˈsti", 0, 360)])
    assert [(p.name, p.start_ns, p.end_ns, p.stressed) for p in phones] == [
        ("S", 0, 100, False),
        ("T", 100, 200, False),
        ("IY", 200, 360, True),
    ]


_SYMBOLS = st.text(st.sampled_from([*"".join(SYMBOLS), *"ˈˌːʔ ,.̃"]), max_size=4) | st.text(
    max_size=3
)


@given(st.lists(st.tuples(_SYMBOLS, st.integers(0, 400)), max_size=30))
def test_phones_cover_the_time_in_order(written: list[tuple[str, int]]) -> None:
    timed, at = [], 0
    for symbols, duration in written:
        timed.append(Timed(symbols, at, at + duration))
        at += duration
    phones = phones_in_time(timed)
    assert all(phone.name in PHONES and phone.end_ns > phone.start_ns for phone in phones)
    assert all(a.end_ns == b.start_ns for a, b in pairwise(phones))
    assert not phones or (phones[0].start_ns == 0 and phones[-1].end_ns <= at)
