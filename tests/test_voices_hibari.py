"""hibari speaks: the phones it tells are the ones that sound, when they sound."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engines import registry
from engines.phones import PHONES, VOWELS
from engines.types import Speech, Voice
from engines.voices.hibari import HibariVoice

TEXT = (
    "Please sign in on the screen, and take a seat by the window. The meeting with Dr. Brown starts"
    " at half past three. Bob makes a map: it costs $3.50!"
)


@pytest.fixture(scope="module")
def said() -> list[Speech]:
    return list(HibariVoice().speak(TEXT))


def levels(speech: Speech) -> np.ndarray:
    """dB below the loudest, every 10 ms."""
    frame = speech.rate // 100
    whole = speech.samples[: len(speech.samples) // frame * frame].reshape(-1, frame)
    return np.asarray(20 * np.log10(np.sqrt((whole**2).mean(1)) / 0.1 + 1e-5))


def test_it_is_registered_and_a_voice() -> None:
    assert isinstance(registry.voice("hibari"), Voice)


def test_the_parts_join_to_the_text_and_end_where_sentences_do(said: list[Speech]) -> None:
    assert [part.text for part in said] == [
        "Please sign in on the screen, and take a seat by the window. ",
        "The meeting with Dr. Brown starts at half past three. ",
        "Bob makes a map: it costs $3.50!",
    ]


def test_phones_cover_the_sound_in_order(said: list[Speech]) -> None:
    for part in said:
        assert part.phones is not None
        assert part.phones[0].start_ns == 0
        assert part.phones[-1].end_ns == pytest.approx(len(part.samples) / part.rate * 1e9, abs=1e5)
        assert all(a.end_ns == b.start_ns for a, b in pairwise(part.phones))
        assert {phone.name for phone in part.phones} <= set(PHONES)
        assert any(phone.stressed for phone in part.phones)
        assert all(phone.name in VOWELS for phone in part.phones if phone.stressed)


def test_what_is_said() -> None:
    (part,) = HibariVoice().speak("Bob makes a map.")
    assert part.phones is not None
    names = [phone.name for phone in part.phones if phone.name != "SIL"]
    assert names == ["B", "AA", "B", "M", "EY", "K", "S", "AH", "M", "AE", "P"]
    assert [phone.name for phone in part.phones if phone.stressed] == ["AA", "AE"]
