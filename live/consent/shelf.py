"""The records that were granted here: ids in, signed documents out, and the other way round."""

from __future__ import annotations

import re
from pathlib import Path

from engines.atomic_file import write
from live.consent.record import ID_PATTERN
from live.errors import Conflict, NotFound
from live.signed import LONGEST

CAPACITY = 10_000
"""Records that one operator keeps at most."""

_ENDING = ".jws"


def check_id(id: str) -> str:
    """The id; raises `NotFound` for what cannot be one."""
    if not re.fullmatch(ID_PATTERN, id):
        raise _unknown()
    return id


class Shelf:
    """A folder with a file `<id>.jws` for each record."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when the first record is put there."""
        self._folder = folder

    def ids(self) -> list[str]:
        """Of every record, sorted."""
        if not self._folder.is_dir():
            return []
        names = (path.name.removesuffix(_ENDING) for path in self._folder.glob(f"*{_ENDING}"))
        return sorted(name for name in names if re.fullmatch(ID_PATTERN, name) and _is_own(name))

    def document(self, id: str) -> str:
        """The signed document; raises `NotFound`."""
        try:
            with self._file(id).open("rb") as stream:
                return stream.read(LONGEST + 1).decode("utf-8", "replace").strip()
        except FileNotFoundError as error:
            raise _unknown() from error

    def check_room(self) -> None:
        """Raises `Conflict` where no more are kept."""
        if len(self.ids()) >= CAPACITY:
            raise Conflict(
                f"{CAPACITY} consent records are kept already; move those of expired ones out of"
                " the folder of consents"
            )

    def put(self, id: str, document: str) -> None:
        """Keeps a new record."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write(self._file(id), f"{document}\n".encode())

    def _file(self, id: str) -> Path:
        return self._folder / f"{check_id(id)}{_ENDING}"


def _is_own(name: str) -> bool:
    """The revocation list stands in the same folder."""
    return name != "revocations"


def _unknown() -> NotFound:
    return NotFound("no such consent was granted here; `visavis consent list` shows what was")
