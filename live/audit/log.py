"""Events in, lines at the end of a file out; several processes may write to it at once.

A line is on the disk before its head is, and the head before `write` returns: after a crash the
log may be one line ahead of its head, never behind it. A line that was written in part only stays
where it is, and the next one tells its hash.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engines import atomic_file
from engines.errors import EngineError
from live import signed
from live.audit import line
from live.audit.event import Event, Fact
from live.audit.line import Place
from live.errors import BadSignature, NotLogged
from live.keys import OperatorKeys

_LOCKED_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.005
_MEND = (
    "what was about to be done is not done; see `visavis audit verify`, then move the log and its"
    " head away to begin a new one"
)


def head_of(file: Path) -> Path:
    """The name of a log's head."""
    return file.with_name(f"{file.name}.head")


class AuditLog:
    """The operator's log. Used by any thread; every write opens the file anew."""

    def __init__(self, file: Path, keys: OperatorKeys) -> None:
        """Opens nothing yet; the log begins with the first event."""
        self.file = file
        self._key = keys.signing

    def write(self, event: Event, **facts: Fact) -> str:
        """Brings an event to the disk; blocks for some milliseconds, five seconds at most.

        Gives the hash of its line. Whoever keeps that elsewhere can tell later whether the log was
        put back to an earlier state.

        Facts are short ids, hashes, numbers and words of ours. Raises `NotLogged` where it cannot
        be written, and then what was to be logged must not be done; `ValueError` for a fact that
        may tell who somebody is.
        """
        with self._opened() as descriptor:
            end = _End(descriptor, self.file, self._key)
            if end.torn:
                end.append_repair()
            elif end.place.seq == 0:
                end.append(Event.LOG_OPENED, {"key": signed.key_id(self._key.public_key())})
            end.append(event, facts)
            return end.place.hash

    def check(self) -> Place:
        """Where the log has come to; raises `NotLogged` where nothing could be written to it."""
        with self._opened() as descriptor:
            return _End(descriptor, self.file, self._key).place

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The log's file, for us alone."""
        descriptor = -1
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            _lock(descriptor, self.file)
            yield descriptor
        except OSError as error:
            raise NotLogged(
                f"the audit log {self.file} cannot be written ({error.strerror or error}); make"
                " room or see to its rights. What was about to be done is not done"
            ) from error
        except EngineError as error:  # of the head
            raise NotLogged(f"{error}. What was about to be done is not done") from error
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def _lock(descriptor: int, file: Path) -> None:
    deadline = time.monotonic() + _LOCKED_WITHIN_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise NotLogged(f"the audit log {file} is kept by another process") from None
            time.sleep(_LOOK_EVERY_S)
        else:
            return


class _End:
    """The end of a log that is held by nobody else."""

    def __init__(self, descriptor: int, file: Path, key: Ed25519PrivateKey) -> None:
        """Finds the last line that is signed. Raises `NotLogged` where the log was changed."""
        self._descriptor, self._file, self._key = descriptor, file, key
        self._head = head_of(file)
        self.place, self.torn = self._last()
        """The last line's place, and what was written after it, in part only."""
        self._meet_head()

    def append(self, event: Event, facts: dict[str, Fact], *, before: bytes = b"") -> None:
        """One line, and then the head."""
        text, place = line.written(self.place, event, facts, self._key)
        data = before + text
        while data:
            data = data[os.write(self._descriptor, data) :]
        os.fsync(self._descriptor)
        self._note(place)

    def append_repair(self) -> None:
        """Leaves what is torn where it is and tells, signed, what of it there is."""
        torn: dict[str, Fact] = {
            "bytes": len(self.torn),
            "sha256": sha256(self.torn).hexdigest(),
        }
        self.append(Event.LOG_REPAIRED, torn, before=b"\n")

    def _last(self) -> tuple[Place, bytes]:
        size = os.fstat(self._descriptor).st_size
        start = max(0, size - 2 * line.LONGEST)
        tail = os.pread(self._descriptor, size - start, start)
        end = len(tail)
        while end:
            begin = tail.rfind(b"\n", 0, end - 1) + 1
            if tail[end - 1 : end] == b"\n":
                with suppress(BadSignature):
                    return line.read(tail[begin:end], self._key.public_key()).place, tail[end:]
            end = begin
        if size < line.LONGEST:
            return Place(), tail
        raise self._refused("ends with what this server's key has not signed")

    def _meet_head(self) -> None:
        """Compares the end with the head, and brings that up to date after a crash."""
        try:
            with self._head.open("rb") as stream:
                told = line.read_head(stream.read(line.LONGEST_HEAD), self._key.public_key())
        except FileNotFoundError:
            told = Place()
        except BadSignature as error:
            raise self._refused("has a head that this server's key has not signed") from error
        if told.seq not in (self.place.seq, self.place.seq - 1):
            raise self._refused("and its head do not fit: lines of one of them are missing")
        if told.seq == self.place.seq and told.hash != self.place.hash:
            raise self._refused("and its head do not fit: its last line is another one")
        if told.seq < self.place.seq:
            self._note(self.place)

    def _note(self, place: Place) -> None:
        self.place = place
        atomic_file.write(self._head, line.head(place, self._key))

    def _refused(self, what: str) -> NotLogged:
        return NotLogged(f"the audit log {self._file} {what}; {_MEND}")
