"""A consent that is taken back goes in; its avatars, their portraits and their calls are gone."""

from __future__ import annotations

import asyncio

from live.avatars import AvatarStore
from live.calls import Calls
from live.consent.authority import Consents, Reason
from live.enrolment import withdrawal
from live.errors import NotFound
from live.prepared import PreparedAvatars


class Leaving:
    """How somebody leaves one server. Belongs to the event loop."""

    def __init__(
        self, consents: Consents, store: AvatarStore, prepared: PreparedAvatars, calls: Calls
    ) -> None:
        """What has to forget them."""
        self._consents, self._store = consents, store
        self._prepared, self._calls = prepared, calls

    async def withdraw(self, consent: str, code: str) -> int:
        """What the person does with their own code; gives the calls that it ended.

        Withdrawing twice does no harm. Raises `NotFound`, `Forbidden`.
        """
        granted = await asyncio.to_thread(self._consents.granted, consent)
        withdrawal.check(granted.record, code)
        return await self.leave(consent, "withdrawn by the person themselves")

    async def leave(self, consent: str, reason: str) -> int:
        """Revokes a consent and deletes the avatars that rest on it; gives the calls it ended."""
        avatars = await asyncio.to_thread(self._revoked, consent, reason)
        ended = 0
        for avatar in avatars:
            ended += await self._calls.end_calls_of(avatar, "consent_revoked")
            self._prepared.forget(avatar)
            await asyncio.to_thread(self._remove, avatar)
        return ended

    def _revoked(self, consent: str, reason: str) -> list[str]:
        avatars = self._store.of_consent(consent)
        flaw = self._consents.flaw(self._consents.granted(consent).record)
        if flaw is None or flaw.reason is not Reason.REVOKED:
            self._consents.revoke(consent, reason)
        return avatars

    def _remove(self, avatar: str) -> None:
        try:
            self._store.remove(avatar)
        except NotFound:
            return  # somebody else was quicker
