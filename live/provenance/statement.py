"""What is said of a call in progress, signed: facts in, a JSON Web Signature out, and back.

Content credentials belong to files; a call over WebRTC has none. This document says to whoever
is in the call what the credentials of a film would say, and names the mark in its pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from live import public_id, signed
from live.consent.authority import Permit
from live.errors import BadSignature
from live.keys import OperatorKeys
from live.label import Label
from live.provenance.facts import ConsentId, MarkFacts, PublicId, Sha256, Words

TYP = "visavis-statement"


class Statement(BaseModel):
    """What this server says of one of its calls."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    session: PublicId
    """The call's public id, which the mark in its pictures holds, too."""
    avatar: Annotated[str, Field(max_length=80)]
    """Its id on this server."""
    portrait: Sha256
    """Of the portrait's decoded pixels, as its consent record names it."""
    consent: ConsentId
    started_at: AwareDatetime
    """When the call began."""
    issued_at: AwareDatetime
    """When this was signed: of two statements about a call the later one holds."""
    mark: MarkFacts
    operator: Words = ""
    label: Words | None
    """The visible label's words; `None`: the operator has switched it off."""

    def sign(self, key: Ed25519PrivateKey) -> str:
        """The statement as a signed document."""
        return signed.sign(self.model_dump(mode="json"), key, TYP)


@dataclass(frozen=True, slots=True)
class Statements:
    """What this operator says of every call."""

    keys: OperatorKeys = field(repr=False)
    operator: str
    label: Label

    def of(self, session: str, permit: Permit, started_at: datetime) -> str:
        """The signed statement about a call, by its public id, that shows an avatar now."""
        payload = public_id.to_payload(session).hex()
        return Statement(
            session=session,
            avatar=permit.avatar,
            portrait=permit.portrait.sha256,
            consent=permit.record.id,
            started_at=started_at.replace(microsecond=0),
            issued_at=datetime.now(UTC).replace(microsecond=0),
            mark=MarkFacts(key=self.keys.mark_id, payload=payload),
            operator=self.operator,
            label=self.label.text if self.label.visible else None,
        ).sign(self.keys.signing)


def opened(document: str, keys: Mapping[str, Ed25519PublicKey]) -> Statement:
    """The statement that one of `keys`, by its id, has signed; raises `BadSignature`."""
    claims: dict[str, Any] = signed.opened(document, keys, TYP)
    try:
        statement = Statement.model_validate(claims)
    except ValidationError as error:
        raise _unknown() from error
    if statement.model_dump(mode="json") != claims:  # a time may be written in many ways
        raise _unknown()
    return statement


def _unknown() -> BadSignature:
    return BadSignature("the statement is signed, but not one that is known here")
