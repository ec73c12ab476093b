"""The calls of a server, wherever they are held: in its own process, or in workers of it."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Protocol


class Calls(Protocol):
    """What is asked of all calls together. Belongs to the event loop."""

    def free(self) -> int:
        """How many more would be taken now."""

    def check_free(self) -> None:
        """Raises `Full` where no call would be taken now."""

    def holds(self, secret: str) -> bool:
        """Whether a call of this secret id is there, or is being opened."""

    async def end(self, secrets: Collection[str], reason: str) -> int:
        """Ends the calls of these secret ids; says how many of them there were."""

    async def end_calls_of(self, avatar: str, reason: str) -> int:
        """Ends the calls in which an avatar is shown; says how many those were."""


def new_secret() -> str:
    """A call's secret id: whoever has it may follow, trickle into and end that call."""
    return secrets.token_urlsafe(24)
