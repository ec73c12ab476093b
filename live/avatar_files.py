"""The files of one stored avatar: a portrait and a signed record go in, and come out unchanged.

    <id>/portrait.png   the picture, decoded and written anew: no metadata survives
    <id>/matte.png      where the person is, if known
    <id>/record.json    the name
    <id>/consent.jws    the consent record
    <id>/seal.jws       our signature over the hashes of the others

Everything is read once, held against the seal, and used as it was read: nobody can change a file
between the check and the use.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.atomic_file import write as write_file
from engines.types import Portrait, Rgb
from live.consent import seal
from live.errors import NoConsent
from live.keys import OperatorKeys

PORTRAIT, MATTE = "portrait.png", "matte.png"
RECORD, CONSENT, SEAL = "record.json", "consent.jws", "seal.jws"

_SEALED = (PORTRAIT, MATTE, RECORD, CONSENT)
_LARGEST = 64 << 20
"""Bytes of a file that is read; a portrait of 2048 × 2048 pixels has less than 13 million."""
_FORMER_STATEMENT = "consent.json"


@dataclass(frozen=True, slots=True)
class Contents:
    """What an avatar consists of, as it was read and checked."""

    name: str
    portrait: bytes = b""
    """An image file."""
    matte: bytes | None = None
    """A PNG file; `None`: not known."""
    document: str = ""
    """The signed consent record; empty for what is built in."""
    version: str = ""
    """Changes with any of it."""

    def rgb(self) -> Rgb:
        """The portrait's pixels, `(h, w, 3)`."""
        return decoded(self.portrait)

    def coverage(self) -> NDArray[np.uint8] | None:
        """The matte's, `(h, w)`."""
        if self.matte is None:
            return None
        matte = cv2.imdecode(np.frombuffer(self.matte, np.uint8), cv2.IMREAD_GRAYSCALE)
        return None if matte is None else np.ascontiguousarray(matte, np.uint8)


def decoded(image: bytes) -> Rgb:
    """The pixels of an image file that is known to be one."""
    picture = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise NoConsent("the portrait of this avatar is no picture; remove it and add it again")
    return np.ascontiguousarray(picture, np.uint8)


def write(
    folder: Path, avatar: str, picture: Portrait, name: str, document: str, keys: OperatorKeys
) -> None:
    """Writes and seals everything into an empty folder."""
    (folder / PORTRAIT).write_bytes(png(picture.rgb[..., ::-1]))
    if picture.matte is not None:
        (folder / MATTE).write_bytes(png(picture.matte))
    record = json.dumps({"name": name}, ensure_ascii=False)
    (folder / RECORD).write_text(record + "\n", encoding="utf-8")
    (folder / CONSENT).write_text(document.strip() + "\n", encoding="utf-8")
    (folder / SEAL).write_text(seal.sealed(avatar, _files(folder), keys) + "\n", encoding="utf-8")


def renew(folder: Path, avatar: str, document: str, keys: OperatorKeys) -> None:
    """Puts another record in the place of the one that is there, and seals it all anew.

    Where this breaks off, the seal does not fit, and the avatar is refused until it is done again.
    """
    write_file(folder / CONSENT, f"{document.strip()}\n".encode())
    write_file(folder / SEAL, f"{seal.sealed(avatar, _files(folder), keys)}\n".encode())
    (folder / _FORMER_STATEMENT).unlink(missing_ok=True)


def read(folder: Path, avatar: str, keys: OperatorKeys) -> Contents:
    """All files, as they were sealed; raises `NoConsent` that says which is not."""
    text = read_seal(folder, avatar)
    files = _files(folder)
    seal.check(avatar, files, text, keys)
    return Contents(
        _name(files[RECORD]),
        files[PORTRAIT],
        files.get(MATTE),
        files[CONSENT].decode(),
        sha256(text.encode()).hexdigest(),
    )


def portrait(folder: Path, avatar: str, keys: OperatorKeys) -> bytes:
    """The portrait's file alone, whatever its consent, for granting it another.

    What an earlier version left has no seal that it could be held against. Raises `NoConsent`.
    """
    if (folder / _FORMER_STATEMENT).is_file() and not (folder / SEAL).exists():
        data = _bytes(folder / PORTRAIT)
        if data is None:
            raise NoConsent(f"the {PORTRAIT} of the avatar {avatar!r} is gone; add it again")
        return data
    return read(folder, avatar, keys).portrait


def read_small(folder: Path, avatar: str) -> Contents:
    """Name and record alone, not held against the seal: enough to say what there is."""
    read_seal(folder, avatar)
    name, document = (_bytes(folder / name) for name in (RECORD, CONSENT))
    if name is None or document is None:
        raise NoConsent(f"a file of the avatar {avatar!r} is gone; remove it and add it again")
    return Contents(_name(name), document=document.decode("utf-8", "replace"))


def read_seal(folder: Path, avatar: str) -> str:
    """The seal's text, believed by nobody yet; raises `NoConsent` where there is none."""
    data = _bytes(folder / SEAL)
    if data is not None:
        return data.decode("utf-8", "replace")
    if (folder / _FORMER_STATEMENT).is_file():
        raise NoConsent(
            f"the avatar {avatar!r} was added by an earlier version, with a statement but without a"
            f" signed consent; grant one: visavis consent grant --avatar {avatar} --basis …"
            " --statement …"
        )
    raise NoConsent(
        f"the avatar {avatar!r} is not as it was when consent was checked: its {SEAL} is gone;"
        " remove it and add it again"
    )


def png(picture: NDArray[np.uint8]) -> bytes:
    """PNG of a grey or BGR picture, which is OpenCV's order."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(picture))
    assert done
    return data.tobytes()


def _files(folder: Path) -> dict[str, bytes]:
    read = {name: _bytes(folder / name) for name in _SEALED}
    return {name: data for name, data in read.items() if data is not None}


def _bytes(file: Path) -> bytes | None:
    try:
        with file.open("rb") as stream:
            return stream.read(_LARGEST)
    except FileNotFoundError:
        return None


def _name(record: bytes) -> str:
    try:
        return str(json.loads(record)["name"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoConsent("the record.json of this avatar was changed; add it again") from error
