"""A call's or a rendering's public id: the name that its mark, log lines and statement share.

It is no secret, and opens nothing: a call is reached by its secret id only.
"""

from __future__ import annotations

import re
import secrets

BYTES = 6
PATTERN = r"[0-9a-f]{12}"
VERSION = 1
"""Of what the mark carries: this byte, then the id."""


def new() -> str:
    """Twelve hexadecimal digits, drawn by lot: two of a million are alike once in 600."""
    return secrets.token_hex(BYTES)


def to_payload(id: str) -> bytes:
    """What the mark of a call carries; raises `ValueError` for what is no public id."""
    if not re.fullmatch(PATTERN, id):
        raise ValueError("a public id has 12 hexadecimal digits")
    return bytes((VERSION,)) + bytes.fromhex(id)


def from_payload(payload: bytes) -> str | None:
    """The id that a mark carries; `None`: it is of a version that is not known here."""
    if len(payload) != 1 + BYTES or payload[0] != VERSION:
        return None
    return payload[1:].hex()
