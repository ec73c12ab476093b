"""No secret of the operator, of a call or of a person is ever written where others read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from live import rtc
from live.access.scopes import Scope
from live.access.tokens import issue
from live.keys import OperatorKeys
from tests.http_fakes import SDP, png
from tests.loops import in_loop
from tests.peer import CodedCamera, Peer, constant

SPOKEN = "The garden gate stays open tonight."
TURN_USER, TURN_PASSWORD = "turnuser77", "turn-password-4711"
OPENAI_KEY = "sk-openai-key-0815"
MARK, FORMER_MARK = "5a" * 32, "6b" * 32


class SilentTurn(asyncio.DatagramProtocol):
    """A TURN server that knows nobody: every request is answered by error 437."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        kind = int.from_bytes(data[:2], "big") | 0x0110
        error = b"\0\x09\0\x08\0\0\4\x25no\0\0"
        head = kind.to_bytes(2, "big") + len(error).to_bytes(2, "big")
        self._transport.sendto(head + data[4:20] + error, addr)


@pytest.fixture(scope="module")
def signing() -> str:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode()


def environment(folder: Path, signing: str, turn: int) -> dict[str, str]:
    server = {
        "urls": f"turn:127.0.0.1:{turn}?transport=udp",
        "username": TURN_USER,
        "credential": TURN_PASSWORD,
    }
    return os.environ | {
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "XDG_DATA_HOME": str(folder),
        "VISAVIS_KEYS__SIGNING": signing,
        "VISAVIS_KEYS__MARK": MARK,
        "VISAVIS_KEYS__FORMER_MARKS": f'["{FORMER_MARK}"]',
        "VISAVIS_ICE__SERVERS": str([server]).replace("'", '"'),
        "VISAVIS_VOICE__OPENAI_URL": "http://127.0.0.1:9/v1",
        "VISAVIS_VOICE__OPENAI_KEY": OPENAI_KEY,
        "VISAVIS_VOICE__OPENAI_MODEL": "m",
        "VISAVIS_VOICE__OPENAI_VOICE": "v",
        "VISAVIS_ACCESS__REQUIRED": "true",
        "VISAVIS_LOGS__LEVEL": "debug",
    }


@contextlib.contextmanager
def serving(env: dict[str, str], cwd: Path, log: Path) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "live", "serve", "--port", "0"],
            env=env,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def ready(session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(90):
        while (await session.get("/readyz")).status != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def a_call(session: aiohttp.ClientSession, token: str, told: list[str]) -> list[str]:
    """All that may go right and wrong in a call; gives its secrets, and in `told` the errors."""
    bearer = {"Authorization": f"Bearer {token}"}
    peer = Peer(camera=CodedCamera(constant(256, 256)))
    secrets: list[str] = []

    async def answer(sdp: str) -> str:
        query = "/sessions?avatar=ada&driver=face"
        reply = await session.post(query, data=sdp.encode(), headers=SDP | bearer)
        assert reply.status == 201, await reply.text()
        assert TURN_PASSWORD in reply.headers["Link"]  # who holds the call is to know it
        secrets.append(reply.headers["Location"])
        text = await reply.text()
        secrets.extend(re.findall(r"a=ice-pwd:(\S+)", sdp + text))
        return text

    await peer.call(answer)
    await peer.until(lambda: bool(peer.seen) and bool(peer.said("hello")), 30)
    call = secrets[0]
    for voice in ("openai", "hibari", "nobody"):
        body = {"text": SPOKEN, "voice": voice}
        reply = await session.post(f"{call}/say", json=body, headers=bearer)
        told.append(await reply.text())
        peer.send("say", **body)
    peer.send("say", text=7)
    await asyncio.sleep(1)
    bad = f"{call}/say?{TURN_PASSWORD}"
    for request in (
        session.post(bad, data=b"{" + SPOKEN.encode(), headers=bearer),
        session.patch(call, data="a=ice-pwd:bad", headers=bearer),
        session.patch(f"{call}/settings", json={"avatar": SPOKEN}, headers=bearer),
        session.get("/avatars", headers={"Authorization": f"Bearer {token}x"}),
        session.get("/avatars", headers={"Authorization": f"Basic {token}"}),
        session.post("/avatars", data=png(), headers=bearer),
        session.post("/sessions?avatar=ada", data=token, headers=SDP | bearer),
        session.get(f"/sessions/{token}"),
    ):
        told.append(await (await request).text())
    told.append(await (await session.get("/metrics", headers=bearer)).text())
    told += [str(one.get("message")) for one in peer.said("error")]
    assert (await session.delete(call)).status == 200
    await peer.close()
    told.append(await (await session.get(call)).text())
    return [one.rsplit("/", 1)[-1] for one in secrets]


@in_loop
async def test_secrets_stay_where_they_are(tmp_path: Path, signing: str) -> None:
    rtc.adapt()
    loop = asyncio.get_running_loop()
    turn, _ = await loop.create_datagram_endpoint(SilentTurn, ("127.0.0.1", 0))
    env = environment(tmp_path, signing, turn.get_extra_info("sockname")[1])
    key = serialization.load_pem_private_key(signing.encode(), None)
    assert isinstance(key, Ed25519PrivateKey)
    token = issue(OperatorKeys(key, bytes.fromhex(MARK)), [Scope.ADMIN], 3600)
    log = tmp_path / "log"
    told: list[str] = []
    with serving(env, tmp_path, log) as process:
        assert process.stdout is not None
        address = (await asyncio.to_thread(process.stdout.readline)).split()[3]
        async with aiohttp.ClientSession(address) as session:
            await ready(session)
            of_the_call = await a_call(session, token, told)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 20) == 0
        told.append(process.stdout.read())
    for words in (["config", "show"], ["doctor", "--json"], ["token", "show", token]):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "live", *words],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        told += [done.stdout, done.stderr]
    told.append((tmp_path / "visavis" / "audit.jsonl").read_text())
    turn.close()
    lines = log.read_text()
    assert "call ended" in lines
    everything = "\n".join([lines, *told])
    secrets = {
        "token": token,
        "token's signature": token.rsplit(".", 1)[1],
        "signing key": "".join(signing.splitlines()[1:-1]),
        "mark key": MARK,
        "former mark key": FORMER_MARK,
        "TURN password": TURN_PASSWORD,
        "service's key": OPENAI_KEY,
        **{f"of the call: {number}": one for number, one in enumerate(of_the_call)},
    }
    for name, secret in secrets.items():
        assert len(secret) > 15
        assert secret not in everything, name
    assert SPOKEN not in lines
    assert "127.0.0.1" not in lines
