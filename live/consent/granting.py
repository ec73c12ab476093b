"""A portrait and what somebody agreed to go in; a signed consent record comes out."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from live.consent.fingerprint import Fingerprint
from live.consent.record import (
    LONGEST_DAYS,
    OPERATOR_LIMIT,
    TYP,
    Basis,
    Evidence,
    Mode,
    Purpose,
    Record,
    check_subject,
)
from live.errors import NoConsent
from live.keys import OperatorKeys
from live.signed import LONGEST, sign


@dataclass(frozen=True, slots=True)
class Wish:
    """What a record is to say; checked when it is granted."""

    statement: str
    """What it rests on, in a sentence."""
    subject: str = ""
    """A pseudonym; empty: a random one."""
    purposes: frozenset[Purpose] = frozenset({Purpose.CALL, Purpose.RENDER})
    modes: frozenset[Mode] = frozenset({Mode.FACE, Mode.SPEECH})
    days: int | None = None
    """That it is valid for; `None`: as long as the operator has set."""
    not_before: datetime | None = None
    """UTC; `None`: from now on."""
    not_after: datetime | None = None
    """UTC, instead of `days`."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A record and the signed document that says it."""

    document: str
    record: Record


@dataclass(frozen=True, slots=True)
class Granter:
    """An operator who grants."""

    keys: OperatorKeys
    name: str
    """Empty: records name the signing key instead."""
    days: int
    """That a record is valid for unless it says else."""

    def grant(
        self,
        portrait: Fingerprint,
        wish: Wish,
        basis: Basis,
        evidence: Evidence,
        now: datetime,
    ) -> Granted:
        """Raises `NoConsent` that names what is wrong with the wish."""
        now = now.replace(microsecond=0)
        not_before = wish.not_before or now
        record = Record(
            secrets.token_hex(8),
            check_subject(wish.subject) if wish.subject else random_subject(),
            portrait,
            wish.purposes,
            wish.modes,
            not_before,
            wish.not_after or not_before + _days(self.days if wish.days is None else wish.days),
            basis,
            " ".join(wish.statement.split()),
            evidence,
            " ".join(self.name.split())[:OPERATOR_LIMIT] or self.keys.id,
            now,
        )
        document = sign(record.claims(), self.keys.signing, TYP)
        if len(document) > LONGEST:
            raise NoConsent("the consent record would be too long; give less evidence")
        return Granted(document, record)


def random_subject() -> str:
    """A pseudonym that says nothing of anybody."""
    return f"subject-{secrets.randbelow(10**16):016}"


def _days(days: int) -> timedelta:
    if not 0 < days <= LONGEST_DAYS:
        raise NoConsent(f"a consent is granted for 1 to {LONGEST_DAYS} days")
    return timedelta(days)
