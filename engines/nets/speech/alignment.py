"""Forced alignment: given sound and what is said in it, when each phone is said.

pocketsphinx with the English model of its own wheel (BSD). Two settings decide: `bestpath=False`
(with it on, most utterances fail in the second pass) and beams wide enough to keep the one path
that the text allows. Words that its dictionary lacks are pronounced by hibari's rules.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from pocketsphinx import Decoder

from engines.ipa import arpabet
from engines.log_mel import RATE
from engines.nets.speech.misaki import to_ipa
from engines.phones import PHONES
from engines.types import Floats, Phone

if TYPE_CHECKING:
    from hibari.g2p import G2P

_FRAME_NS = 10_000_000
_LATE_NS = 8_000_000
"""Its times are early by this, against voices whose times are exact."""
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*|\d+(?:,\d{3})*")


class Aligner:
    """One can serve any number of utterances; not thread-safe. Costs about 0.1 s per second."""

    def __init__(self) -> None:
        """Loads the acoustic model."""
        self._decoder = Decoder(
            lm=None,
            samprate=float(RATE),
            loglevel="FATAL",
            beam=1e-120,
            wbeam=1e-100,
            pbeam=1e-120,
            cmn="batch",
            bestpath=False,
        )
        self._rules: G2P | None = None

    def align(self, samples: Floats, text: str) -> tuple[Phone, ...] | None:
        """The phones of `(n,)` samples (16 kHz) in which the English `text` is said.

        `None`: no path fits, the text is probably another one.
        """
        words = [word for word in map(self._known, _words(text)) if word]
        if not words:
            return None
        pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        try:
            self._decoder.set_align_text(" ".join(words))
            self._decode(pcm)
            if self._decoder.hyp() is None:
                return None
            self._decoder.set_alignment()
            self._decode(pcm)
        except RuntimeError:
            return None
        return tuple(
            Phone(
                phone.name if phone.name in PHONES else "SIL",
                phone.start * _FRAME_NS + _LATE_NS,
                (phone.start + phone.duration) * _FRAME_NS + _LATE_NS,
            )
            for word in self._decoder.get_alignment()
            for phone in word
        )

    def _decode(self, pcm: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()

    def _known(self, word: str) -> str:
        """A word that the decoder can say, added if need be; empty: it cannot be said."""
        name = word if word.isalpha() or "'" in word else f"number-{word}"
        if self._decoder.lookup_word(name) is None:
            phones = self._pronounced(word)
            if not phones:
                return ""
            self._decoder.add_word(name, " ".join(phones), True)
        return name

    def _pronounced(self, word: str) -> tuple[str, ...]:
        if self._rules is None:
            from hibari.g2p import G2P  # noqa: PLC0415 - loads lexica that few texts need

            self._rules = G2P()
        return arpabet(to_ipa(self._rules(word)))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("’", "'"))
