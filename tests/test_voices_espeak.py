"""eSpeak NG in its own process: many languages, exact phones, an end at any moment."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from engines import registry
from engines.errors import UnusableText, VoiceUnavailable
from engines.types import Voice
from engines.voices import espeak, espeak_process
from engines.voices.espeak import EspeakVoice
from engines.voices.helper import Helper
from engines.voices.text import LONGEST
from tests.spoken import best_shift_ms, levels, phones_of, within

TEXT = "Good morning, and welcome to the front desk. It costs $3.50 for the bottle of apple juice."


@pytest.fixture(scope="module")
def voice() -> EspeakVoice:
    try:
        return EspeakVoice()
    except VoiceUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    before = {child.pid for child in psutil.Process().children()}
    yield
    assert {child.pid for child in psutil.Process().children()} <= before


def names(voice: EspeakVoice, text: str, language: str) -> str:
    return " ".join(
        phone.name
        for speech in voice.speak(text, language=language)
        for phone in phones_of(speech)
        if phone.name != "SIL"
    )


@pytest.mark.usefixtures("voice")
def test_it_is_registered_and_a_voice() -> None:
    assert isinstance(registry.voice("espeak"), Voice)


@pytest.mark.parametrize(
    ("text", "language", "phones"),
    [
        ("Bob makes a map.", "", "B AA B M EY K S AH M AE P"),
        ("Bonjour!", "fr", "B AO ZH UW G"),
        ("Größe", "de-AT", "G D UH S AH"),
        ("Buenos días", "es-MX", "B W EH N OW S DH IY AA S"),
        ("Привет", "ru", "P R IY V EH T"),
        ("नमस्ते", "hi", "N AH M AH S T EH"),
    ],
)
def test_what_is_said(voice: EspeakVoice, text: str, language: str, phones: str) -> None:
    assert names(voice, text, language) == phones


def test_stress_falls_where_speakers_put_it(voice: EspeakVoice) -> None:
    (speech,) = voice.speak("Apple banana tomorrow.")
    assert [phone.name for phone in phones_of(speech) if phone.stressed] == ["AE", "AE", "AA"]


def test_it_is_silent_where_the_phones_say_so_and_nowhere_else(voice: EspeakVoice) -> None:
    for speech in voice.speak(TEXT):
        level, silent = levels(speech), within(speech, {"SIL"})
        assert np.mean(level[silent] > 0.02) < 0.1
        assert np.mean(level[~silent & ~within(speech, {"P", "T", "K", "CH"})] < 0.005) < 0.1


@pytest.mark.parametrize("pace", [0.5, 1.0, 2.0])
def test_vowels_are_where_it_is_loud_at_every_pace(voice: EspeakVoice, pace: float) -> None:
    assert abs(best_shift_ms(list(voice.speak(TEXT, pace=pace)))) <= 20


def test_lips_are_closed_before_they_burst(voice: EspeakVoice) -> None:
    (speech,) = voice.speak("Oh, happy papa.")
    closures = [phone for phone in phones_of(speech) if phone.name == "P"]
    level = levels(speech)
    assert len(closures) == 3
    for phone in closures:
        assert 40e6 <= phone.end_ns - phone.start_ns <= 160e6
        assert level[phone.start_ns // 10_000_000 + 1] < 0.1


def test_every_language_has_words_for_numbers(voice: EspeakVoice) -> None:
    assert len(voice.languages) > 90
    assert voice.languages[0] == "en-US"
    for language in ("cmn", "zh", "pt-BR", "fa-Latn", "cy", "sw", "vi-VN-x-south"):
        assert names(voice, "1 2 3", language)


def test_another_language_is_refused(voice: EspeakVoice) -> None:
    with pytest.raises(UnusableText, match="tlh"):
        voice.speak("nuqneH", language="tlh")


def test_ten_thousand_characters_and_odd_ones(voice: EspeakVoice) -> None:
    text = (TEXT + " 😀 \x00 \ud800 [[h@l'oU]] <b> \n") * 90
    stream = voice.speak(text[:LONGEST])
    said = [next(stream) for _ in range(5)]
    assert text.startswith("".join(speech.text for speech in said))
    stream.close()
    assert list(stream) == []


def test_closing_from_another_thread_ends_the_process_at_once(
    voice: EspeakVoice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deaf = tmp_path / "deaf.py"
    deaf.write_text("import time\nprint('{\"rate\": 9}', flush=True)\ntime.sleep(30)\n")
    monkeypatch.setattr(espeak_process, "__file__", str(deaf))
    stream = voice.speak(TEXT)
    got: list[object] = []
    reader = threading.Thread(target=lambda: got.extend(stream))
    reader.start()
    time.sleep(0.3)
    began = time.perf_counter()
    stream.close()
    reader.join(5)
    assert time.perf_counter() - began < 3
    assert got == []


def test_a_process_that_does_not_answer_is_given_up(
    voice: EspeakVoice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deaf = tmp_path / "deaf.py"
    deaf.write_text("import time\ntime.sleep(30)\n")
    monkeypatch.setattr(espeak_process, "__file__", str(deaf))
    monkeypatch.setattr(espeak, "_START_S", 0.2)
    with pytest.raises(VoiceUnavailable, match="in time"):
        next(voice.speak(TEXT))


def test_a_process_that_breaks_off_says_so(
    voice: EspeakVoice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("print('{\"rate\": 22050}')\n")
    monkeypatch.setattr(espeak_process, "__file__", str(broken))
    with pytest.raises(VoiceUnavailable, match="broke off"):
        next(voice.speak(TEXT))


def test_where_it_is_not_installed_the_error_says_what_to_install() -> None:
    with pytest.raises(VoiceUnavailable, match="apt-get install espeak-ng"):
        EspeakVoice({"library": "/nowhere/libespeak-ng.so"})
    with pytest.raises(VoiceUnavailable, match="only library"):
        EspeakVoice({"voice": "x"})


_SPEAKS = """
import psutil
from engines.voices.espeak import EspeakVoice
assert list(EspeakVoice().speak("Hello."))
print([each.path for each in psutil.Process().memory_maps() if "espeak" in each.path])
"""


@pytest.mark.usefixtures("voice")
def test_the_library_is_never_in_the_process_that_speaks() -> None:
    """One of its own: where the tools of training are, this one has loaded it for their tests."""
    told = subprocess.run([sys.executable, "-c", _SPEAKS], check=True, capture_output=True)
    assert told.stdout.strip() == b"[]"


def test_no_key_reaches_the_process(voice: EspeakVoice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAVIS_SECRET", "x")
    with voice._started() as helper:
        assert "VISAVIS_SECRET" not in psutil.Process(helper.pid).environ()


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(VoiceUnavailable, match="cannot be started"):
        Helper(["/nowhere/program"], {})


def test_bytes_after_a_line() -> None:
    program = "import sys; line = sys.stdin.readline(); print(line.strip()); print('end', end='')"
    with Helper([sys.executable, "-c", program], {}) as helper:
        helper.ask({"a": 1})
        assert helper.answer(10) == {"a": 1}
        assert helper.content(3, 10) == b"end"
        with pytest.raises(VoiceUnavailable):
            helper.content(1, 10)


def test_a_line_that_is_no_json_or_never_ends() -> None:
    with (
        Helper([sys.executable, "-c", "print('oops')"], {}) as helper,
        pytest.raises(VoiceUnavailable),
    ):
        helper.answer(10)
    endless = "import sys\nwhile True: sys.stdout.write('x' * 100000)"
    with Helper([sys.executable, "-c", endless], {}) as helper, pytest.raises(VoiceUnavailable):
        helper.answer(10)
