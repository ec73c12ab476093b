"""A log and its head in, what was done to them out: line by line, in bounded memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from live.audit import line
from live.audit.event import Event
from live.audit.line import Line, Place
from live.audit.log import head_of
from live.errors import BadSignature, NotFound

MOST_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written."""

    line: int
    """Of the log, from 1; 0: it is not in a line."""
    what: str
    where: str = "the head"
    """What it is in, where it is in no line."""

    def __str__(self) -> str:
        """As a person is told."""
        return f"line {self.line} {self.what}" if self.line else f"{self.where} {self.what}"


@dataclass(slots=True)
class Inspection:
    """What is known of a log."""

    lines: int = 0
    """Signed ones."""
    last: Place = field(default_factory=Place)
    """The place of the last of them in order."""
    findings: list[Finding] = field(default_factory=list)
    """The first `MOST_FINDINGS`."""
    notes: list[Finding] = field(default_factory=list)
    """What is odd, but explained: torn lines that were told of, a head that a crash left behind."""
    revoked: dict[str, int] = field(default_factory=dict)
    """Ids of the consent records that the log says were revoked, and the lines that say it."""
    expected_seen: bool = False
    """Whether the hash that was asked for is that of a line."""

    @property
    def intact(self) -> bool:
        """Whether all is as it was written."""
        return not self.findings

    def find(self, number: int, what: str, where: str = "the head") -> None:
        """Adds a finding."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(number, what, where))


def check_there(file: Path) -> None:
    """Raises `NotFound` where there is neither a log nor its head."""
    if not file.exists() and not head_of(file).exists():
        raise NotFound(f"there is no audit log {file}; nothing has been logged yet")


def entries(file: Path, key: Ed25519PublicKey) -> Iterator[Line]:
    """The lines that are signed; raises `NotFound` where there is no log."""
    check_there(file)
    with file.open("rb") as stream:
        for _, data in _lines(stream):
            one = _read(data, key)
            if one is not None:
                yield one


def inspect(file: Path, key: Ed25519PublicKey, expected: str = "") -> Inspection:
    """Compares every byte of a log with what the key has signed.

    `expected`: the hash of a line that has to be there, noted elsewhere at some time: it alone
    shows that the log and its head were not both put back to an earlier state. Raises `NotFound`.
    """
    check = _Check(key, expected)
    found = check.found
    check_there(file)
    if not file.exists():
        found.find(0, "is there, but not the log")
        return found
    with file.open("rb") as stream:
        for number, data in _lines(stream):
            check.take(number, data)
    check.end()
    _meet_head(file, key, check)
    if expected and not found.expected_seen:
        found.find(0, "that was asked for is no line's hash: the log was put back or made anew")
    return found


def compare_revocations(found: Inspection, revoked: Collection[str]) -> None:
    """Adds what the log and the list of revoked consents do not both say.

    A list that was put back, with its number, to an earlier state is found by nothing else.
    """
    for consent, number in found.revoked.items():
        if consent not in revoked:
            what = f"says that the consent {consent} was revoked, and the revocation list does not"
            found.find(number, what)
    for consent in sorted(set(revoked) - set(found.revoked)):
        if len(found.notes) < MOST_FINDINGS:
            what = f"says that the consent {consent} was revoked, and the log does not"
            found.notes.append(Finding(0, what, "the revocation list"))


class _Check:
    """One walk through a log."""

    def __init__(self, key: Ed25519PublicKey, expected: str) -> None:
        self.found = Inspection()
        self.before_last = Place()
        self._key, self._expected = key, expected
        self._unsigned: list[tuple[int, bytes]] = []
        """Lines that nobody has signed, since the last one that is; a few, see `take`."""
        self._accused = 0
        """How many more of them there were."""
        self._missing: dict[int, int] = {}
        """Numbers of lines that have not come yet, and the line of the file before which."""

    def take(self, number: int, data: bytes) -> None:
        """The next line of the file, with its end."""
        one = _read(data, self._key)
        if one is None:
            self._unsigned.append((number, data))
            if sum(len(each) for _, each in self._unsigned) > line.LONGEST:
                self._accuse()  # nobody was ended in the midst of so much
            return
        self._explain(one, number)
        self._accuse()
        self._place(one, number)
        self._accused = 0
        self.found.lines += 1
        self.found.expected_seen |= one.place.hash == self._expected
        if one.event == Event.CONSENT_REVOKED:
            self.found.revoked.setdefault(str(one.facts.get("consent", "")), number)

    def end(self) -> None:
        """After the last line."""
        if self._unsigned and not self._unsigned[-1][1].endswith(b"\n"):
            number, _ = self._unsigned.pop()
            self.found.find(
                number,
                "is torn: its writer was ended in the midst of it, or the disk was full; the next"
                " event will tell its hash",
            )
        self._accuse()
        for seq, number in self._missing.items():
            self.found.find(number, f"stands where number {seq} of the log is missing")

    def _explain(self, one: Line, number: int) -> None:
        """Forgives what was written in part only, where this line says so."""
        if not self._unsigned or one.event != Event.LOG_REPAIRED:
            return
        torn = b"".join(data for _, data in self._unsigned).removesuffix(b"\n")
        if sha256(torn).hexdigest() == one.facts.get("sha256"):
            what = f"was written in part only, as line {number} says"
            self.found.notes.append(Finding(self._unsigned[0][0], what))
            self._unsigned.clear()

    def _accuse(self) -> None:
        for number, _ in self._unsigned:
            self.found.find(number, "was changed or put in: its signature does not fit")
        self._accused += len(self._unsigned)
        self._unsigned.clear()

    def _place(self, one: Line, number: int) -> None:
        """Whether a line stands where it was written."""
        found, place = self.found, one.place
        expected = found.last.seq + 1
        if place.seq < expected:
            late = self._missing.pop(place.seq, None) is not None
            odd = "was moved" if late else "was repeated"
            found.find(number, f"{odd}: it is number {place.seq} of the log")
            return
        changed = min(self._accused, place.seq - expected)
        for seq in range(expected + changed, place.seq):
            if len(self._missing) == MOST_FINDINGS:
                break
            self._missing[seq] = number
        if place.seq == expected and one.follows != found.last.hash:
            found.find(number, "does not follow the line before it: it is of another log")
        self.before_last, found.last = found.last, place


def _meet_head(file: Path, key: Ed25519PublicKey, check: _Check) -> None:
    """Compares the end with the head."""
    found = check.found
    try:
        with head_of(file).open("rb") as stream:
            told = line.read_head(stream.read(line.LONGEST_HEAD), key)
    except FileNotFoundError:
        told = Place()
        if found.last.seq > 1:
            found.find(0, "is missing: whether the end of the log is there cannot be told")
            return
    except BadSignature:
        found.find(0, "was changed: its signature does not fit")
        return
    if told == found.last:
        return
    if told.seq > found.last.seq:
        missing = told.seq - found.last.seq
        found.find(0, f"says that {missing} more lines were written: the end of the log is missing")
    elif told == check.before_last:
        found.notes.append(Finding(0, "is one line behind, as after a crash"))
    else:
        found.find(0, "is not of this log's end: it was put back, or is of another log")


def _read(data: bytes, key: Ed25519PublicKey) -> Line | None:
    try:
        return line.read(data, key)
    except BadSignature:
        return None


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; one that is longer than any of ours comes in pieces."""
    number, whole = 1, True
    while data := stream.readline(line.LONGEST):
        yield number, data
        whole = data.endswith(b"\n")
        number += whole
