"""An avatar and the permit for it go in; the two as one come out, checked against each other."""

from __future__ import annotations

from dataclasses import dataclass

from engines.types import Avatar
from live.consent.authority import Permit
from live.consent.fingerprint import pixels_sha256
from live.errors import NoConsent


@dataclass(frozen=True, slots=True, eq=False)
class Permitted:
    """An avatar that may be shown; nothing else is taken by a pipeline or a call."""

    avatar: Avatar
    permit: Permit

    def __post_init__(self) -> None:
        """Hashes every pixel of the portrait: 2 ms for 1024 × 1024.

        Raises `NoConsent` where they are not of one avatar, one record and one picture, and
        `TypeError` for what is no permit.
        """
        if not isinstance(self.permit, Permit):
            raise TypeError("an avatar is shown with a Permit of live.consent.authority only")
        if (self.avatar.id, self.avatar.consent) != (self.permit.avatar, self.permit.record.id):
            raise NoConsent(
                f"the consent at hand is for the avatar {self.permit.avatar!r}, not for"
                f" {self.avatar.id!r}, or the avatar was made under another one"
            )
        if pixels_sha256(self.avatar.portrait.rgb) != self.permit.portrait.sha256:
            raise NoConsent(
                f"the portrait of the avatar {self.avatar.id!r} is not the one that its consent is"
                " for; add the avatar again"
            )

    @property
    def id(self) -> str:
        """The avatar's."""
        return self.avatar.id

    @property
    def consent(self) -> str:
        """The consent record's."""
        return self.permit.record.id
