"""The built-in avatars: an id goes in, the folder and the record of a synthetic person come out.

Each folder holds `portrait.jpg` (RGB, square), `matte.png` (8 bit, the portrait's size, 255 on the
person) and `record.json`, from which `record` is read. `engines.studio` makes them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

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


def ids() -> list[str]:
    """The built-in avatars' ids, sorted."""
    return sorted(path.parent.name for path in _ROOT.glob("*/record.json"))


def folder(id: str) -> Path:
    """The folder of a built-in avatar; `KeyError` where there is none of that id."""
    if id not in ids():
        raise KeyError(f"no built-in avatar is called {id!r}; there are: {', '.join(ids())}")
    return _ROOT / id


def record(id: str) -> Record:
    """The record of a built-in avatar; `KeyError` where there is none of that id."""
    fields = json.loads((folder(id) / "record.json").read_text(encoding="utf-8"))
    return Record(**fields)
