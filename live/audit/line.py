"""One line of the log and its head: made and signed, or read and believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from live import signed
from live.audit.event import Event, Fact, check_facts
from live.errors import BadSignature

NOTHING = "0" * 64
"""The hash before the first line."""
LONGEST = 4096
"""Bytes of a line, its end included."""
LONGEST_HEAD = 4096

_RESERVED = frozenset({"seq", "at", "event", "prev", "hash", "sig"})
_PURPOSE = b"visavis-audit\0"
_HEAD_TYPE = "visavis-audit-head"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the log has come to."""

    seq: int = 0
    """Of the last line, from 1."""
    hash: str = NOTHING
    """Of that line, 64 hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that the log's own key has signed."""

    fields: Mapping[str, Any]

    @property
    def place(self) -> Place:
        """Its number and hash."""
        return Place(self.fields["seq"], self.fields["hash"])

    @property
    def follows(self) -> str:
        """The hash of the line before it."""
        prev: str = self.fields["prev"]
        return prev

    @property
    def event(self) -> str:
        """What happened."""
        event: str = self.fields["event"]
        return event

    @property
    def facts(self) -> dict[str, Fact]:
        """What it happened to."""
        return {name: value for name, value in self.fields.items() if name not in _RESERVED}


def written(
    after: Place, event: Event, facts: Mapping[str, Fact], key: Ed25519PrivateKey
) -> tuple[bytes, Place]:
    """The line that comes after a place, as bytes with their end, and the place it makes.

    Raises `ValueError` for facts that may not be told.
    """
    check_facts(facts, _RESERVED)
    at = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    fields = {"seq": after.seq + 1, "at": at, "event": str(event), **facts, "prev": after.hash}
    digest = sha256(_canonical(fields)).digest()
    signature = key.sign(_PURPOSE + digest).hex()
    text = _canonical({**fields, "hash": digest.hex(), "sig": signature})
    return text + b"\n", Place(after.seq + 1, digest.hex())


def read(line: bytes, key: Ed25519PublicKey) -> Line:
    """A line with its end; raises `BadSignature` where it is not, to the byte, what was written."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadSignature("this is no line of the audit log") from error
    if not isinstance(fields, dict) or _canonical(fields) + b"\n" != line:
        raise BadSignature("this line is not written as it would be signed")
    claimed = {name: value for name, value in fields.items() if name not in ("hash", "sig")}
    digest = sha256(_canonical(claimed)).digest()
    try:
        key.verify(bytes.fromhex(fields["sig"]), _PURPOSE + digest)
    except (InvalidSignature, KeyError, TypeError, ValueError) as error:
        raise BadSignature("this line's signature does not fit: it was changed") from error
    ends = (("hash", digest.hex()), ("sig", fields["sig"].lower()))
    if tuple(fields.items())[-2:] != ends:
        raise BadSignature("this line's hash does not fit: it was changed")
    return Line(fields)


def head(place: Place, key: Ed25519PrivateKey) -> bytes:
    """The head's file for a place."""
    claims = {"count": place.seq, "hash": place.hash}
    return signed.sign(claims, key, _HEAD_TYPE).encode() + b"\n"


def read_head(content: bytes, key: Ed25519PublicKey) -> Place:
    """The place that a head tells; raises `BadSignature`."""
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise BadSignature("this is no head of an audit log") from error
    if text != text.strip() + "\n":
        raise BadSignature("this head is not written as it would be signed")
    claims = signed.opened(text, {signed.key_id(key): key}, _HEAD_TYPE)
    return Place(int(claims["count"]), str(claims["hash"]))


def _canonical(fields: Mapping[str, Any]) -> bytes:
    """In the order of the fields; the same fields give the same bytes."""
    return json.dumps(fields, separators=(",", ":")).encode()
