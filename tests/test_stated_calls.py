"""Whoever is in a call is told, signed, what it is; and anew where another avatar is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.algorithms import OKPAlgorithm

from live import public_id, rtc
from live.consent.permitted import Permitted
from live.label import Label
from live.provenance.statement import Statement, opened
from live.session import Session
from tests import consents, fakes
from tests.http_fakes import Client, client, rooms
from tests.loops import in_loop
from tests.peer import CodedCamera, Peer, constant
from tests.test_calls_over_http import called


@pytest.fixture(autouse=True, scope="module")
def _adapted() -> None:
    rtc.adapt()


def read(document: str) -> Statement:
    return opened(document, consents.keys().own)


@in_loop
async def test_a_statement_follows_hello_and_every_change_of_avatar() -> None:
    async def open_avatar(id: str) -> Permitted:
        return fakes.permitted(id, 220)

    request = replace(fakes.request(), open_avatar=open_avatar)
    session, peer = Session(request), Peer()
    try:
        await peer.call(session.answer)
        await peer.until(lambda: bool(peer.said("statement")))
        first = read(peer.said("statement")[0]["statement"])
        keys = consents.keys()
        assert first.session == session.public_id == peer.said("hello")[0]["session"]
        assert first.mark.payload == public_id.to_payload(session.public_id).hex()
        assert first.mark.key == keys.mark_id
        assert (first.avatar, first.operator, first.label) == ("grey", "Bühne GmbH", "AI avatar")
        assert first.portrait == request.avatar.permit.portrait.sha256
        assert first.consent == request.avatar.permit.record.id
        assert abs(datetime.now(UTC) - first.started_at) < timedelta(minutes=2)
        await session.change({"mirror": True})
        await session.change({"avatar": "light"})
        await peer.until(lambda: len(peer.said("statement")) == 2)
        second = read(peer.said("statement")[1]["statement"])
        assert (second.avatar, second.session) == ("light", first.session)
        assert second.started_at == first.started_at <= second.issued_at
        assert second.consent != first.consent
    finally:
        await session.close()
        await peer.close()


@in_loop
async def test_over_http_with_the_key_that_the_server_tells(tmp_path: Path) -> None:
    of = rooms(
        tmp_path, start=Session, of_calls=fakes.call_settings(label=Label("Künstlich", "de", False))
    )
    async with client(of) as server:
        peer = Peer(camera=CodedCamera(constant(256, 256)))
        location = await called(server, peer)
        report = await (await server.get(location)).json()
        keys = await _told_keys(server)
        statement = opened(report["statement"], keys)
        assert statement.avatar == "ada"
        assert statement.label is None, "the operator has switched it off"
        await server.delete(location)
        await peer.close()


async def _told_keys(server: Client) -> dict[str, Ed25519PublicKey]:
    answer = await server.get("/.well-known/jwks.json")
    assert answer.headers["Content-Type"] == "application/jwk-set+json"
    told = await answer.json(content_type=None)
    assert all("d" not in key for key in told["keys"]), "no private key"
    read = {key["kid"]: OKPAlgorithm.from_jwk(key) for key in told["keys"]}
    return {kid: key for kid, key in read.items() if isinstance(key, Ed25519PublicKey)}
