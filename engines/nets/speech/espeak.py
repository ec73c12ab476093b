"""espeak-ng as a teacher: its library tells when each phone begins, exactly.

espeak-ng is under GPL 3 and is a tool of training only: nothing that serves loads it.
"""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.ipa import Timed, phones_in_time
from engines.types import Floats, Phone

_SYNCHRONOUS = 2
_PHONEME_EVENTS, _IN_IPA = 1, 2
_UTF8 = 1
_RATE, _PITCH, _PITCH_RANGE = 1, 3, 4
_PHONEME = 7

ENGLISH = (
    *("en-us", "en-us", "en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-029"),
    *("en-gb-x-gbclan", "en-gb-x-gbcwmd"),
)
FOREIGN = ("de", "fr-fr", "es", "it", "pt-br", "nl", "pl", "sv", "fi", "tr", "cs", "ro", "id", "sw")
"""Languages in which espeak reads any Latin letters by its own rules."""
VARIANTS = (
    *("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "klatt"),
    *("klatt2", "klatt4", "Alex", "Alicia", "Andrea", "Annie", "linda", "steph", "belinda"),
    *("David", "Diogo", "Gene", "Hugo", "Jacky", "Lee", "Marco", "Mike", "Pedro", "Quincy", "rob"),
    *("zac", "anika", "sandro", "shelby", "travis", "victor", "grandma", "grandpa", "adam"),
    *("benjamin", "caleb", "max", "michael", "norbert", "edward", "ed"),
)


class Manner(NamedTuple):
    """Who speaks, and how."""

    voice: str
    """An espeak voice, with `+variant`."""
    words_per_minute: int = 175
    pitch: int = 50
    pitch_range: int = 50


class _Identity(ctypes.Union):
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
        ("id", _Identity),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """The library, of which a process has one."""

    def __init__(self) -> None:
        """Raises `SystemExit` where it is not installed."""
        try:
            self._library = ctypes.CDLL("libespeak-ng.so.1")
        except OSError:
            raise SystemExit("libespeak-ng.so.1 is missing; install espeak-ng") from None
        self.rate = int(
            self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS | _IN_IPA)
        )
        self._pieces: list[NDArray[np.int16]] = []
        self._starts: list[tuple[int, str]] = []
        self._callback = _Callback(self._heard)  # kept: the library holds only its address
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, text: str, manner: Manner) -> tuple[Floats, tuple[Phone, ...]]:
        """`(n,)` samples at `self.rate`, and the phones in them."""
        self._pieces.clear()
        self._starts.clear()
        self._library.espeak_SetVoiceByName(manner.voice.encode())
        self._library.espeak_SetParameter(_RATE, manner.words_per_minute, 0)
        self._library.espeak_SetParameter(_PITCH, manner.pitch, 0)
        self._library.espeak_SetParameter(_PITCH_RANGE, manner.pitch_range, 0)
        said = text.encode()
        self._library.espeak_Synth(said, len(said) + 1, 0, 0, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        if not self._pieces:
            return np.zeros(0, np.float32), ()
        samples = (np.concatenate(self._pieces) / 32768).astype(np.float32)
        return samples, self._phones(len(samples))

    def _heard(
        self, sound: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        if count > 0:
            self._pieces.append(np.ctypeslib.as_array(sound, (count,)).copy())
        number = 0
        while events[number].type != 0:
            event = events[number]
            if event.type == _PHONEME:
                self._starts.append((event.sample, event.id.string.decode("utf-8", "ignore")))
            number += 1
        return 0

    def _phones(self, length: int) -> tuple[Phone, ...]:
        ends = [start for start, _ in self._starts[1:]] + [length]
        return phones_in_time(
            Timed(symbol, self._ns(start), self._ns(end))
            for (start, symbol), end in zip(self._starts, ends, strict=True)
            if end > start
        )

    def _ns(self, sample: int) -> int:
        return sample * 1_000_000_000 // self.rate
