"""hibari speaks: the phones it tells are the ones that sound, when they sound."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hibari.voices
import numpy as np
import pytest

from engines import registry
from engines.errors import UnusableText, VoiceUnavailable
from engines.types import Speech, Voice
from engines.voices import hibari_model
from engines.voices.hibari import HibariVoice
from engines.voices.hibari_model import HibariModel, with_output
from engines.voices.text import LONGEST
from tests.spoken import best_shift_ms, levels, phones_of, within

TEXT = (
    "Please sign in on the screen, and take a seat by the window. The meeting with Dr. Brown starts"
    " at half past three. Bob makes a map: it costs $3.50!"
)


@pytest.fixture(scope="module")
def said() -> list[Speech]:
    return list(HibariVoice().speak(TEXT))


def test_it_is_registered_and_a_voice() -> None:
    assert isinstance(registry.voice("hibari"), Voice)


def test_the_parts_join_to_the_text_and_end_where_sentences_do(said: list[Speech]) -> None:
    assert [part.text for part in said] == [
        "Please sign in on the screen, and take a seat by the window. ",
        "The meeting with Dr. Brown starts at half past three. ",
        "Bob makes a map: it costs $3.50!",
    ]


def test_what_is_said() -> None:
    (part,) = HibariVoice().speak("Bob makes a map.")
    names = [phone.name for phone in phones_of(part) if phone.name != "SIL"]
    assert names == ["B", "AA", "B", "M", "EY", "K", "S", "AH", "M", "AE", "P"]
    assert [phone.name for phone in phones_of(part) if phone.stressed] == ["AA", "AE"]


def test_it_is_silent_where_the_phones_say_so_and_nowhere_else(said: list[Speech]) -> None:
    for part in said:
        level, silent = levels(part), within(part, {"SIL"})
        assert np.mean(level[silent] > 0.02) < 0.15
        assert np.mean(level[~silent] < 0.005) < 0.15
        assert silent[0]
        assert 25 <= silent[-40:].sum() <= 35  # 0.3 s after a sentence


@pytest.mark.parametrize("pace", [0.5, 1.0, 2.0])
def test_vowels_are_where_it_is_loud_at_every_pace(pace: float) -> None:
    speeches = list(HibariVoice().speak(TEXT, pace=pace))
    assert abs(best_shift_ms(speeches)) <= 20


def test_a_shift_of_the_phones_would_be_noticed(said: list[Speech]) -> None:
    late = [
        dataclasses.replace(
            part, samples=np.pad(part.samples, (part.rate * 6 // 100, 0))[: len(part.samples)]
        )
        for part in said
    ]
    assert best_shift_ms(late) >= 40


def test_the_pace_is_kept(said: list[Speech]) -> None:
    seconds = [
        sum(len(part.samples) / part.rate for part in HibariVoice().speak(TEXT, pace=pace))
        for pace in (0.5, 1.0, 2.0)
    ]
    assert 1.6 < seconds[0] / seconds[1] < 2.2
    assert 1.6 < seconds[1] / seconds[2] < 2.2


def test_the_same_text_sounds_the_same(said: list[Speech]) -> None:
    again = next(HibariVoice().speak(TEXT))
    np.testing.assert_array_equal(again.samples, said[0].samples)
    assert again.phones == said[0].phones


def test_two_threads_at_once(said: list[Speech]) -> None:
    with ThreadPoolExecutor(2) as threads:
        for spoken in threads.map(lambda _: list(HibariVoice().speak(TEXT)), range(2)):
            for one, other in zip(spoken, said, strict=True):
                np.testing.assert_array_equal(one.samples, other.samples)


def test_ten_thousand_characters_begin_at_once() -> None:
    text = (TEXT + " ") * 70
    stream = HibariVoice().speak(text[:LONGEST])
    first = next(stream)
    assert text.startswith(first.text)
    assert len(first.text) <= 90
    stream.close()
    assert list(stream) == []


@pytest.mark.parametrize(
    "text",
    [
        "Hello 😀 \x00 world \u202e \ufeff *** #",
        "9" * 60,
        "a@" * 60,
        "İstanbul ﬁne ßtraße 𝟛 ①",
        "Visit https://example.com/a?b=c or call +1 555 123 4567, 24/7.",
        "AB12-CD34/EF56_GH78.IJ90" * 2,
    ],
)
def test_odd_texts_are_said(text: str) -> None:
    spoken = list(HibariVoice().speak(text))
    assert "".join(part.text for part in spoken) == text
    for part in spoken:
        assert np.isfinite(part.samples).all()
        if len(part.samples):
            phones_of(part)


def test_what_cannot_be_said_goes_with_its_neighbours() -> None:
    texts = [part.text for part in HibariVoice().speak("***\nHello.\n你好。\nGood day.\n=\n")]
    assert texts == ["***\nHello.\n", "你好。\nGood day.\n", "=\n"]


def test_a_text_of_another_script_is_refused() -> None:
    with pytest.raises(UnusableText, match="language"):
        next(HibariVoice().speak("你好，世界。"))


def test_another_language_is_refused_at_once() -> None:
    with pytest.raises(UnusableText, match=r"'de'.*en-US"):
        HibariVoice().speak("Guten Tag", language="de")


@pytest.mark.parametrize("options", [{"voice": "emma"}, {"model": "/tmp/x.onnx"}])
def test_no_other_voice_is_taken(options: dict[str, str]) -> None:
    with pytest.raises(VoiceUnavailable, match="never downloads"):
        HibariVoice(options)


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a voice wanted the network")

    monkeypatch.setattr(hibari.voices, "download", refused)
    monkeypatch.setattr(hibari.voices, "voice_path", refused)
    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(socket, "create_connection", refused)
    HibariModel()
    assert list(HibariVoice().speak("Good morning."))


def test_another_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    monkeypatch.setattr(hibari_model, "files", lambda package: tmp_path)
    with pytest.raises(VoiceUnavailable, match=r"hibari-tts==0\.2\.1"):
        HibariModel()
    (assets / "hibari.onnx").write_bytes(b"another")
    (assets / "vocab.json").write_text("{}")
    with pytest.raises(VoiceUnavailable, match=r"hibari-tts==0\.2\.1"):
        HibariModel()


def test_an_output_is_added_by_bytes_alone() -> None:
    assert with_output(b"", "ab") == bytes.fromhex("3a0c620a0a026162 12040a020801")


def test_closing_in_the_midst_of_a_stretch_ends_it() -> None:
    stream = HibariVoice().speak(TEXT)
    next(stream)
    got: list[Speech] = []
    reader = threading.Thread(target=lambda: got.extend(stream))
    reader.start()
    time.sleep(0.005)
    stream.close()
    reader.join(5)
    assert not reader.is_alive()
    assert list(stream) == []
