"""Every kind of WAV file, whole, odd, broken and hostile."""

from __future__ import annotations

import io
import struct
import wave
from uuid import UUID

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.errors import UnusableSound
from engines.sound_file import LONGEST_S, read_sound

RATE = 16_000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE // 4) / RATE)).astype(np.float32)
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
GUID = UUID("00000000-0000-0010-8000-00aa00389b71").bytes_le


def fmt(kind: int = PCM, channels: int = 1, rate: int = RATE, bits: int = 16) -> bytes:
    block = channels * bits // 8
    return struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, bits)


def extensible(kind: int = PCM, bits: int = 16) -> bytes:
    guid = struct.pack("<I", kind) + GUID[4:]
    return fmt(EXTENSIBLE, 1, RATE, bits) + struct.pack("<HHI", 22, bits, 4) + guid


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    told = len(content) if size is None else size
    return name + struct.pack("<I", told) + content + b"\0" * (len(content) % 2)


def riff(*chunks: bytes) -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def written(samples: np.ndarray, kind: str) -> bytes:
    """Little-endian samples of a kind."""
    if kind == "f4":
        return samples.astype("<f4").tobytes()
    if kind == "i2":
        return (samples * 32767).astype("<i2").tobytes()
    wide = (samples.astype(np.float64) * 2147483647).astype("<i4")
    return wide.tobytes() if kind == "i4" else wide.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("i2", fmt()),
        ("i3", fmt(bits=24)),
        ("i4", fmt(bits=32)),
        ("f4", fmt(FLOAT, bits=32)),
        ("i2", extensible()),
        ("i3", extensible(PCM, 24)),
        ("f4", extensible(FLOAT, 32)),
        ("f4", fmt(FLOAT, bits=32) + b"\0\0"),
    ],
)
def test_every_kind_of_sample(kind: str, header: bytes) -> None:
    data = riff(chunk(b"fmt ", header), chunk(b"LIST", b"abc"), chunk(b"data", written(TONE, kind)))
    samples, rate = read_sound(data)
    assert (samples.dtype.name, samples.shape, rate) == ("float32", TONE.shape, RATE)
    np.testing.assert_allclose(samples, TONE, atol=1e-4)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_two_channels_of_the_standard_library_are_averaged(rate: int) -> None:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setparams((2, 2, rate, 0, "NONE", ""))
        file.writeframes(written(np.stack([TONE, np.zeros_like(TONE)], axis=1), "i2"))
    samples, told = read_sound(stream.getvalue())
    assert told == rate
    np.testing.assert_allclose(samples, TONE / 2, atol=1e-4)


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"])
def test_what_ffmpeg_writes(codec: str) -> None:
    stream = io.BytesIO()
    with av.open(stream, "w", format="wav") as container:
        track = container.add_stream(codec, rate=RATE, layout="mono")
        assert isinstance(track, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(TONE[None], format="flt", layout="mono")
        assert isinstance(track, av.AudioStream)
        frame.sample_rate = RATE
        for packet in [*track.encode(frame), *track.encode(None)]:
            container.mux(packet)
    samples, rate = read_sound(stream.getvalue())
    assert rate == RATE
    np.testing.assert_allclose(samples, TONE, atol=1e-4)


@pytest.mark.parametrize("size", [0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_F000])
def test_a_stream_of_unknown_length_is_read_to_its_end(size: int) -> None:
    data = riff(chunk(b"fmt ", fmt()), chunk(b"data", written(TONE, "i2"), size))
    assert len(read_sound(data)[0]) == len(TONE)


def test_a_last_sample_that_is_cut_in_two_is_left_out() -> None:
    data = riff(chunk(b"fmt ", fmt()), chunk(b"data", written(TONE, "i2") + b"\1"))
    assert len(read_sound(data)[0]) == len(TONE)


def test_loud_floats_are_clipped() -> None:
    data = riff(chunk(b"fmt ", fmt(FLOAT, bits=32)), chunk(b"data", written(TONE * 9, "f4")))
    samples, _ = read_sound(data)
    assert np.abs(samples).max() == 1


def whole(header: bytes, body: bytes = written(TONE, "i2"), size: int | None = None) -> bytes:
    return riff(chunk(b"fmt ", header), chunk(b"data", body, size))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no WAV"),
        (b"ID3\4 an MP3 file", "no WAV"),
        (b"RIFF\0\0\0\0WAVE", "no header"),
        (riff(chunk(b"fmt ", fmt())), "no sound"),
        (riff(chunk(b"data", b"\0\0")), "no header"),
        (riff(*[chunk(b"junk", b"")] * 100_000, chunk(b"fmt ", fmt())), "no header"),
        (whole(fmt(), b""), "no sound"),
        (whole(fmt(), b"\1"), "no sound"),
        (whole(fmt(), size=10**6), "cut off"),
        (whole(fmt())[:-100], "cut off"),
        (whole(fmt()[:10]), "too short"),
        (whole(fmt(bits=8)), "8 bits"),
        (whole(fmt(FLOAT, bits=64)), "64 bits"),
        (whole(fmt(0x55)), "format 85"),
        (whole(extensible(0x55)), "format 85"),
        (whole(fmt(EXTENSIBLE)), "format 65534"),
        (whole(fmt(channels=0)), "0 channels"),
        (whole(fmt(channels=6)), "6 channels"),
        (whole(fmt(rate=0)), "0 samples"),
        (whole(fmt(rate=96_000)), "96000 samples"),
        (whole(fmt(FLOAT, bits=32), struct.pack("<2f", 0.1, np.nan)), "not numbers"),
        (whole(fmt(FLOAT, bits=32), struct.pack("<2f", -np.inf, 0)), "not numbers"),
    ],
)
def test_what_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(UnusableSound, match=words):
        read_sound(data)


def test_more_than_ten_minutes_are_refused() -> None:
    data = whole(fmt(rate=8_000), bytes(2 * 8_000 * 12 * 60))
    with pytest.raises(UnusableSound, match=f"12 minutes; send at most {LONGEST_S // 60} "):
        read_sound(data)


SEEDS = [
    whole(fmt()),
    whole(fmt(channels=2, bits=24)),
    whole(fmt(FLOAT, bits=32), written(TONE, "f4")),
    whole(extensible(PCM, 32), written(TONE, "i4")),
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 70), st.integers(0, 255)), max_size=12),
    st.floats(0.0, 1.0),
)
def test_damaged_files_are_read_or_refused(
    seed: bytes, damage: list[tuple[int, int]], length: float
) -> None:
    data = bytearray(seed[: int(len(seed) * length)])
    for place, value in damage:
        if place < len(data):
            data[place] = value
    try:
        samples, rate = read_sound(bytes(data))
    except UnusableSound:
        return
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert np.abs(samples).max() <= 1
    assert 8_000 <= rate <= 48_000


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(UnusableSound):
        read_sound(noise)
    with pytest.raises(UnusableSound):
        read_sound(b"RIFF\0\0\0\0WAVE" + noise)
