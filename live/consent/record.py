"""The claims of a consent record: what the signed document says, each field checked.

A record is a JSON Web Signature of type `visavis-consent`; version 1 has the fields of `Record`
and no others. `parse` believes nothing: a signature says who wrote a document, not that it is
whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from live.consent.fingerprint import BITS, Fingerprint
from live.errors import NoConsent

TYP = "visavis-consent"
VERSION = 1
STATEMENT_LIMIT = 500
OPERATOR_LIMIT = 80
REVOCATION_REASON_LIMIT = 200
LONGEST_DAYS = 3660
"""Ten years and a few days."""

ID_PATTERN = r"[a-z0-9][a-z0-9-]{7,63}"
SUBJECT_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{2,63}"

_HEX = re.compile(f"[0-9a-f]{{{BITS // 4}}}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_EVIDENCE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_EVIDENCE_LIMIT = 16
_EVIDENCE_TEXT_LIMIT = 128


class Purpose(StrEnum):
    """What an avatar may be used for."""

    CALL = "call"
    RENDER = "render"
    RECORDING = "recording"
    TRAINING = "training"


class Mode(StrEnum):
    """By what it may be driven: somebody's face, speech, or a likeness of the subject's voice."""

    FACE = "face"
    SPEECH = "speech"
    VOICE = "voice"


class Basis(StrEnum):
    """How it was granted."""

    LIVE_ENROLMENT = "live_enrolment"
    """By the person themselves, live before the camera."""
    SIGNED_PAPER = "signed_paper"
    """On paper, which the operator keeps."""
    SYNTHETIC = "synthetic"
    """By nobody: the face is nobody's."""
    PUBLIC_DOMAIN = "public_domain"
    """By nobody: the picture is a work that is free of rights."""


Evidence = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Record:
    """What was granted. Times are UTC, whole seconds; `not_after` is the first that is too late."""

    id: str
    subject: str
    """A pseudonym: an id that says nothing of the person."""
    portrait: Fingerprint
    purposes: frozenset[Purpose]
    modes: frozenset[Mode]
    not_before: datetime
    not_after: datetime
    basis: Basis
    statement: str
    evidence: Evidence
    """Hashes and outcomes of what it rests on."""
    operator: str
    granted_at: datetime

    def claims(self) -> dict[str, Any]:
        """As they are signed; raises `NoConsent` where a field is not as it has to be."""
        claims = {
            "v": VERSION,
            "id": self.id,
            "subject": self.subject,
            "portrait": {"sha256": self.portrait.sha256, "perceptual": self.portrait.perceptual},
            "purposes": sorted(self.purposes),
            "modes": sorted(self.modes),
            "not_before": time_text(self.not_before),
            "not_after": time_text(self.not_after),
            "basis": self.basis.value,
            "statement": self.statement,
            "evidence": dict(self.evidence),
            "operator": self.operator,
            "granted_at": time_text(self.granted_at),
        }
        if parse(claims) != self:
            raise NoConsent("a consent record has whole seconds of UTC as its times")
        return claims


_FIELDS = (
    "v",
    "id",
    "subject",
    "portrait",
    "purposes",
    "modes",
    "not_before",
    "not_after",
    "basis",
    "statement",
    "evidence",
    "operator",
    "granted_at",
)


def parse(claims: Mapping[str, Any]) -> Record:
    """The record of these claims; raises `NoConsent` that names the field that is wrong."""
    if set(claims) != set(_FIELDS):
        odd = sorted(set(_FIELDS) ^ set(claims))[0]
        known = odd in _FIELDS
        raise _wrong(odd if known else "fields", "is missing" if known else "has one too many")
    if isinstance(claims["v"], bool) or claims["v"] != VERSION:
        raise _wrong("v", f"is another version than {VERSION}; update Visavis")
    record = Record(
        _matching(claims, "id", ID_PATTERN),
        check_subject(claims["subject"]),
        _portrait(claims["portrait"]),
        _some(claims, "purposes", Purpose),
        _some(claims, "modes", Mode),
        _time(claims, "not_before"),
        _time(claims, "not_after"),
        choice(claims["basis"], "basis", Basis),
        check_words(claims["statement"], "statement", STATEMENT_LIMIT),
        _evidence(claims["evidence"]),
        check_words(claims["operator"], "operator", OPERATOR_LIMIT),
        _time(claims, "granted_at"),
    )
    if not timedelta() < record.not_after - record.not_before <= timedelta(LONGEST_DAYS):
        raise _wrong("not_after", f"is not 1 second to {LONGEST_DAYS} days after not_before")
    if record.basis is Basis.LIVE_ENROLMENT and not record.evidence:
        raise _wrong("evidence", "is missing, and a live enrolment leaves some")
    return record


def check_subject(value: object) -> str:
    """The pseudonym; raises `NoConsent` for what may be a name or an address."""
    if isinstance(value, str) and re.fullmatch(SUBJECT_PATTERN, value):
        if any(sign.isdigit() for sign in value):
            return value
        raise _wrong("subject", "has no digit and may be a name; use an id, such as subject-4711")
    raise _wrong(
        "subject",
        "is no pseudonym: use 3 to 64 letters, digits, - and _, no blanks and no e-mail address,"
        " such as subject-4711",
    )


def check_words(value: object, field: str, limit: int) -> str:
    """A text for people; raises `NoConsent`."""
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        raise _wrong(field, f"has to be a text of 1 to {limit} characters")
    if not value.isprintable() or value != " ".join(value.split()):
        raise _wrong(field, "has to be printable, in one line and without blanks around it")
    return value


def time_text(time: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _wrong(field: str, what: str) -> NoConsent:
    return NoConsent(f"the consent record cannot be used: `{field}` {what}")


def _matching(claims: Mapping[str, Any], field: str, pattern: str) -> str:
    value = claims[field]
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise _wrong(field, "is not as ids are")
    return value


def _portrait(value: object) -> Fingerprint:
    if not isinstance(value, dict) or set(value) != {"sha256", "perceptual"}:
        raise _wrong("portrait", "has to have `sha256` and `perceptual`, and nothing else")
    for text in value.values():
        if not isinstance(text, str) or not _HEX.fullmatch(text):
            raise _wrong("portrait", f"has hashes of {BITS // 4} hexadecimal digits")
    return Fingerprint(value["sha256"], value["perceptual"])


Choice = TypeVar("Choice", bound=StrEnum)


def _some(claims: Mapping[str, Any], field: str, kind: type[Choice]) -> frozenset[Choice]:
    values = claims[field]
    if not isinstance(values, list):
        raise _wrong(field, "has to be a list")
    return choices(values, field, kind)


def choices(values: Iterable[object], field: str, kind: type[Choice]) -> frozenset[Choice]:
    """Each value as one of its kind; raises `NoConsent` for none, an unknown one, or a second."""
    listed = list(values)
    known = [each for each in kind if each.value in listed]
    if not listed or len(known) != len(listed):
        raise _wrong(field, f"has to name some of {', '.join(kind)}, each once")
    return frozenset(known)


def choice(value: object, field: str, kind: type[Choice]) -> Choice:
    """The value as one of its kind; raises `NoConsent` for an unknown one."""
    for each in kind:
        if each.value == value:
            return each
    raise _wrong(field, f"has to be one of {', '.join(kind)}")


def _time(claims: Mapping[str, Any], field: str) -> datetime:
    value = claims[field]
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            pass
    raise _wrong(field, "has to be a time in UTC such as 2026-08-02T12:00:00Z")


def _evidence(value: object) -> Evidence:
    if not isinstance(value, dict) or len(value) > _EVIDENCE_LIMIT:
        raise _wrong("evidence", f"has to be an object of at most {_EVIDENCE_LIMIT} entries")
    for name, fact in value.items():
        if not isinstance(name, str) or not _EVIDENCE_NAME.fullmatch(name):
            raise _wrong("evidence", "has names of up to 40 small letters, digits and _")
        if isinstance(fact, str):
            if len(fact) > _EVIDENCE_TEXT_LIMIT or not fact.isprintable():
                raise _wrong("evidence", f"has texts of at most {_EVIDENCE_TEXT_LIMIT} characters")
        elif not isinstance(fact, int | float) or not _is_plain(fact):
            raise _wrong("evidence", "has texts, numbers, true and false, and nothing else")
    return value


def _is_plain(number: float) -> bool:
    """No infinity, no NaN, no integer that would fill the document."""
    return abs(number) < 1e15
