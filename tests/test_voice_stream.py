"""A stream of speech ends when it is told to, from whichever thread, and tells its errors."""

from __future__ import annotations

import re
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.errors import UnusableText, VoiceUnavailable
from engines.types import Speech, Voice
from engines.voices.stream import Said, Stretches, with_text

SPEECH = Speech(np.zeros(4, np.float32), 16_000, None, "a")


def test_errors_come_through_and_closing_twice_does_no_harm() -> None:
    def broken() -> Generator[Speech, None, None]:
        yield SPEECH
        raise VoiceUnavailable("gone")

    stream = Stretches(broken())
    assert next(stream) is SPEECH
    with pytest.raises(VoiceUnavailable):
        next(stream)
    stream.close()
    stream.close()
    assert list(stream) == []


def test_closing_lets_the_generator_clean_up() -> None:
    ended = []

    def made() -> Generator[Speech, None, None]:
        try:
            while True:
                yield SPEECH
        finally:
            ended.append(True)

    stream = Stretches(made())
    next(stream)
    stream.close()
    assert ended == [True]


def test_closing_stops_what_is_being_made_and_hides_its_error() -> None:
    begun, stopped, ended = threading.Event(), threading.Event(), threading.Event()

    def made() -> Generator[Speech, None, None]:
        try:
            begun.set()
            if stopped.wait(10):
                raise VoiceUnavailable("cut off")
            yield SPEECH
        finally:
            ended.set()

    stream = Stretches(made(), stopped.set)
    got: list[Speech] = []
    reader = threading.Thread(target=lambda: got.extend(stream))
    reader.start()
    assert begun.wait(5)
    stream.close()
    reader.join(5)
    assert ended.is_set()
    assert got == []


def test_what_is_silent_goes_with_what_is_said_next() -> None:
    def say(part: str) -> Iterator[Said]:
        for _ in range(part.count("a")):
            yield Said(np.ones(2, np.float32), 16_000, None)

    spoken = list(with_text(["- ", "aa ", "* ", "a ", "= "], say))
    assert [(speech.text, len(speech.samples)) for speech in spoken] == [
        ("- aa ", 2),
        ("", 2),
        ("* a ", 2),
        ("= ", 0),
    ]
    with pytest.raises(UnusableText, match="nothing"):
        list(with_text(["- ", "* "], say))


def test_the_voice_in_the_documentation_is_one() -> None:
    page = (Path(__file__).parents[1] / "docs" / "voices.md").read_text("utf-8")
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert example is not None
    names: dict[str, Any] = {}
    exec(example[1], names)
    voice = names["BeepVoice"]({})
    assert isinstance(voice, Voice)
    spoken = list(voice.speak("Two words. And three more."))
    assert [speech.text for speech in spoken] == ["Two words. ", "And three more."]
    assert [len(speech.samples) for speech in spoken] == [9600, 14400]
