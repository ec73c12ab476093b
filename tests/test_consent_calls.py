"""A consent that ends takes its running calls with it, and the peer is told why."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.types import Portrait
from live import rtc, settings
from live.audit import AuditLog
from live.consent.authority import Consents
from live.consent.permitted import Permitted
from live.consent.record import Mode, Record
from live.errors import NoConsent
from live.registers import Registers, open_registers
from live.request import SessionRequest
from live.session import Session
from tests import consents, fakes
from tests.loops import in_loop
from tests.peer import Peer
from tests.voices import ToneVoice

LIMIT_S = 5.0


@pytest.fixture(autouse=True)
def _adapted() -> Any:
    with rtc.adapted(rtc.ADAPTATIONS):
        yield


class Call:
    """A real call that is up, and how it ended."""

    def __init__(self, request: SessionRequest) -> None:
        self.reason = ""
        self.session = Session(request, self._on_ended)
        self.peer = Peer()

    def _on_ended(self, reason: str) -> None:
        self.reason = reason

    async def until_ended(self) -> float:
        """Seconds from now until everything is free."""
        start = time.monotonic()
        async with asyncio.timeout(LIMIT_S):
            await self.session.closed.wait()
        return time.monotonic() - start

    def told(self) -> dict[str, Any]:
        """What the peer was told of the end."""
        (told,) = (each for each in self.peer.said("state") if each["state"] == "ended")
        return told


@asynccontextmanager
async def call(permitted: Permitted) -> AsyncIterator[Call]:
    up = Call(replace(fakes.request(), avatar=permitted))
    try:
        await up.peer.call(up.session.answer)
        await up.peer.until(lambda: len(up.peer.seen) > 5 and bool(up.peer.said("hello")))
        yield up
    finally:
        await up.session.close()
        await up.peer.close()


def authority(folder: Path, **more: Any) -> Consents:
    return Consents(
        folder, consents.keys(), AuditLog(folder / "log.jsonl", consents.keys()), **more
    )


@in_loop
async def test_revocation_ends_a_running_call(tmp_path: Path) -> None:
    by = authority(tmp_path)
    permitted = consents.permitted(fakes.avatar(), by=by)
    async with call(permitted) as up:
        await asyncio.to_thread(by.revoke, permitted.consent, "asked by mail")
        assert await up.until_ended() < LIMIT_S
        assert up.reason == "consent_revoked"
        told = up.told()
        assert told["reason"] == "consent_revoked"
        assert "revoked on 20" in told["message"]
        assert "mail" not in told["message"]
    with pytest.raises(NoConsent, match="revoked"):
        permitted.permit.check()


@in_loop
async def test_expiry_ends_a_running_call(tmp_path: Path) -> None:
    later = [timedelta()]
    by = authority(tmp_path, now=lambda: datetime.now(UTC) + later[0])
    async with call(consents.permitted(fakes.avatar(), by=by)) as up:
        later[0] = timedelta(366)
        assert await up.until_ended() < LIMIT_S
        assert (up.reason, up.told()["reason"]) == ("consent_expired", "consent_expired")


@in_loop
async def test_a_list_that_nobody_can_believe_ends_a_running_call(tmp_path: Path) -> None:
    by = authority(tmp_path)
    async with call(consents.permitted(fakes.avatar(), by=by)) as up:
        (tmp_path / "revocations.jws").write_text("nothing was revoked")
        assert await up.until_ended() < LIMIT_S
        assert (up.reason, up.told()["reason"]) == ("consent_unknown", "consent_unknown")


@in_loop
async def test_a_call_that_cannot_be_watched_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Consents, record: Record) -> None:
        raise MemoryError

    stuck = threading.Event()

    def hang(self: Consents, record: Record) -> None:
        stuck.wait(20)

    for flaw in (fail, hang):
        by = authority(tmp_path)
        async with call(consents.permitted(fakes.avatar(), by=by)) as up:
            monkeypatch.setattr(Consents, "flaw", flaw)
            assert await up.until_ended() < LIMIT_S
            assert up.reason == "failed"
        monkeypatch.undo()
    stuck.set()


@in_loop
async def test_the_new_avatars_consent_counts_after_a_change(tmp_path: Path) -> None:
    by = authority(tmp_path)
    first = consents.permitted(fakes.avatar(), by=by)
    second = consents.permitted(fakes.avatar("light", 220), by=by)

    async def open_avatar(id: str) -> Permitted:
        return second

    up = Call(replace(fakes.request(), avatar=first, open_avatar=open_avatar))
    await up.peer.call(up.session.answer)
    await up.session.change({"avatar": "light"})
    await asyncio.to_thread(by.revoke, first.consent)
    await asyncio.sleep(1.5)
    assert not up.session.closed.is_set()
    await asyncio.to_thread(by.revoke, second.consent)
    assert await up.until_ended() < LIMIT_S
    assert up.reason == "consent_revoked"
    await up.peer.close()


@in_loop
async def test_an_avatar_says_nothing_that_it_was_not_lent_for(tmp_path: Path) -> None:
    only_face = frozenset({Mode.FACE})
    permitted = consents.permitted(fakes.avatar(), modes=only_face, by=authority(tmp_path))
    async with call(permitted) as up:
        for said in (
            up.session.say({"text": "Hello."}),
            up.session.say_sound(b"RIFF"),
        ):
            with pytest.raises(NoConsent, match="driven by speech"):
                await said
        with pytest.raises(NoConsent, match="driven by speech"):
            up.session.say_feed(24_000, lambda name: None)
        up.peer.send("say", text="Hello.", ref="1")
        await up.peer.until(lambda: bool(up.peer.said("error")))
        assert "driven by speech" in up.peer.said("error")[0]["message"]


@in_loop
async def test_what_one_avatar_says_no_other_goes_on_with(tmp_path: Path) -> None:
    by = authority(tmp_path)
    first = consents.permitted(fakes.avatar(), by=by)
    mute = consents.permitted(fakes.avatar("mute"), modes=frozenset({Mode.FACE}), by=by)

    async def open_avatar(id: str) -> Permitted:
        return mute

    request = replace(fakes.request(voice=lambda name: ToneVoice()), avatar=first)
    up = Call(replace(request, open_avatar=open_avatar))
    await up.peer.call(up.session.answer)
    await up.peer.until(lambda: bool(up.peer.said("hello")))
    await up.session.say({"text": "word " * 60})
    await up.peer.until(lambda: bool(up.peer.said("started")))
    await up.session.change({"avatar": "mute"})
    await up.peer.until(lambda: bool(up.peer.said("finished")))
    assert up.peer.said("finished")[0]["reason"] == "interrupted"
    await up.session.close()
    await up.peer.close()


@in_loop
async def test_no_call_begins_once_the_consent_has_ended(tmp_path: Path) -> None:
    by = authority(tmp_path)
    permitted = consents.permitted(fakes.avatar(), by=by)
    request = replace(fakes.request(), avatar=permitted)
    by.revoke(permitted.consent)
    session, peer = Session(request), Peer()
    with pytest.raises(NoConsent, match="revoked"):
        await peer.call(session.answer)
    assert session.closed.is_set()
    await peer.close()


def _registers() -> Registers:
    return open_registers(settings.load(None))


@in_loop
async def test_another_process_revokes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`visavis consent revoke`, while the call runs here."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    registers = await asyncio.to_thread(_registers)
    rgb = np.random.default_rng(1).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    avatar = replace(fakes.avatar(), portrait=Portrait(rgb, ()))
    permitted = consents.permitted(avatar, by=registers.consents)
    async with call(permitted) as up:
        revoking = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "live", "consent", "revoke", permitted.consent
        )
        assert await revoking.wait() == 0
        assert await up.until_ended() < LIMIT_S
        assert up.reason == up.told()["reason"] == "consent_revoked"
