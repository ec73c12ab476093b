"""The code by which a person takes consent back: made once, shown once, kept as a hash only."""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from typing import Final

from live.consent.record import Record
from live.errors import Forbidden

EVIDENCE: Final = "withdrawal_sha256"
"""Its name in the record."""

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, which are taken for others or make words."""
_GROUPS, _GROUP = 5, 5
_MISREAD = str.maketrans("ILO", "110", " -\t\r\n")


def new_code() -> str:
    """125 random bits, to be written down: `7K2QF-…`."""
    return "-".join("".join(secrets.choice(_DIGITS) for _ in range(_GROUP)) for _ in range(_GROUPS))


def hashed(code: str) -> str:
    """As the record keeps it; blanks, hyphens and case do not matter."""
    return sha256(code.upper().translate(_MISREAD).encode()).hexdigest()


def check(record: Record, code: str) -> None:
    """Raises `Forbidden` unless the code is this record's."""
    kept = record.evidence.get(EVIDENCE)
    # Compared in any case, so that the time taken tells nothing.
    fits = hmac.compare_digest(hashed(code), kept if isinstance(kept, str) else "none")
    if not isinstance(kept, str):
        raise Forbidden(
            "this consent was not given by live enrolment, so there is no code to withdraw it by;"
            " ask whoever runs this server to revoke it"
        )
    if not fits:
        raise Forbidden("this is not the withdrawal code of this consent; check it for slips")
