"""Files that a stranger might send: broken, lying, enormous, or not what their name says."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import numpy as np
from PIL import Image

from engines.types import Rgb


@cache
def picture(size: int = 96) -> Rgb:
    """Something with edges and noise."""
    noise = np.random.default_rng(5).integers(0, 60, (size, size, 3), np.uint8)
    noise[size // 4 : size // 2, size // 3 :] += 150
    return noise


def still(kind: str, **options: object) -> bytes:
    """One picture as a file of Pillow's format `kind`."""
    data = io.BytesIO()
    Image.fromarray(picture()).save(data, kind, **options)
    return data.getvalue()


def animation(kind: str, frames: int = 3, size: int = 48, **options: object) -> bytes:
    """Pictures that move."""
    each = [Image.fromarray(np.roll(picture(size), 4 * n, 1)) for n in range(frames)]
    data = io.BytesIO()
    each[0].save(data, kind, save_all=True, append_images=each[1:], duration=40, **options)
    return data.getvalue()


@cache
def film(container: str = "mp4", codec: str = "libx264", frames: int = 12) -> bytes:
    """A short film without sound."""
    data = io.BytesIO()
    with av.open(data, "w", format=container) as out:
        quick = {"libvpx": {"deadline": "realtime"}, "libx264": {"preset": "ultrafast"}}[codec]
        stream = out.add_stream(codec, 25, options=quick)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 96
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            rgb = np.roll(picture(), 2 * number, 1)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode(None))
    return data.getvalue()


@cache
def sound() -> bytes:
    """An MP4 file in which nothing is seen."""
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as out:
        stream = out.add_stream("aac", 48000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), "fltp", "mono")
        silence.sample_rate = 48000
        out.mux(stream.encode(silence))
        out.mux(stream.encode(None))
    return data.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header says so, with a few bytes of zeros behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1 << 20), 9)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    check = zlib.crc32(name + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + name + body + check


def png_of_zeros(width: int, height: int) -> bytes:
    """All its pixels are there, a thousand times smaller."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packed = zlib.compressobj(9)
    pixels = b"".join(packed.compress(bytes(width + 1)) for _ in range(height)) + packed.flush()
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def gif_of_many(frames: int, side: int = 400) -> bytes:
    """A picture of one colour, again and again."""
    data = io.BytesIO()
    Image.new("P", (side, side)).save(data, "GIF")
    one = data.getvalue()
    start = one.index(b"\x2c" + bytes(4))
    return one[:start] + one[start:-1] * frames + b"\x3b"


def gif_claiming(side: int) -> bytes:
    """A small GIF that says it is as large as this."""
    data = still("GIF")
    return data[:6] + struct.pack("<HH", side, side) + data[10:]


def boxes_around(data: bytes, at: int) -> list[int]:
    """Where the MP4 boxes begin in which byte `at` lies."""
    found = []
    start, end = 0, len(data)
    while start + 8 <= end:
        size = int.from_bytes(data[start : start + 4], "big")
        if start <= at < start + size:
            found.append(start)
            kind = data[start + 4 : start + 8]
            start, end = start + 8 + {b"stsd": 8, b"avc1": 78}.get(kind, 0), start + size
        else:
            start += max(8, size)
    return found


def with_parameter_set(data: bytes, parameters: bytes) -> bytes:
    """An MP4 film whose H.264 decoder is told this sequence parameter set."""
    box = data.index(b"avcC") - 4
    old = int.from_bytes(data[box : box + 4], "big")
    record = data[box + 8 : box + 13] + b"\xe1" + len(parameters).to_bytes(2, "big") + parameters
    first = int.from_bytes(data[box + 14 : box + 16], "big")
    new = record + data[box + 16 + first : box + old]
    changed = bytearray(data)
    for start in boxes_around(data, box):
        size = int.from_bytes(data[start : start + 4], "big") + len(new) + 8 - old
        changed[start : start + 4] = size.to_bytes(4, "big")
    changed[box + 8 : box + old] = new
    return bytes(changed)


def parameter_set(width: int, height: int) -> bytes:
    """H.264's sequence parameter set of a film of that size (baseline, level 6.2)."""
    values = (0, 0, 0, 0, 16)  # id, frame number, order type, order bits, reference frames
    bits = "".join(_exponential_golomb(value) for value in values) + "0"
    bits += _exponential_golomb(width // 16 - 1) + _exponential_golomb(height // 16 - 1)
    bits += "1" + "1" + "0" + "0" + "1"
    bits += "0" * (-len(bits) % 8)
    body = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return b"\x67\x42\xc0\x3e" + body


def _exponential_golomb(value: int) -> str:
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def _patched(data: bytes, marker: bytes, offset: int, new: bytes) -> bytes:
    at = data.index(marker) + offset
    return data[:at] + new + data[at + len(new) :]


def _mp4_lasting_for_ever() -> bytes:
    data = film()
    for box, offset in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        data = _patched(data, box, offset, b"\xff\xff\xff\xfe")
    return data


def _zip() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("film.mp4", bytes(1 << 20))
    return data.getvalue()


def _box(name: bytes, body: bytes = b"", size: int | None = None) -> bytes:
    return (len(body) + 8 if size is None else size).to_bytes(4, "big") + name + body


_FTYP = _box(b"ftyp", b"isom\0\0\2\0isommp41")


def _nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = _box(b"moov" if len(data) % 2 else b"trak", data)
    return data


REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "empty": ("BadRequest", bytes),
    "zeros": ("WrongType", lambda: bytes(1 << 20)),
    "text": ("WrongType", lambda: b"Nothing to see here.\n" * 50),
    "zip": ("WrongType", _zip),
    "pdf": ("WrongType", lambda: b"%PDF-1.7\n" + bytes(100)),
    "elf": ("WrongType", lambda: b"\x7fELF\2\1\1" + bytes(100)),
    "svg": ("WrongType", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image/></svg>'),
    "svg with a declaration": ("WrongType", lambda: b'\n<?xml version="1.0"?><svg/>'),
    "playlist": ("WrongType", lambda: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
    "heif": ("WrongType", lambda: _box(b"ftyp", b"heic\0\0\0\0mif1heic") + bytes(100)),
    "one byte": ("WrongType", lambda: b"\xff"),
    "jpeg cut off": ("Unprocessable", lambda: still("JPEG")[:900]),
    "png cut off": ("Unprocessable", lambda: still("PNG")[:300]),
    "webp cut off": ("Unprocessable", lambda: still("WEBP")[:300]),
    "gif cut off": ("Unprocessable", lambda: still("GIF")[:40]),
    "jpeg head alone": ("Unprocessable", lambda: b"\xff\xd8\xff\xe0"),
    "png claiming 900 megapixels": ("TooLarge", lambda: png_claiming(30000, 30000)),
    "png claiming 4 billion pixels a side": (
        "TooLarge",
        lambda: png_claiming(2**31 - 1, 2**31 - 1),
    ),
    "png with too few pixels": ("Unprocessable", lambda: png_claiming(5000, 5000)),
    "gif claiming 4 gigapixels": ("TooLarge", lambda: gif_claiming(65535)),
    "mp4 cut off": ("Unprocessable", lambda: film()[: len(film()) // 2]),
    "mp4 without pictures": ("Unprocessable", sound),
    "mp4 head alone": ("Unprocessable", lambda: _FTYP),
    "mp4 with an empty moov": ("Unprocessable", lambda: _FTYP + _box(b"moov")),
    "mp4 with a box without end": ("Unprocessable", lambda: _FTYP + _box(b"moov", b"", 0)),
    "mp4 with a box of 2^63": (
        "Unprocessable",
        lambda: _FTYP + _box(b"moov", b"\x7f" + b"\xff" * 7, 1),
    ),
    "mp4 of nested boxes": ("Unprocessable", lambda: _FTYP + _nested(5000)),
    "mp4 claiming 16k by 16k": (
        "Unprocessable",
        lambda: with_parameter_set(
            _patched(film(), b"avc1", 28, struct.pack(">HH", 16384, 16384)),
            parameter_set(16384, 16384),
        ),
    ),
    "h264 with a huge parameter set": (
        "TooLarge",
        lambda: with_parameter_set(film(), parameter_set(16384, 8192)),
    ),
    "matroska head alone": ("Unprocessable", lambda: film("matroska")[:60]),
    "webm of zeros": ("Unprocessable", lambda: film("webm", "libvpx")[:100] + bytes(1 << 16)),
}
"""By what it is: the error that it gets, and what makes it."""

LOOKED_AT: dict[str, Callable[[], bytes]] = {
    "png of 49 megapixels": lambda: png_of_zeros(7000, 7000),
    "gif of 20000 pictures": lambda: gif_of_many(20000),
    "mp4 lasting for ever": _mp4_lasting_for_ever,
    "matroska lasting for ever": lambda: _patched(
        film("matroska"), b"\x44\x89\x88", 3, struct.pack(">d", 1e300)
    ),
    "webm cut off": lambda: film("webm", "libvpx", 50)[:9000],
}
"""Strange, but there is something to be seen in them."""


def write(folder: Path, make: Callable[[], bytes]) -> Path:
    """The file, under a name that says nothing of what it is."""
    file = folder / "file.mp4"
    file.write_bytes(make())
    return file
