"""What is said of whose face a portrait shows goes in; a `Statement` kept beside it comes out.

No avatar is made without one.
"""

from __future__ import annotations

import datetime
import json
import secrets
from dataclasses import asdict, dataclass
from enum import StrEnum

from live.errors import NoConsent

TEXT_LIMIT = 500


class Whose(StrEnum):
    """Whose face it is."""

    OWN = "own"
    """Of the person who adds it."""
    CONSENTED = "consented"
    """Of someone else, who has agreed."""
    SYNTHETIC = "synthetic"
    """Of nobody."""
    PUBLIC_DOMAIN = "public_domain"
    """In a work of art that is free of rights."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement."""

    id: str
    whose: Whose
    text: str
    """What it rests on, in the stater's words: who agreed, which work it is."""
    stated_at: str
    """ISO 8601, UTC; empty where it came with the program."""

    @staticmethod
    def made(whose: str | None, text: str | None) -> Statement:
        """A new statement, made now; raises `NoConsent` where something is missing."""
        if not whose or whose not in list(Whose):
            raise NoConsent(f"say in `statement` whose face it is: one of {', '.join(Whose)}")
        words = " ".join((text or "").split())
        if not words:
            raise NoConsent(
                "say in `statement_text`, in a sentence, what that rests on: who agreed to what, or"
                " where the picture comes from"
            )
        if len(words) > TEXT_LIMIT:
            raise NoConsent(f"`statement_text` has more than {TEXT_LIMIT} characters; shorten it")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return Statement(secrets.token_hex(8), Whose(whose), words, now)

    def to_json(self) -> str:
        """The text of `consent.json`."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str) -> Statement:
        """Reads `consent.json`; raises `NoConsent` where it is not a whole statement."""
        try:
            fields = json.loads(text)
            whole = Statement(
                str(fields["id"]),
                Whose(fields["whose"]),
                str(fields["text"]),
                str(fields["stated_at"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise NoConsent(
                "the statement kept with this avatar cannot be read; remove the avatar and add it"
                " again"
            ) from error
        return whole
