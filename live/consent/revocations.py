"""Ids of records that were taken back go in; a signed list, kept in a file, says so from then on.

    <folder>/revocations.jws      the list: a serial number, and each id with its time and reason
    <folder>/revocations.serial   the highest serial number that was written, signed as well

Whoever deletes the list, puts an older one in its place or changes a byte of it makes it
unbelievable, and then nothing opens. A folder that is put back as a whole to what it once was
cannot tell; the audit log can, which has every revocation.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeGuard

from engines.atomic_file import write
from live.consent.record import REVOCATION_REASON_LIMIT, check_words, time_text
from live.errors import BadSignature, Conflict, NoConsent
from live.keys import OperatorKeys
from live.signed import opened, sign

TYP = "visavis-revocations"
VERSION = 1
CAPACITY = 20_000
"""Ids that one list holds."""

_LIST = "revocations.jws"
_SERIAL = "revocations.serial"
_LOCK = ".lock"
_PATIENCE_S = 5.0
_LOOK_EVERY_S = 0.01
_LONGEST = 8 << 20  # characters; an entry with the longest reason takes less than 400


@dataclass(frozen=True, slots=True)
class Revoked:
    """One record that was taken back."""

    at: str
    """ISO 8601, UTC."""
    reason: str
    """For people; may be empty."""


@dataclass(frozen=True, slots=True)
class RevocationList:
    """What was taken back up to one serial number."""

    serial: int = 0
    revoked: Mapping[str, Revoked] = field(default_factory=dict)


_Stamp = tuple[tuple[int, ...], tuple[int, ...]]


class Revocations:
    """The list of one folder; may be used from any thread, and by several processes."""

    def __init__(self, folder: Path, keys: OperatorKeys) -> None:
        """Nothing is read yet."""
        self._folder = folder
        self._keys = keys
        self._writing, self._lock = threading.Lock(), threading.Lock()
        self._read: tuple[_Stamp, RevocationList] | None = None
        self._seen = 0  # the highest serial that this process has met

    def current(self) -> RevocationList:
        """As it stands now; read again only where its files have changed.

        Raises `NoConsent` where there was a list and none can be believed now.
        """
        with self._lock:
            return self._current()

    def add(self, id: str, reason: str, at: datetime) -> None:
        """Takes a record back, for good; one that was taken back before stays as it stands.

        Raises `NoConsent` where the list cannot be believed, and `Conflict` where it is full or
        another process does not come to an end with it.
        """
        if reason:
            check_words(reason, "reason", REVOCATION_REASON_LIMIT)
        # Whoever only reads waits for nobody: running calls are watched by it.
        with self._writing, self._alone():
            before = self.current()
            if id in before.revoked:
                return
            if len(before.revoked) >= CAPACITY:
                raise Conflict(f"the revocation list holds {CAPACITY} records already")
            entry = Revoked(time_text(at), reason)
            after = RevocationList(before.serial + 1, {**before.revoked, id: entry})
            # The list before its number: a crash in between leaves a list that is newer than its
            # number says, which is as good as one that fits.
            self._write(_LIST, _claims(after))
            self._write(_SERIAL, {"v": VERSION, "serial": after.serial})
            self.current()

    def _current(self) -> RevocationList:
        try:
            stamp = (_stamp(self._folder / _LIST), _stamp(self._folder / _SERIAL))
            if self._read is None or self._read[0] != stamp:
                self._read = (stamp, self._loaded())
        except OSError as error:
            self._read = None
            raise _unbelievable(f"cannot be read ({error.strerror})") from error
        except BadSignature as error:
            self._read = None
            raise _unbelievable(f"cannot be believed: {error}") from error
        self._seen = max(self._seen, self._read[1].serial)
        return self._read[1]

    def _loaded(self) -> RevocationList:
        least = max(self._seen, self._least())
        text = _text(self._folder / _LIST)
        if text is None:
            if least:
                raise _unbelievable("is gone, and there was one; put it back from a copy")
            return RevocationList()
        claims = opened(text, self._keys.believed, TYP, longest=_LONGEST)
        listed = _parsed(claims)
        if listed.serial < least:
            raise _unbelievable(f"is older (number {listed.serial}) than one before ({least})")
        return listed

    def _least(self) -> int:
        """The serial number that the list has to have reached."""
        text = _text(self._folder / _SERIAL)
        if text is None:
            return 0
        claims = opened(text, self._keys.believed, TYP)
        serial = claims.get("serial")
        if set(claims) != {"v", "serial"} or not _is_count(serial):
            raise BadSignature("the number of the revocation list is none")
        return serial

    def _write(self, name: str, claims: Mapping[str, Any]) -> None:
        document = sign(claims, self._keys.signing, TYP) + "\n"
        write(self._folder / name, document.encode())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Lets no other process write meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
            yield
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Given back by the system when the descriptor is closed, or with the process."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise Conflict(
                    "another process holds the revocation list; end it, and revoke again"
                ) from None
            time.sleep(_LOOK_EVERY_S)
        else:
            return


def _stamp(file: Path) -> tuple[int, ...]:
    """Changes when the file does; empty where there is none."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return ()
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _text(file: Path) -> str | None:
    """What is no UTF-8 is read as something that no signature fits."""
    try:
        with file.open("rb") as stream:
            return stream.read(_LONGEST + 1).decode("utf-8", "replace")
    except FileNotFoundError:
        return None


def _claims(listed: RevocationList) -> dict[str, Any]:
    revoked = {key: {"at": each.at, "reason": each.reason} for key, each in listed.revoked.items()}
    return {"v": VERSION, "serial": listed.serial, "revoked": revoked}


def _parsed(claims: Mapping[str, Any]) -> RevocationList:
    serial, revoked = claims.get("serial"), claims.get("revoked")
    if claims.get("v") != VERSION or not _is_count(serial) or not isinstance(revoked, dict):
        raise BadSignature("it is a list of another version")
    try:
        entries = {
            key: Revoked(str(each["at"]), str(each["reason"])) for key, each in revoked.items()
        }
    except (KeyError, TypeError) as error:
        raise BadSignature("it is a list of another version") from error
    return RevocationList(serial, entries)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _unbelievable(what: str) -> NoConsent:
    return NoConsent(
        f"the list of revoked consents {what}; until it is put right nothing is opened, as nobody"
        " can say what was revoked"
    )
