"""What a token may be good for."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """One kind of use."""

    SESSION = "session"
    """Open calls."""
    SPEAK = "speak"
    """Have a call's avatar say things."""
    AVATARS = "avatars"
    """Add, enrol and remove avatars."""
    ADMIN = "admin"
    """Everything; consent records and metrics by nothing else."""


EVERYTHING = frozenset(Scope)


def effective(granted: Iterable[Scope]) -> frozenset[Scope]:
    """What the scopes of a token let one do."""
    scopes = frozenset(granted)
    return EVERYTHING if Scope.ADMIN in scopes else scopes
