"""Voices without engines: tones whose sound, phones and pace tests know."""

from __future__ import annotations

import threading
from collections.abc import Generator

import numpy as np

from engines.errors import UnusableText
from engines.types import Floats, Phone, Speech, SpeechStream
from engines.voices.stream import Stretches

MS = 1_000_000


def tone(seconds: float, rate: int = 24_000, level: float = 0.5, hertz: float = 300) -> Floats:
    """A tone `(n,)`."""
    times = np.arange(round(seconds * rate)) / rate
    return np.asarray(level * np.sin(2 * np.pi * hertz * times), np.float32)


class ToneVoice:
    """Says every word as a tone of `word_s`, sentence by sentence."""

    def __init__(
        self, name: str = "tone", languages: tuple[str, ...] = ("en", "de"), word_s: float = 0.1
    ) -> None:
        self.name = name
        self.languages = languages
        self.word_s = word_s
        self.rate, self.level = 24_000, 0.5
        self.said: list[tuple[str, str, float]] = []
        self.closed_early = 0
        self.hold = threading.Event()
        """Cleared: the voice waits before sentences from `slow_from` on, as a slow one does."""
        self.slow_from = 0
        self.hold.set()
        self.fail_at: int | None = None
        self.closed = False

    def speak(self, text: str, *, language: str = "", pace: float = 1.0) -> SpeechStream:
        self.said.append((text, language, pace))
        if "<speak" in text:
            raise UnusableText("SSML is not read; send plain text")
        return Stretches(self._speak(text, pace))

    def _speak(self, text: str, pace: float) -> Generator[Speech, None, None]:
        try:
            for count, sentence in enumerate(_sentences(text)):
                if count >= self.slow_from:
                    self.hold.wait(20)
                if count == self.fail_at:
                    raise ValueError(text)
                length_ns = round(self.word_s / pace * 1e9)
                words = len(sentence.split())
                phones = tuple(
                    Phone("AA", i * length_ns, (i + 1) * length_ns) for i in range(words)
                )
                sound = tone(words * length_ns / 1e9, self.rate, self.level)
                yield Speech(sound, self.rate, phones, sentence)
        except GeneratorExit:
            self.closed_early += 1
            raise

    def close(self) -> None:
        self.closed = True


def _sentences(text: str) -> list[str]:
    """The text's sentences, which join to the whole."""
    ends = [i + 2 for i in range(len(text) - 2) if text[i] in ".!?" and text[i + 1] == " "]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
