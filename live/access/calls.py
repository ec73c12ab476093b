"""Which calls were opened with which token: a bound for each, and an end with their token."""

from __future__ import annotations

from collections.abc import Callable

from live.access.tokens import Grant
from live.calls import Calls
from live.errors import TooManyRequests

REVOKED = "token_revoked"
"""The reason with which calls of a revoked token end."""


class TokenCalls:
    """The calls that were opened with tokens, by their secret ids. Belongs to the event loop."""

    def __init__(self, most: int, calls: Calls) -> None:
        """`most`: calls that one token may hold at once; `calls`: all that there are."""
        self._most = most
        self._calls = calls
        self._held: dict[str, Grant] = {}

    def check(self, grant: Grant) -> None:
        """Raises `TooManyRequests` where the token holds all the calls that it may."""
        self._forget_ended()
        held = sum(one.id == grant.id for one in self._held.values())
        if grant.id and held >= self._most:
            raise TooManyRequests(
                f"this token holds {held} calls, and no more are allowed; end one first"
            )

    def add(self, grant: Grant, secret: str) -> None:
        """Remembers a call until it ends; without a token there is nothing to remember it by."""
        if grant.id:
            self._held[secret] = grant

    async def end(self, is_revoked: Callable[[Grant], bool]) -> None:
        """Ends the calls whose tokens are good no more."""
        self._forget_ended()
        over = [secret for secret, grant in self._held.items() if is_revoked(grant)]
        if over:
            await self._calls.end(over, REVOKED)

    def _forget_ended(self) -> None:
        self._held = {
            secret: grant for secret, grant in self._held.items() if self._calls.holds(secret)
        }
