"""Which calls were opened with which token: a bound for each, and an end with their token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from live.access.tokens import Grant
from live.errors import TooManyRequests
from live.pool import Call

REVOKED = "token_revoked"
"""The reason with which calls of a revoked token end."""


@dataclass(frozen=True, slots=True)
class _Held:
    grant: Grant
    call: Call


class TokenCalls:
    """The calls that were opened with tokens. Belongs to the event loop."""

    def __init__(self, most: int) -> None:
        """`most`: calls that one token may hold at once."""
        self._most = most
        self._held: list[_Held] = []

    def check(self, grant: Grant) -> None:
        """Raises `TooManyRequests` where the token holds all the calls that it may."""
        self._forget_ended()
        held = sum(one.grant.id == grant.id for one in self._held)
        if grant.id and held >= self._most:
            raise TooManyRequests(
                f"this token holds {held} calls, and no more are allowed; end one first"
            )

    def add(self, grant: Grant, call: Call) -> None:
        """Remembers a call until it ends; without a token there is nothing to remember it by."""
        if grant.id:
            self._held.append(_Held(grant, call))

    async def end(self, is_revoked: Callable[[Grant], bool]) -> None:
        """Ends the calls whose tokens are good no more."""
        self._forget_ended()
        over = [one.call for one in self._held if is_revoked(one.grant)]
        await asyncio.gather(*(call.close(REVOKED) for call in over), return_exceptions=True)

    def _forget_ended(self) -> None:
        self._held = [one for one in self._held if not one.call.closed.is_set()]
