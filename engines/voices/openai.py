"""A voice behind any service that speaks OpenAI's `POST /audio/speech`, local or remote.

Nothing but the address in the settings is ever asked: no proxy of the environment, no redirect. One
request a stretch, so what was not asked for before an interruption is never made. The service does
not tell its phones.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import SplitResult, urlsplit

import numpy as np

from engines.errors import UnusableSound, VoiceUnavailable
from engines.sound_file import read_sound
from engines.types import Floats, SpeechStream
from engines.voices.splitting import stretches
from engines.voices.stream import Said, Stretches, with_text
from engines.voices.text import ANY_LANGUAGE, check, plain

_OPTIONS = ("base_url", "api_key", "model", "voice", "languages")
_MODEL, _VOICE = "tts-1", "alloy"
_CONNECT_S, _SILENT_S, _WHOLE_S = 5.0, 20.0, 60.0
_LARGEST = 16 << 20
_PCM_RATE = 24_000
_BLOCK = 1 << 16
_ADVICE = {
    400: "check the settings voice.openai_model and voice.openai_voice",
    401: "check the setting voice.openai_key",
    403: "check the setting voice.openai_key",
    404: "check the settings voice.openai_url, openai_model and openai_voice",
    422: "check the settings voice.openai_model and voice.openai_voice",
    429: "it has had too many requests, or no credit is left; try again later",
}


class OpenAiVoice:
    """A `Voice`."""

    name = "openai"

    def __init__(self, options: Mapping[str, str]) -> None:
        """Asks nothing of the service yet. Raises `VoiceUnavailable` where the options are wrong.

        `base_url`: up to and without `/audio/speech`, as `https://host/v1`; `api_key`: by default
        none; `model`, `voice`: by their names there; `languages`: BCP 47 tags with commas between
        them, by default any.
        """
        if unknown := sorted(set(options) - set(_OPTIONS)):
            raise VoiceUnavailable(
                f"the voice openai has no setting {', '.join(unknown)}; it has"
                f" {', '.join(_OPTIONS)}"
            )
        self._address = _address(options.get("base_url", ""))
        key = options.get("api_key", "")
        if not (key.isascii() and key.isprintable()):
            raise VoiceUnavailable("the setting voice.openai_key is no key; correct it")
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._model = options.get("model") or _MODEL
        self._voice = options.get("voice") or _VOICE
        told = options.get("languages", "").replace(",", " ").split()
        self.languages: tuple[str, ...] = tuple(told) or (ANY_LANGUAGE,)

    def speak(self, text: str, *, language: str = "", pace: float = 1.0) -> SpeechStream:
        """See `Voice`; phones are not known. The language is left to the service."""
        check(text, language=language, pace=pace, voice=self)
        line = _Line()

        def said(part: str) -> Iterator[Said]:
            if any(map(str.isalnum, part)):
                samples, rate = _sound(*self._ask(line, plain(part), pace))
                yield Said(samples, rate, None)

        return Stretches(with_text(stretches(text), said), line.hang_up)

    def close(self) -> None:
        """Does nothing: every stretch has a connection of its own."""

    def _ask(self, line: _Line, text: str, pace: float) -> tuple[bytes, str]:
        """The body and the content type of the answer."""
        request: dict[str, str | float] = {"model": self._model, "voice": self._voice}
        request |= {"input": text, "response_format": "wav"}
        if pace != 1:  # not every service knows it
            request["speed"] = pace
        until = time.monotonic() + _WHOLE_S
        try:
            with line.open(self._address) as connection:
                path = f"{self._address.path.rstrip('/')}/audio/speech"
                connection.request("POST", path, json.dumps(request), self._headers)
                with connection.getresponse() as answer:
                    if answer.status != http.HTTPStatus.OK:
                        raise _refused(answer.status)
                    return _body(answer, until), answer.headers.get("Content-Type", "")
        except TimeoutError as error:
            raise VoiceUnavailable(
                "the speech service does not answer in time; try again"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise VoiceUnavailable(
                f"the speech service cannot be reached or broke off ({type(error).__name__}); check"
                " that it runs and the setting voice.openai_url"
            ) from None


class _Line:
    """The connection of one text, which another thread may cut."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._cut = threading.Event()

    @contextmanager
    def open(self, address: SplitResult) -> Iterator[http.client.HTTPConnection]:
        """A connection to the host of the address."""
        secure = address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        assert address.hostname is not None
        connection = kind(address.hostname, address.port, timeout=_CONNECT_S)
        try:
            connection.connect()
            self._socket = connection.sock
            self._socket.settimeout(_SILENT_S)
            if self._cut.is_set():
                self.hang_up()
            yield connection
        finally:
            self._socket = None
            connection.close()

    def hang_up(self) -> None:
        """Makes whoever reads or writes break off; any thread."""
        self._cut.set()
        if (open_socket := self._socket) is not None:
            # Not the method of a TLS socket, which takes its state away from under the reader.
            with suppress(OSError):
                socket.socket.shutdown(open_socket, socket.SHUT_RDWR)


def _address(base_url: str) -> SplitResult:
    address = urlsplit(base_url)
    try:
        usable = address.scheme in ("http", "https") and address.hostname and address.port != 0
    except ValueError:  # of the port
        usable = False
    if not usable or address.query or address.fragment or "@" in address.netloc:
        raise VoiceUnavailable(
            "the voice openai needs the setting voice.openai_url, such as https://host/v1,"
            " without a key in it"
        )
    return address


def _refused(status: int) -> VoiceUnavailable:
    advice = _ADVICE.get(
        status, "check that it runs and the setting voice.openai_url, or try again later"
    )
    return VoiceUnavailable(f"the speech service refuses (HTTP {status}): {advice}")


def _body(answer: http.client.HTTPResponse, until: float) -> bytes:
    body = bytearray()
    while block := answer.read1(_BLOCK):
        body += block
        if len(body) > _LARGEST:
            raise VoiceUnavailable("the speech service sends far more sound than the text is long")
        if time.monotonic() > until:
            raise TimeoutError
    if answer.length:
        raise http.client.IncompleteRead(b"", answer.length)
    return bytes(body)


def _sound(body: bytes, content_type: str) -> tuple[Floats, int]:
    """Samples and rate of a WAV file, or of the bare 16-bit samples that some services send."""
    if re.match(r"audio/(?:x-)?(?:pcm|l16)\b", content_type, re.IGNORECASE) and body[:4] != b"RIFF":
        told = re.search(r"rate=(\d{4,5})\b", content_type)
        samples = np.frombuffer(body[: len(body) // 2 * 2], "<i2")
        return np.asarray(samples, np.float32) / np.float32(32768), int(
            told[1] if told else _PCM_RATE
        )
    try:
        return read_sound(body)
    except UnusableSound as error:
        raise VoiceUnavailable(
            f"the speech service answers with something else than a usable WAV file: {error}"
        ) from error
