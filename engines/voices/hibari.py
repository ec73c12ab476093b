"""English by hibari-tts, in this process: the one voice that its wheel carries, with exact phones.

Nothing of the package that could download another voice is ever called: its letters-from-spelling
and its waveform synthesis are used, the network is run here (`hibari_model`).
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise

import numpy as np
from hibari.g2p import G2P

from engines.errors import VoiceUnavailable
from engines.ipa import Timed, phones_in_time
from engines.types import Phone, SpeechStream
from engines.voices import silences
from engines.voices.english import in_words
from engines.voices.hibari_model import LONGEST, RATE, HibariModel, Spoken
from engines.voices.splitting import ends_sentence, stretches
from engines.voices.stream import Said, Stretches, with_text
from engines.voices.text import check, plain

_LATE_S, _LATE_BY_PACE_S = 0.018, 0.024
"""How much later than the sound the network's durations are, and how much more at pace 1, less at a
faster one: found by the onset of voicing after S and SH at paces 0.6, 1 and 1.7, good to 10 ms."""
_SHORTEST_PAUSE_NS = 60_000_000
"""A space that is shorter belongs to the sound after it (found as above, by the end of voicing)."""
_LEAD_NS = 30_000_000
_PAUSE_NS = 120_000_000
_SENTENCE_PAUSE_NS = 300_000_000
"""Silence before a stretch, after a part of a sentence and after a sentence, at pace 1."""
_FOREIGN = re.compile(r"[^\W\d_\u0000-\u024f\u1e00-\u1eff]+")
"""Letters that are not Latin."""
_MISAKI = str.maketrans(
    {"A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ", "T": "ɾ"}
)
"""hibari's letters that are no IPA."""


class HibariVoice:
    """A `Voice`."""

    name = "hibari"
    languages: tuple[str, ...] = ("en-US",)

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        """Takes no options; loads nothing yet. Raises `VoiceUnavailable` where there are some."""
        if options:
            raise VoiceUnavailable(
                f"the voice hibari has no setting {', '.join(sorted(options))}: it speaks with the"
                " one voice of its package and never downloads another; remove the setting"
            )

    def speak(self, text: str, *, language: str = "", pace: float = 1.0) -> SpeechStream:
        """See `Voice`; the first text in a process loads network and dictionary (0.6 s)."""
        check(text, language=language, pace=pace, voice=self)
        return Stretches(with_text(stretches(text), lambda part: _said(part, pace)))

    def close(self) -> None:
        """Does nothing: what is loaded serves every instance in the process."""


def _said(part: str, pace: float) -> Iterator[Said]:
    letters_of, model = _loaded()
    letters = letters_of(in_words(_FOREIGN.sub(" ", plain(part))))
    pieces = list(_pieces(letters)) if any(letter.isalpha() for letter in letters) else []
    for at, piece in enumerate(pieces, start=1):
        spoken = model.speak(piece, pace)
        pause_ns = _SENTENCE_PAUSE_NS if at == len(pieces) and ends_sentence(part) else _PAUSE_NS
        phones = silences.fitted(_phones(spoken, pace), spoken.samples, RATE)
        phones, samples = silences.cut(
            phones, spoken.samples, RATE, before_ns=_LEAD_NS, after_ns=round(pause_ns / pace)
        )
        yield Said(samples, RATE, phones)


def _pieces(letters: str) -> Iterator[str]:
    """At most `LONGEST` letters each, cut at spaces where there are some."""
    while len(letters) > LONGEST:
        end = letters.rfind(" ", 0, LONGEST) + 1 or LONGEST
        yield letters[:end]
        letters = letters[end:]
    yield letters


def _phones(spoken: Spoken, pace: float) -> tuple[Phone, ...]:
    """The phones over the whole sound, as the network has planned them."""
    ends = np.cumsum(spoken.durations_s) - _LATE_S - _LATE_BY_PACE_S / pace
    ends[-1] = len(spoken.samples) / RATE
    bounds = [0, *(round(max(end, 0.0) * 1e9) for end in ends)]
    return phones_in_time(
        Timed(_symbol(letter, end - start), start, end)
        for letter, (start, end) in zip(spoken.letters, pairwise(bounds), strict=True)
    )


def _symbol(letter: str, duration_ns: int) -> str:
    """The letter in IPA; a short space lends its time as a stress mark does."""
    if letter == " " and duration_ns < _SHORTEST_PAUSE_NS:
        return "ˌ"
    return letter.translate(_MISAKI)


def _loaded() -> tuple[Callable[[str], str], HibariModel]:
    with _loading:  # `cache` alone would let two threads load at once
        return _load()


@cache
def _load() -> tuple[Callable[[str], str], HibariModel]:
    model = HibariModel()
    g2p = G2P()
    g2p.oov("warmth")  # loads the network for unknown words

    def letters_of(text: str) -> str:
        with _spelling:
            try:
                return str(g2p(text, normalize_text=False))
            except Exception:  # it stumbles over a few letters, such as the dotted capital I
                folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
                return str(g2p(folded, normalize_text=False))

    return letters_of, model


_loading = threading.Lock()
_spelling = threading.Lock()
