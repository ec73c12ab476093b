"""Some hundred languages by eSpeak NG, which has to be installed and runs in a process of its own.

The program tells the exact time of every sound. Stress comes from a second reading of the text by
the same program, aligned with the first, because its events leave it out.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from ctypes.util import find_library
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from engines.errors import VoiceUnavailable
from engines.ipa import PRIMARY_STRESS, Timed, phones_in_time
from engines.types import Floats, Phone, Speech, SpeechStream
from engines.voices import espeak_process, silences
from engines.voices.english import in_words
from engines.voices.helper import Helper
from engines.voices.splitting import stretches
from engines.voices.stream import Said, Stretches, with_text
from engines.voices.text import check, plain

_DEFAULT = "en-US"
_WORDS_A_MINUTE = 175
_START_S, _STRETCH_S = 10.0, 20.0
_MANDARIN = "sit/cmn-Latn-pinyin"
"""The other Mandarin voice spells what it cannot read in English letters."""
_ENVIRONMENT = ("ESPEAK_DATA_PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PATH")
"""What the program sees of ours: no keys."""
_MNEMONICS = str.maketrans("SZNXAKεΦ?", "ʃʒŋxakɛɸʔ")
"""What it writes in some languages where it has forgotten to say it in IPA."""
_LEAD_NS = 30_000_000
_PAUSE_NS = 300_000_000


class EspeakVoice:
    """A `Voice`."""

    name = "espeak"

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        """Option `library`: the path of libespeak-ng, where the system does not find it.

        Raises `VoiceUnavailable` where it is not installed.
        """
        given = dict(options or {})
        self._library = given.pop("library", "") or find_library("espeak-ng") or "libespeak-ng.so.1"
        if given:
            raise VoiceUnavailable(
                f"the voice espeak has no setting {', '.join(sorted(given))}, only library"
            )
        with self._started() as helper:
            self._voices = _by_language(_greeting(helper)["voices"])
        first = _DEFAULT if _DEFAULT in self._voices else min(self._voices)
        self.languages: tuple[str, ...] = (first, *sorted(self._voices.keys() - {first}))

    def speak(self, text: str, *, language: str = "", pace: float = 1.0) -> SpeechStream:
        """See `Voice`; starts a process, which ends with the stream."""
        tag = check(text, language=language, pace=pace, voice=self)
        running = _Running()
        return Stretches(self._speeches(text, tag, pace, running), running.stop)

    def close(self) -> None:
        """Does nothing: every text has a process of its own."""

    def _speeches(
        self, text: str, tag: str, pace: float, running: _Running
    ) -> Generator[Speech, None, None]:
        request = {"voice": self._voices[tag], "words_a_minute": round(_WORDS_A_MINUTE * pace)}
        with self._started() as helper:
            running.started(helper)
            rate = _greeting(helper)["rate"]

            def said(part: str) -> Iterator[Said]:
                written = plain(part)
                spoken = in_words(written) if tag.startswith("en") else written
                helper.ask({"text": spoken, **request})
                reply = helper.answer(_STRETCH_S)
                samples = _samples(helper.content(reply["bytes"], _STRETCH_S))
                phones = _phones(reply["sounds"], reply["spelt"], len(samples), rate)
                if any(phone.name != "SIL" for phone in phones):
                    yield _cut(phones, samples, rate, round(_PAUSE_NS / pace))

            yield from with_text(stretches(text), said)

    def _started(self) -> Helper:
        program = Path(espeak_process.__file__)
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        return Helper([sys.executable, "-I", "-S", str(program), self._library], environment)


class _Running:
    """The process of one text, which another thread may end."""

    def __init__(self) -> None:
        self._helper: Helper | None = None
        self._stopped = threading.Event()

    def started(self, helper: Helper) -> None:
        self._helper = helper
        if self._stopped.is_set():
            helper.kill()

    def stop(self) -> None:
        self._stopped.set()
        if self._helper is not None:
            self._helper.kill()


def _greeting(helper: Helper) -> Any:
    greeting = helper.answer(_START_S)
    if "error" in greeting:
        raise VoiceUnavailable(
            "the voice espeak needs eSpeak NG, which cannot be loaded; install it (on Debian and"
            " Ubuntu: apt-get install espeak-ng) or name its library by the setting"
            " voice.espeak_library"
        )
    return greeting


def _by_language(voices: list[tuple[str, list[tuple[int, str]]]]) -> dict[str, str]:
    """BCP 47 tag → the identifier of the voice that says it best."""
    ranked = sorted(
        (priority, identifier != _MANDARIN, at, _canonical(tag), identifier)
        for at, (identifier, languages) in enumerate(voices)
        for priority, tag in languages
    )
    best: dict[str, str] = {}
    for _, _, _, tag, identifier in ranked:
        best.setdefault(tag, identifier)
    if _MANDARIN in best.values():
        best["cmn"] = _MANDARIN
    return best


def _canonical(tag: str) -> str:
    """In the letters that RFC 5646 recommends: `fa-Latn`, `en-US`."""
    language, *rest = tag.split("-")
    private = rest.index("x") if "x" in rest else len(rest)
    cased = [{2: part.upper(), 4: part.title()}.get(len(part), part) for part in rest[:private]]
    return "-".join((language.lower(), *cased, *rest[private:]))


def _samples(content: bytes) -> Floats:
    return np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768)


def _phones(
    sounds: list[tuple[int, str]], spelt: list[str], length: int, rate: int
) -> tuple[Phone, ...]:
    """The phones over the whole of `length` samples."""
    starts = [round(sample * 1_000_000_000 / rate) for sample, _ in sounds]
    bounds = [*starts, round(length * 1_000_000_000 / rate)]
    symbols = _with_stress([symbol for _, symbol in sounds], spelt)
    timed = (
        Timed(_ipa(symbol), start, end)
        for symbol, (start, end) in zip(symbols, pairwise(bounds), strict=True)
    )
    lead = (Timed("", 0, bounds[0]),)
    return phones_in_time((*lead, *timed))


def _ipa(symbol: str) -> str:
    """The symbol in IPA; a change of language, such as "(en)", belongs to what stands before it."""
    return "ː" if symbol.startswith("(") else symbol.translate(_MNEMONICS)


def _with_stress(symbols: list[str], spelt: list[str]) -> list[str]:
    """Symbols as they are heard, with the stress of the same ones as they are spelt."""
    bare = [symbol.lstrip("ˈˌ") for symbol in spelt]
    marked = list(symbols)
    for heard_at, spelt_at, size in SequenceMatcher(
        None, symbols, bare, False
    ).get_matching_blocks():
        for step in range(size):
            if spelt[spelt_at + step].startswith(PRIMARY_STRESS):
                marked[heard_at + step] = PRIMARY_STRESS + symbols[heard_at + step]
    return marked


def _cut(phones: tuple[Phone, ...], samples: Floats, rate: int, pause_ns: int) -> Said:
    phones = silences.fitted(phones, samples, rate)
    phones, samples = silences.cut(phones, samples, rate, before_ns=_LEAD_NS, after_ns=pause_ns)
    return Said(samples, rate, phones)
