"""What a call says: requests come in, utterances go to the speaker, messages tell of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.sound_file import read_sound
from engines.types import Speech, SpeechStream
from engines.voices.stream import Stretches
from live import messages
from live.errors import UnusableText
from live.measures import Counts
from live.request import OpenVoice, SpeechSettings
from live.resampling import to_int16
from live.speaking import Speaker
from live.speech_feed import SpeechFeed
from live.utterance import Caption, Event, Finished, Started, Utterance

Listener = Callable[[str, Mapping[str, Any]], None]
"""Gets a message's type and its values, on the event loop."""


class Talk:
    """One call's voice. Made and used on the event loop."""

    def __init__(
        self, open_voice: OpenVoice, settings: SpeechSettings, counts: Counts, tell: Listener
    ) -> None:
        """`tell` gets every message; `open_voice` is called on other threads."""
        self.voice = settings.voice
        """What speaks unless a text asks for another."""
        self.speaker = Speaker(self._on_event, counts)
        self._open_voice = open_voice
        self._settings = settings
        self._listeners = [tell]
        self._ids = (f"u{count}" for count in itertools.count(1))

    async def say(self, values: Mapping[str, Any], ref: str | None = None) -> str:
        """Queues a text; the utterance's id. `ref` is given back with `queued`.

        Raises `Unprocessable`, `UnusableText`, `UnknownPart`, `VoiceUnavailable` or
        `TooManyRequests`.
        """
        say, settings = messages.parse_say(values), self._settings
        if len(say.text) > settings.longest_text:
            raise UnusableText(
                f"the text has {len(say.text)} characters; send at most {settings.longest_text}"
            )
        name = self.voice if say.voice is None else say.voice
        language, pace = say.language, settings.pace if say.pace is None else say.pace
        if language is None:
            language = settings.language if name == settings.voice else ""
        stream = await asyncio.to_thread(self._begun, name, say.text, language, pace)
        return self._queue(stream, length=len(say.text), ref=ref)

    async def say_sound(self, data: bytes) -> str:
        """Queues a WAV file's sound; raises `UnusableSound` or `TooManyRequests`."""
        samples, rate = await asyncio.to_thread(_read, data)
        stream = Stretches(_pieces(samples, rate))
        return self._queue(stream, seconds=len(samples) / rate)

    def say_feed(self, rate: int, named: Callable[[str], None]) -> SpeechFeed:
        """Queues sound that is still to come; raises `Unprocessable` or `TooManyRequests`.

        `named` gets the utterance's id before anything is told of it.
        """
        feed = SpeechFeed(rate)
        self._queue(feed, named=named)
        return feed

    def interrupt(self) -> list[dict[str, Any]]:
        """Makes silence; what each utterance had reached, as in `finished`."""
        return [_values(end) for end in self.speaker.interrupt()]

    async def choose(self, voice: str) -> None:
        """Speaks with another voice from now on; raises `UnknownPart`, `VoiceUnavailable`."""
        await asyncio.to_thread(self._open_voice, voice)
        self.voice = voice

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tells one more of what is told; the function returned ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def report(self) -> dict[str, Any]:
        """Whether something is said, what waits, and how soon the first sound came."""
        return {
            "speaking": self.speaker.speaking,
            "queued": self.speaker.waiting,
            "voice": self.voice,
            "first_sound_ms": self.speaker.first_sound.report(),
        }

    def _begun(self, voice: str, text: str, language: str, pace: float) -> SpeechStream:
        return self._open_voice(voice).speak(text, language=language, pace=pace)

    def _queue(
        self,
        stream: SpeechStream,
        *,
        length: int = 0,
        seconds: float = 0,
        ref: str | None = None,
        named: Callable[[str], None] = lambda utterance: None,
    ) -> str:
        utterance = Utterance(next(self._ids), stream, length=length, seconds=seconds)
        self.speaker.say(utterance)
        named(utterance.id)
        self._tell("queued", {"utterance": utterance.id} | ({} if ref is None else {"ref": ref}))
        return utterance.id

    def _on_event(self, event: Event) -> None:
        match event:
            case Started():
                self._tell("started", {"utterance": event.utterance})
            case Caption():
                values = {"start": event.start, "text": event.text, "final": event.final}
                self._tell("caption", {"utterance": event.utterance, **values})
            case Finished():
                self._tell("finished", _values(event))

    def _tell(self, type: str, values: Mapping[str, Any]) -> None:
        for listener in list(self._listeners):
            listener(type, values)


def _values(end: Finished) -> dict[str, Any]:
    values = {
        "utterance": end.utterance,
        "reason": str(end.reason),
        "characters": end.characters,
        "seconds": round(end.seconds, 3),
    }
    return values | ({"message": end.message} if end.message else {})


def _read(data: bytes) -> tuple[NDArray[np.int16], int]:
    """A WAV file's samples, in half of the memory."""
    samples, rate = read_sound(data)
    return to_int16(samples), rate


def _pieces(samples: NDArray[np.int16], rate: int) -> Generator[Speech, None, None]:
    """A second at a time."""
    for start in range(0, len(samples), rate):
        piece = np.asarray(samples[start : start + rate], np.float32) / np.float32(32767)
        yield Speech(piece, rate, None, "")
