"""Runs eSpeak NG and nothing else: requests come in by stdin, sound and phones go out by stdout.

A program of its own, started by `espeak.py`, so that the library, which is under the GPL, is never
loaded into the server. It needs the standard library only, and ends when its stdin does.

    python espeak_process.py LIBRARY

First it writes one line of JSON: `{"rate": Hz, "voices": [[identifier, [[priority, tag], …]], …]}`,
or `{"error": words}`. Then for each line `{"text", "voice", "words_a_minute"}` it writes a line
`{"bytes", "sounds": [[sample, IPA], …], "spelt": [IPA, …]}` and that many bytes of 16-bit samples.
`sounds` are what is heard and from which sample on, `spelt` the same with stress marks, roughly.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

_SYNCHRONOUS = 2
_PHONEME_EVENTS, _IPA_EVENTS, _DONT_EXIT = 1, 2, 0x8000
_RATE, _PITCH, _RANGE = 1, 3, 4
_EVENT_END, _EVENT_PHONEME = 0, 7
_UTF8, _END_PAUSE = 1, 0x1000
_IPA, _SEPARATOR = 2, "_"


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Samples = ctypes.POINTER(ctypes.c_short)
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, _Samples, ctypes.c_int, ctypes.POINTER(_Event))


class Espeak:
    """The library; prototypes from its header speak_lib.h."""

    def __init__(self, library: str) -> None:
        """Raises `OSError` where the library or its data cannot be loaded."""
        self._lib = ctypes.CDLL(library)
        options = _PHONEME_EVENTS | _IPA_EVENTS | _DONT_EXIT
        self.rate: int = self._lib.espeak_Initialize(_SYNCHRONOUS, 0, None, options)
        if self.rate <= 0:
            raise OSError("its data are missing")
        self._lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._callback = _Callback(self._on_sound)  # kept: the library holds no reference
        self._lib.espeak_SetSynthCallback(self._callback)
        self._samples = bytearray()
        self._sounds: list[tuple[int, str]] = []

    def voices(self) -> list[tuple[str, list[tuple[int, str]]]]:
        """Each voice's identifier and its languages: a priority (lower is better) and a tag."""
        listed = self._lib.espeak_ListVoices(None)
        found = []
        at = 0
        while listed[at]:
            voice = listed[at].contents
            found.append((voice.identifier.decode(), list(_languages(voice.languages))))
            at += 1
        return found

    def say(
        self, text: str, voice: str, words_a_minute: int, pitch: int = 50, pitch_range: int = 50
    ) -> dict[str, Any]:
        """The reply to one request, with the samples under `"samples"`."""
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise OSError("the voice is gone")
        for parameter, value in ((_RATE, words_a_minute), (_PITCH, pitch), (_RANGE, pitch_range)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        self._samples, self._sounds = bytearray(), []
        encoded = text.encode()
        spelt = list(self._spelt(encoded))
        self._lib.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _UTF8 | _END_PAUSE, None, None)
        self._lib.espeak_Synchronize()
        return {"samples": self._samples, "sounds": self._sounds, "spelt": spelt}

    def _on_sound(self, samples: Any, count: int, events: Any) -> int:
        if count > 0:
            self._samples += ctypes.string_at(samples, 2 * count)
        at = 0
        while events[at].type != _EVENT_END:
            if events[at].type == _EVENT_PHONEME:
                # The name is cut after 8 bytes, which may be within a character.
                name = events[at].id.string.decode("utf-8", "ignore")
                self._sounds.append((events[at].sample, name))
            at += 1
        return 0

    def _spelt(self, text: bytes) -> Any:
        """The symbols of the text with stress marks, clause by clause."""
        rest = ctypes.c_char_p(text)
        while rest.value:
            clause = self._lib.espeak_TextToPhonemes(
                ctypes.byref(rest), _UTF8, _IPA | ord(_SEPARATOR) << 8
            )
            for word in clause.decode("utf-8", "ignore").split():
                yield from filter(None, word.split(_SEPARATOR))


def _languages(listed: int) -> Any:
    """Pairs of a byte, the priority, and a string, until a zero byte."""
    at = listed
    while priority := ctypes.string_at(at, 1)[0]:
        tag = ctypes.string_at(at + 1)
        yield priority, tag.decode()
        at += len(tag) + 2


def main(library: str) -> None:
    """Serves requests until there are no more."""
    out = sys.stdout.buffer
    try:
        espeak = Espeak(library)
    except (OSError, AttributeError) as error:
        out.write(json.dumps({"error": str(error)}).encode() + b"\n")
        return
    out.write(json.dumps({"rate": espeak.rate, "voices": espeak.voices()}).encode() + b"\n")
    out.flush()
    for line in sys.stdin.buffer:
        reply = espeak.say(**json.loads(line))
        samples = reply.pop("samples")
        out.write(json.dumps({"bytes": len(samples), **reply}).encode() + b"\n" + samples)
        out.flush()


if __name__ == "__main__":
    main(sys.argv[1])
