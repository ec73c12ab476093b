"""The first bytes of a file in, what it is out: by its content, never by its name."""

from __future__ import annotations

from dataclasses import dataclass

from live.errors import BadRequest, WrongType

HEAD = 64
"""Bytes that tell."""
_TAKEN = "give MP4, MOV, WebM, MKV, JPEG, PNG, WebP or GIF"
_OTHERS = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"<svg", "an SVG drawing, which holds no pixels"),
    (b"<?xml", "an XML document, or an SVG drawing, which holds no pixels"),
    (b"RIFF", "a sound or another film format"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "a sound"),
    (b"fLaC", "a sound"),
    (b"\x1f\x8b", "an archive"),
    (b"#!", "a script"),
    (b"#EXTM3U", "a playlist, which holds no pictures"),
)
_PICTURE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid")
"""What an MP4 or QuickTime file may begin with."""


@dataclass(frozen=True, slots=True)
class Medium:
    """A kind of file that is looked at."""

    type: str
    reader: str
    """The one format of Pillow, or demuxer of FFmpeg, that it is opened with."""
    is_film: bool
    carries_credentials: bool = True
    """Whether C2PA says how, and the library does."""


_JPEG = Medium("image/jpeg", "JPEG", is_film=False)
_PNG = Medium("image/png", "PNG", is_film=False)
_GIF = Medium("image/gif", "GIF", is_film=False)
_WEBP = Medium("image/webp", "WEBP", is_film=False)
_MP4 = Medium("video/mp4", "mov", is_film=True)
_MOV = Medium("video/quicktime", "mov", is_film=True)
_WEBM = Medium("video/webm", "matroska", is_film=True, carries_credentials=False)
_MKV = Medium("video/x-matroska", "matroska", is_film=True, carries_credentials=False)
_MAGIC = (
    (0, b"\xff\xd8\xff", _JPEG),
    (0, b"\x89PNG\r\n\x1a\n", _PNG),
    (0, b"GIF87a", _GIF),
    (0, b"GIF89a", _GIF),
    (8, b"WEBPVP8", _WEBP),
)


def medium(head: bytes) -> Medium:
    """What begins with these `HEAD` bytes, or fewer where there are no more.

    Raises `WrongType`, or `BadRequest` for an empty file.
    """
    if not head:
        raise BadRequest("the file is empty")
    found = _known(head)
    if found is None:
        raise WrongType(f"this is {_otherwise(head)}; {_TAKEN}")
    return found


def _known(head: bytes) -> Medium | None:
    for at, magic, found in _MAGIC:
        if head[at:].startswith(magic):
            return found
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _WEBM if b"webm" in head else _MKV
    if head[4:8] in _BOXES and head[8:12] not in _PICTURE_BRANDS:
        return _MOV if head[4:8] != b"ftyp" or head[8:12] == b"qt  " else _MP4
    return None


def _otherwise(head: bytes) -> str:
    start = head.lstrip().lower() if head.lstrip()[:1] == b"<" else head
    for magic, words in _OTHERS:
        if start.startswith(magic):
            return words
    if head[4:8] == b"ftyp":
        return "a HEIF or AVIF picture, which is not read here"
    if not head.strip(b"\0"):
        return "a file of zeros"
    return "no picture or film that is known here"
