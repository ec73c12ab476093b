"""A speech service is asked as its interface says, and whatever it answers has a plain end."""

from __future__ import annotations

import io
import json
import threading
import time
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from engines import registry
from engines.errors import UnusableText, VoiceUnavailable
from engines.types import Voice
from engines.voices import openai
from engines.voices.openai import OpenAiVoice

KEY = "sk-secret-123"
RATE = 24_000
TONE = (8000 * np.sin(np.arange(RATE // 2) / 20)).astype("<i2")


def wav() -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(TONE.tobytes())
    return stream.getvalue()


WAV = wav()
STREAMED = WAV[:40] + b"\xff\xff\xff\xff" + WAV[44:]


class Service(ThreadingHTTPServer):
    """A stand-in: answers in the manner asked for and remembers what it was asked."""

    daemon_threads = True
    manner = "wav"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []
        self.released = threading.Event()
        self.hung = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/"


class _Answer(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        manner = self.server.manner
        try:
            if manner.isdecimal():
                self._head(int(manner), "application/json", 2, Location="http://127.0.0.1:9/v1")
                self.wfile.write(b"{}")
            elif manner == "hang":
                self._head(200, "audio/wav", len(WAV))
                self.wfile.write(WAV[:2000])
                self.server.hung.set()
                self.server.released.wait(10)
            elif manner == "cut":
                self._head(200, "audio/wav", len(WAV))
                self.wfile.write(WAV[:2000])
            elif manner == "endless":
                self._head(200, "audio/wav", None)
                while True:
                    self.wfile.write(bytes(1 << 16))
            else:
                kind, content = {
                    "wav": ("audio/wav", WAV),
                    "streamed": ("audio/wav", STREAMED),
                    "pcm": ("audio/pcm;rate=16000", TONE.tobytes()),
                    "page": ("text/html", b"<html>"),
                }[manner]
                self._head(200, kind, None if manner == "streamed" else len(content))
                self.wfile.write(content)
        except ConnectionError:
            pass

    def _head(self, status: int, kind: str, length: int | None, **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in more.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def voice(service: Service, **options: str) -> OpenAiVoice:
    return OpenAiVoice({"base_url": service.base_url, "api_key": KEY, **options})


def test_it_is_registered_and_a_voice(service: Service) -> None:
    assert isinstance(registry.voice("openai", {"base_url": service.base_url}), Voice)
    assert not service.asked


def test_one_request_a_stretch_as_the_interface_says(service: Service) -> None:
    stream = voice(service, model="m", voice="v").speak("Good morning. Come in!", pace=1.5)
    first = next(stream)
    assert service.asked == [
        (
            "/v1/audio/speech",
            f"Bearer {KEY}",
            {"model": "m", "voice": "v", "input": "Good morning. ", "response_format": "wav"}
            | {"speed": 1.5},
        )
    ]
    assert (first.text, first.rate, first.phones) == ("Good morning. ", RATE, None)
    np.testing.assert_allclose(first.samples, TONE / 32768, atol=1e-6)
    assert [speech.text for speech in stream] == ["Come in!"]


def test_without_a_key_none_is_sent(service: Service) -> None:
    list(OpenAiVoice({"base_url": service.base_url}).speak("Good morning."))
    ((_, key, body),) = service.asked
    assert key is None
    assert "speed" not in body


@pytest.mark.parametrize(("manner", "rate"), [("streamed", RATE), ("pcm", 16_000)])
def test_other_ways_to_answer(service: Service, manner: str, rate: int) -> None:
    service.manner = manner
    (speech,) = voice(service).speak("Good morning.")
    assert speech.rate == rate
    np.testing.assert_allclose(speech.samples, TONE / 32768, atol=1e-6)


@pytest.mark.parametrize(
    ("manner", "words"),
    [
        ("302", "HTTP 302"),
        ("400", "openai_model"),
        ("401", "openai_key"),
        ("404", "openai_url"),
        ("429", "later"),
        ("500", "HTTP 500"),
        ("cut", "broke off"),
        ("page", "WAV"),
        ("hang", "in time"),
        ("endless", "far more"),
    ],
)
def test_trouble_has_words_and_no_secrets(
    service: Service, manner: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "_SILENT_S", 0.2)
    monkeypatch.setattr(openai, "_LARGEST", 1 << 20)
    service.manner = manner
    with pytest.raises(VoiceUnavailable, match=words) as caught:
        next(voice(service).speak("Good morning."))
    told = str(caught.value)
    assert KEY not in told
    assert "morning" not in told
    assert str(service.server_port) not in told
    assert len(service.asked) == 1  # a redirect is not followed


def test_nobody_there() -> None:
    with Service() as closed:
        address = closed.base_url
    with pytest.raises(VoiceUnavailable, match="cannot be reached"):
        next(OpenAiVoice({"base_url": address}).speak("Good morning."))


def test_proxies_of_the_environment_are_not_asked(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert len(list(voice(service).speak("Good morning."))) == 1


def test_closing_from_another_thread_ends_a_request_at_once(service: Service) -> None:
    service.manner = "hang"
    stream = voice(service).speak("Good morning.")
    got: list[Any] = []
    reader = threading.Thread(target=lambda: got.extend(stream))
    reader.start()
    assert service.hung.wait(5)
    began = time.perf_counter()
    stream.close()
    reader.join(5)
    assert time.perf_counter() - began < 3
    assert got == []


def test_what_is_not_asked_for_is_not_requested(service: Service) -> None:
    stream = voice(service).speak("One. Two. Three.")
    next(stream)
    stream.close()
    assert list(stream) == []
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"base_url": "ftp://127.0.0.1/"},
        {"base_url": "http://"},
        {"base_url": "http://user:key@127.0.0.1/"},
        {"base_url": "http://127.0.0.1:99999/"},
        {"base_url": "http://127.0.0.1/?key=1"},
        {"base_url": "http://127.0.0.1/", "api_key": "a\nb"},
        {"base_url": "http://127.0.0.1/", "url": "x"},
    ],
)
def test_wrong_options_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(VoiceUnavailable, match="setting"):
        OpenAiVoice(options)


def test_languages_are_any_or_those_of_the_settings(service: Service) -> None:
    assert voice(service).languages == ("mul",)
    assert len(list(voice(service).speak("Guten Tag.", language="de-AT"))) == 1
    german = voice(service, languages="de, de-AT")
    assert german.languages == ("de", "de-AT")
    with pytest.raises(UnusableText, match="de-AT"):
        german.speak("Hello.", language="en")
