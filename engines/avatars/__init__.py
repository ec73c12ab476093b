"""The built-in avatars: an id goes in, the folder and the record of a synthetic person come out.

Each folder holds `portrait.jpg` (RGB, square), `matte.png` (8 bit, the portrait's size, 255 on the
person) and `record.json`, from which `record` is read. `engines.studio` makes them; `pins` holds
the hash of each record, and a record those of its files, so that a changed byte is found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from engines.avatars import pins
from engines.errors import ChangedAvatar

_ROOT = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Record:
    """Where a built-in avatar comes from, and what may be done with it."""

    id: str
    name: str
    description: str
    """Who one sees, for people who do not see the picture."""
    kind: str
    """`synthetic`: made by a program, nobody's face."""
    style: str
    """`realistic` or `drawn`."""
    origin: str
    """What the picture was made from and by what."""
    skin_origin: str
    """What is known of where the skin's picture comes from."""
    licence: str
    """SPDX expression under which portrait and matte may be used."""
    consent: str
    """The statement that stands in place of a person's consent."""
    portrait_sha256: str
    matte_sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """A built-in avatar's files, found to be what they have to be."""

    record: Record
    portrait: bytes
    """A JPEG file."""
    matte: bytes
    """A PNG file."""


def ids() -> list[str]:
    """The built-in avatars' ids, sorted."""
    return sorted(pins.RECORDS)


def folder(id: str) -> Path:
    """The folder of a built-in avatar; `KeyError` where there is none of that id."""
    if id not in pins.RECORDS:
        raise KeyError(f"no built-in avatar is called {id!r}; there are: {', '.join(ids())}")
    return _ROOT / id


def record(id: str) -> Record:
    """The record of a built-in avatar.

    `KeyError` where there is none of that id, `ChangedAvatar` where it is not as it was made.
    """
    data = _checked(id, "record.json", folder(id), pins.RECORDS[id])
    return Record(**json.loads(data))


def contents(id: str) -> Contents:
    """All that a built-in avatar consists of; raises as `record`."""
    of = record(id)
    return Contents(
        of,
        _checked(id, "portrait.jpg", folder(id), of.portrait_sha256),
        _checked(id, "matte.png", folder(id), of.matte_sha256),
    )


def _checked(id: str, name: str, folder: Path, expected: str) -> bytes:
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        raise _changed(id, name, "cannot be read") from error
    if sha256(data).hexdigest() != expected:
        raise _changed(id, name, "was changed")
    return data


def _changed(id: str, name: str, what: str) -> ChangedAvatar:
    return ChangedAvatar(
        f"the built-in avatar {id!r} is not as it came: its {name} {what}; install Visavis anew"
    )
