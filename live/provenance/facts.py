"""What a film's credentials say of it, in plain values: given when it is signed, read back later.

There are no names in them but the operator's: portraits and consent records stand by their hashes,
so whoever holds either can check it, and nobody learns from a film whose face it shows.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

from engines.mark import ALGORITHM
from live import public_id, signed
from live.consent import built_in
from live.consent.authority import Permit
from live.consent.record import Basis
from live.label import Label


def _printable(text: str) -> str:
    """Raises `ValueError` for what a terminal or a page would act upon: it may be a stranger's."""
    if not text.isprintable():
        raise ValueError("has signs that cannot be printed")
    return text


Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""Of something, in hexadecimal digits."""
ConsentId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,80}$")]
PublicId = Annotated[str, StringConstraints(pattern=public_id.PATTERN)]
DrivenBy = Literal["camera", "voice", "both"]
Words = Annotated[str, StringConstraints(max_length=80), AfterValidator(_printable)]
MOST_AVATARS = 64
"""In one film."""


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AvatarFacts(_Fact):
    """An avatar that is seen, and the consent that this rests on."""

    portrait: Sha256
    """Of the portrait's decoded pixels, as consent records name them."""
    consent: ConsentId
    """The record's id."""
    record: Sha256 | None
    """Of what the record says, as it was signed: the payload of its JSON Web Signature. `None`: of
    nobody's portrait, which came with the program and has no signed record."""
    basis: Basis

    @classmethod
    def of(cls, permit: Permit) -> AvatarFacts:
        """What is to be said where this permit is used."""
        record = permit.record
        is_signed = record.not_after != built_in.ENDLESS
        digest = sha256(signed.payload(record.claims())).hexdigest() if is_signed else None
        return cls(
            portrait=permit.portrait.sha256,
            consent=record.id,
            record=digest,
            basis=record.basis,
        )


class MarkFacts(_Fact):
    """The mark that every picture bears."""

    algorithm: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,80}$")] = ALGORITHM
    key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    """Which key finds it, without giving it away: `OperatorKeys.mark_id`."""
    payload: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{14}$")]
    """Seven bytes in hexadecimal digits: the version, then the session's public id."""


class LabelFacts(_Fact):
    """The visible label on every picture."""

    text: Words
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{2,40}$")]

    @classmethod
    def of(cls, label: Label) -> LabelFacts | None:
        """What is to be said of it; `None`: it cannot be seen."""
        return cls(text=label.text, language=label.language) if label.visible else None


class Facts(_Fact):
    """What is said of a film."""

    kind: Literal["render", "recording"]
    avatars: Annotated[tuple[AvatarFacts, ...], Field(min_length=1, max_length=MOST_AVATARS)]
    mark: MarkFacts
    label: LabelFacts | None
    """`None`: the operator has switched it off."""
    driven_by: DrivenBy
    started_at: AwareDatetime
    duration_ms: Annotated[int, Field(ge=0, lt=2**32)]
    operator: Words = ""

    @property
    def public_id(self) -> str:
        """The session's or render's, which the mark holds."""
        return self.mark.payload[2:]
