"""A document, and perhaps a picture, go in; whether it is a consent that holds comes out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from live.consent.authority import Consents, Reason
from live.consent.fingerprint import Fingerprint, same_portrait
from live.consent.record import Record
from live.errors import BadSignature, NoConsent, UnknownKey


class Standing(StrEnum):
    """What a document is worth now."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_YET = "not_yet_valid"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    """Whether it was revoked cannot be known, as the revocation list cannot be believed."""
    OTHER_PORTRAIT = "other_portrait"
    CHANGED = "changed"
    """It is none, was changed, or a part of it is missing."""
    UNKNOWN_KEY = "unknown_key"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found."""

    standing: Standing
    message: str
    """For people; empty where it is valid."""
    record: Record | None = None
    """Where it could be read."""


_STANDINGS = {
    Reason.EXPIRED: Standing.EXPIRED,
    Reason.NOT_YET: Standing.NOT_YET,
    Reason.REVOKED: Standing.REVOKED,
    Reason.UNKNOWN: Standing.UNKNOWN,
}


def examined(consents: Consents, document: str, portrait: Fingerprint | None = None) -> Verdict:
    """Never raises for what the document holds; `portrait`: of a picture that it is to fit."""
    try:
        record = consents.record(document)
    except UnknownKey as error:
        return Verdict(Standing.UNKNOWN_KEY, str(error))
    except (BadSignature, NoConsent) as error:
        return Verdict(Standing.CHANGED, str(error))
    flaw = consents.flaw(record)
    if flaw is not None:
        return Verdict(_STANDINGS[flaw.reason], flaw.message, record)
    if portrait is not None and not same_portrait(record.portrait, portrait):
        message = "the picture is another portrait than the one that this consent is for"
        return Verdict(Standing.OTHER_PORTRAIT, message, record)
    return Verdict(Standing.VALID, "", record)
