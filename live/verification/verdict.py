"""What was found in a file, as values; `document` makes them JSON, `parsed` the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

VERSION = 1
"""Of the JSON; grows when a member changes its meaning. New members may come at any time."""

Code = Literal["made_here", "credentials_broken", "signed_elsewhere", "nothing_found"]
State = Literal["valid", "broken", "absent", "unreadable"]
Kind = Literal["picture", "animation", "film"]


@dataclass(frozen=True, slots=True)
class Examined:
    """The file itself."""

    sha256: str
    bytes: int
    type: str
    """Media type, told by the content."""
    kind: Kind
    width: int
    height: int
    """As it is shown: rotated as the file asks."""
    seconds: float | None
    """`None`: a picture, or a film that does not tell."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Content credentials (C2PA)."""

    state: State
    ours: bool = False
    """Valid, and signed with this operator's certificate."""
    test_certificate: bool = False
    """Signed with a certificate that calls itself a test."""
    expired: bool = False
    """The certificate has expired since, and nobody has attested when it was used."""
    signer: str | None = None
    """Who the certificate names."""
    generator: str | None = None
    """The program that made the claim."""
    source_types: tuple[str, ...] = ()
    """IPTC digital source types, without their common address."""
    session: str | None = None
    """Public id of the session or rendering that a soft binding names."""
    problems: tuple[str, ...] = ()
    """C2PA's own codes of what does not fit."""
    possible: bool = True
    """Whether this kind of file can carry credentials that are looked for here."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a film."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class FoundMark:
    """The live mark of one session."""

    session: str
    """Public id: 12 hexadecimal digits."""
    version: int
    key: Literal["current", "former"]
    key_id: str
    score: float
    """Of its surest part: standard deviations of chance."""
    false_alarm: float
    """A bound of how probable such a score is in two seconds that do not carry this key's mark."""
    stretches: tuple[Stretch, ...]
    """Where it was found; empty for a picture."""
    mirrored: bool
    scale: tuple[float, float]
    """Width and height, against a picture that was marked with a shorter side of 512 pixels."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What of the pictures was looked at for a mark."""

    pictures: int
    whole: bool
    """Whether that is all of the file."""
    stretches: tuple[Stretch, ...]
    reduced: bool
    """Whether it was made smaller for that."""
    damaged: bool = False
    """Whether some of it could not be decoded."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that can be told of a file."""

    file: Examined
    credentials: Credentials
    marks: tuple[FoundMark, ...]
    looked_at: Looked

    @property
    def code(self) -> Code:
        """The verdict in a word."""
        if self.marks or self.credentials.ours:
            return "made_here"
        if self.credentials.state == "broken":
            return "credentials_broken"
        return "signed_elsewhere" if self.credentials.state == "valid" else "nothing_found"


_VERDICT = TypeAdapter(Verdict)


def document(verdict: Verdict) -> dict[str, Any]:
    """The verdict as plain values for JSON."""
    members: dict[str, Any] = _VERDICT.dump_python(verdict, mode="json")
    return {"version": VERSION, "verdict": verdict.code, **members}


def parsed(members: Any) -> Verdict:
    """The way back; raises `ValueError` for anything that is no verdict."""
    return _VERDICT.validate_python(members)
