"""The process's voices: which there are, opened once each, and told what the settings say."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import pytest

from engines import registry
from engines.errors import UnknownPart, VoiceUnavailable
from engines.types import Voice
from live.settings import Settings
from live.voices import Voices
from tests.test_speaking import until
from tests.voices import ToneVoice


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[ToneVoice]:
    """Two voices, of which one is not there; what was opened of them."""
    made: list[ToneVoice] = []

    def voice(name: str, options: Mapping[str, str] | None = None) -> Voice:
        if name == "gone":
            raise VoiceUnavailable("the voice's program is not installed; install it")
        time.sleep(0.02)
        made.append(ToneVoice(name))
        return made[-1]

    monkeypatch.setattr(registry, "names", lambda group: ["gone", "tone"])
    monkeypatch.setattr(registry, "voice", voice)
    return made


def test_a_voice_is_opened_once(opened: list[ToneVoice]) -> None:
    voices = Voices({}, "tone")
    found: list[Voice] = []
    threads = [threading.Thread(target=lambda: found.append(voices.open("tone"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [opened[0]] * 8
    voices.close()
    assert opened[0].closed


def test_the_catalogue_says_what_is_missing(opened: list[ToneVoice]) -> None:
    assert Voices({}, "tone").catalogue() == {
        "voices": [
            {
                "name": "gone",
                "available": False,
                "languages": [],
                "missing": "the voice's program is not installed; install it",
            },
            {"name": "tone", "available": True, "languages": ["en", "de"]},
        ],
        "default": "tone",
    }


def test_an_unknown_voice(opened: list[ToneVoice]) -> None:
    with pytest.raises(UnknownPart):
        Voices({}, "tone").open("nobody")


def test_the_default_voice_is_warmed_but_no_service_is_asked(
    opened: list[ToneVoice], caplog: pytest.LogCaptureFixture
) -> None:
    voices = Voices({"tone": {}}, "tone")
    voices.warm()
    until(lambda: bool(opened and opened[0].said))
    voices.close()
    paid = Voices({"tone": {"base_url": "https://speech.example.org/v1"}}, "tone")
    paid.warm()
    paid.close()
    assert len(opened) == 1
    Voices({}, "gone").warm()
    until(lambda: "cannot speak" in caplog.text)


def test_voices_are_told_what_the_settings_say() -> None:
    settings = Settings.model_validate(
        {
            "voice": {
                "espeak_library": "/opt/libespeak-ng.so",
                "openai_url": "http://localhost:9000/v1",
                "openai_key": "k",
                "openai_languages": "en, de",
            }
        }
    )
    assert settings.voice.options() == {
        "espeak": {"library": "/opt/libespeak-ng.so"},
        "openai": {"base_url": "http://localhost:9000/v1", "api_key": "k", "languages": "en, de"},
    }
    assert Settings().voice.options() == {"espeak": {}, "openai": {}}
    assert "k" not in repr(settings.voice.openai_key)
