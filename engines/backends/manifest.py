"""What stands in front of a kept build: what it is, made by what and for what, and its checksum.

A kept file is one line of JSON and then the build. Nothing of it is loaded unless the line says
just what is looked for, and the build has the length and the SHA-256 that the line says.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import BinaryIO, ClassVar

_LONGEST_LINE = 1 << 16


@dataclass(frozen=True, slots=True)
class Key:
    """All that decides what a build is: the fields of a subclass."""

    format: ClassVar[str]
    """Of kept files of this kind, with a number."""

    @property
    def digest(self) -> str:
        """32 hexadecimal digits: the file's name."""
        return hashlib.sha256(_json(asdict(self))).hexdigest()[:32]


def packed(key: Key, build: bytes) -> bytes:
    """A kept file's content."""
    return _json({**_said(key), "bytes": len(build), "sha256": _sha256(build)}) + b"\n" + build


def unpacked(file: BinaryIO, key: Key) -> bytes | str:
    """The build in a kept file, or why it cannot be used."""
    line = file.readline(_LONGEST_LINE)
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return "it has no manifest"
    if not isinstance(said, dict) or line != _json(said) + b"\n":
        return "its manifest is damaged"
    size, sha256 = said.pop("bytes", None), said.pop("sha256", None)
    if _json(said) != _json(_said(key)):
        return "it was made of or for something else"
    if type(size) is not int or not 0 < size < 1 << 40:
        return "its manifest says no size"
    build = file.read(size + 1)
    if len(build) != size:
        return "it has another length than its manifest says"
    return build if _sha256(build) == sha256 else "it does not have the checksum in its manifest"


def _said(key: Key) -> dict[str, object]:
    return {"format": key.format, "key": asdict(key)}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
