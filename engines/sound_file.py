"""An uploaded WAV file goes in, mono samples come out; anything else is refused.

8 to 48 kHz, one or two channels, 16, 24 or 32-bit integers or 32-bit floats, in a plain or an
extensible header (Microsoft, "Multiple Channel Audio Data and WAVE Files"). A header that gives no
length, as those of streams do, is read to the end of the file.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from engines.errors import UnusableSound
from engines.types import Floats

SLOWEST_RATE, FASTEST_RATE = 8_000, 48_000
LONGEST_S = 600
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_MEDIA_SUBTYPE = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the format's number in an extensible header."""
_STREAMED = 0x7FFF_F000
"""Sizes from here on are what programs write that do not know the length."""
_MOST_CHUNKS = 64


class _Format(NamedTuple):
    kind: int
    channels: int
    rate: int
    bits: int


def read_sound(data: bytes) -> tuple[Floats, int]:
    """The samples of a WAV file, `(n,)` float32 mono, −1…1, and its rate in Hz.

    Two channels are averaged; floats beyond ±1 are clipped. Raises `UnusableSound`.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise UnusableSound("this is no WAV file; send one: 16-bit, 8 to 48 kHz, mono will do")
    header, body = _chunks(memoryview(data))
    form = _format(header)
    frame = form.channels * form.bits // 8
    frames = len(body) // frame
    if not frames:
        raise UnusableSound("the WAV file holds no sound; send one that does")
    if frames > LONGEST_S * form.rate:
        raise UnusableSound(
            f"the sound lasts {frames / form.rate / 60:.0f} minutes; send at most"
            f" {LONGEST_S // 60} at once"
        )
    samples = _samples(body[: frames * frame], form).reshape(frames, form.channels)
    if form.channels == 1:
        return samples[:, 0], form.rate
    return samples.mean(axis=1, dtype=np.float32), form.rate


def _chunks(data: memoryview) -> tuple[memoryview, memoryview]:
    """The contents of the chunks `fmt ` and `data`."""
    header: memoryview | None = None
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            break
        name, size = struct.unpack_from("<4sI", data, at)
        content = data[at + 8 : at + 8 + size]
        if name == b"data" and header is not None:
            if len(content) < size < _STREAMED:
                raise UnusableSound(
                    f"the WAV file is cut off: it says that {size} bytes of sound follow and"
                    f" {len(content)} do; send the whole file"
                )
            return header, content
        if name == b"fmt ":
            header = content
        at += 8 + size + size % 2
    missing = "sound" if header is not None else "header that tells the format of its sound"
    raise UnusableSound(f"the WAV file has no {missing}; send a whole one")


def _format(header: memoryview) -> _Format:
    if len(header) < 16:
        raise UnusableSound("the WAV file's header is too short to be one; send a whole file")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", header)
    if kind == _EXTENSIBLE and len(header) >= 40 and header[26:40] == _MEDIA_SUBTYPE:
        (kind,) = struct.unpack_from("<H", header, 24)
    if (kind, bits) not in ((_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32)):
        raise UnusableSound(
            f"the WAV file's samples have {bits} bits in format {kind}; send 16, 24 or 32-bit"
            " integers (format 1) or 32-bit floats (format 3)"
        )
    if channels not in (1, 2):
        raise UnusableSound(f"the WAV file has {channels} channels; send one or two")
    if not SLOWEST_RATE <= rate <= FASTEST_RATE:
        raise UnusableSound(
            f"the WAV file has {rate} samples a second; send {SLOWEST_RATE} to {FASTEST_RATE}"
        )
    return _Format(kind, channels, rate, bits)


def _samples(body: memoryview, form: _Format) -> Floats:
    """`(frames * channels,)` float32, −1…1."""
    if form.kind == _FLOAT:
        floats = np.frombuffer(body, "<f4")
        if not np.isfinite(floats).all():
            raise UnusableSound(
                "some samples of the WAV file are not numbers; mend what writes them"
            )
        return np.asarray(np.clip(floats, -1, 1), np.float32)
    if form.bits == 24:
        wide = np.zeros((len(body) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        integers = wide.view("<i4")[:, 0]
    else:
        integers = np.frombuffer(body, f"<i{form.bits // 8}")
    full = 1 << (15 if form.bits == 16 else 31)
    return np.asarray(integers, np.float32) / np.float32(full)
