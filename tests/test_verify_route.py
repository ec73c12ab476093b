"""`POST /verify`: whatever is sent is looked at or refused, few at once, and nothing stays."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, FormData, TCPConnector, web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from live import problems
from live.errors import Unprocessable
from live.keys import OperatorKeys
from live.routes import verify as route
from live.routes.verify import VerifyRoutes
from live.verification.verdict import Credentials, Examined, Looked, Verdict
from live.verification.verifier import Verifier
from live.verification.windows import Tell
from tests import bad_files
from tests.http_fakes import Client, problem
from tests.test_verification import KEY, SESSION, as_picture, marked

NOTHING = Verdict(
    Examined("00" * 32, 1, "image/png", "picture", 1, 1, None),
    Credentials("absent"),
    (),
    Looked(1, whole=True, stretches=(), reduced=False),
)


class FakeVerifier(Verifier):
    """Answers at once, or when it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.seen: list[bytes] = []
        self.called, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()
        self._raised = error

    async def verify(self, descriptor: int, tell: Tell = lambda done, parts: None) -> Verdict:
        self.seen.append(os.pread(descriptor, 1 << 20, 0))
        self.called.set()
        await self.go_on.wait()
        if self._raised:
            raise self._raised
        return NOTHING


@asynccontextmanager
async def client(verifier: Verifier, per_minute: int = 1000) -> AsyncIterator[Client]:
    app = web.Application(middlewares=[problems.middleware(lambda name: None)])
    app.add_routes(VerifyRoutes(verifier, per_minute).table())
    async with TestClient(TestServer(app)) as opened:
        yield opened


def play(
    scene: Callable[[Client, FakeVerifier], Awaitable[None]],
    error: Exception | None = None,
    **options: Any,
) -> None:
    async def run() -> None:
        verifier = FakeVerifier(error)
        async with client(verifier, **options) as opened:
            await scene(opened, verifier)

    asyncio.run(run())


def form(name: str = "file", data: bytes = b"film") -> FormData:
    fields = FormData(default_to_multipart=True)
    fields.add_field("note", "first")
    fields.add_field(name, data, filename="../../etc/x.mp4")
    return fields


def test_file_comes_as_the_body_or_in_a_form() -> None:
    async def scene(server: Client, verifier: FakeVerifier) -> None:
        for body in (b"film", form()):
            answer = await server.post("/verify", data=body)
            told = await answer.json()
            assert answer.status == 200
            assert told["verdict"] == "nothing_found"
            assert told["words"]["headline"]
            assert told["cannot_tell"]
        assert verifier.seen == [b"film", b"film"]

    play(scene)


def test_real_answer_comes_from_the_file() -> None:
    async def run() -> None:
        keys = OperatorKeys(Ed25519PrivateKey.generate(), KEY)
        async with client(Verifier(keys, lambda: None)) as server:
            answer = await server.post("/verify", data=as_picture(marked()[3]))
            assert answer.status == 200, await answer.text()
            told = await answer.json()
            assert [mark["session"] for mark in told["marks"]] == [SESSION]
            for body, status in (
                (b"", 400),
                (b"words", 415),
                (bad_files.still("PNG")[:300], 422),
                (bad_files.png_claiming(30000, 30000), 413),
            ):
                await problem(await server.post("/verify", data=body), status)

    asyncio.run(run())


def test_form_without_the_file_is_refused() -> None:
    async def scene(server: Client, verifier: FakeVerifier) -> None:
        told = await problem(await server.post("/verify", data=form("image")), 400)
        assert "file" in told["detail"]
        assert not verifier.seen

    play(scene)


def test_body_that_is_too_large_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "LARGEST_FILE", 1000)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(1000)

    async def scene(server: Client, verifier: FakeVerifier) -> None:
        for body in (bytes(100_000), chunks(), form(data=bytes(100_000))):
            await problem(await server.post("/verify", data=body), 413)
        assert not verifier.seen

    play(scene)


def test_nothing_stays_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def scene(server: Client, verifier: FakeVerifier) -> None:
        verifier.go_on.clear()
        open_before = _open_files()
        asking = asyncio.create_task(_status(server))
        await verifier.called.wait()
        assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))  # no name even now
        verifier.go_on.set()
        assert await asking == 422
        assert _open_files() <= open_before

    play(scene, Unprocessable("broken"))


def _open_files() -> int:
    """Regular files that this process holds open."""
    return sum("/visavis-" in _target(one) or "#" in _target(one) for one in _descriptors())


def _descriptors() -> list[Path]:
    return list(Path("/proc/self/fd").iterdir())


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


async def _status(server: Client) -> int:
    async with server.post("/verify", data=b"film") as answer:
        await answer.read()
        return answer.status


def test_few_are_admitted_and_the_others_told_to_wait() -> None:
    async def scene(server: Client, verifier: FakeVerifier) -> None:
        verifier.go_on.clear()
        asking = [asyncio.create_task(_status(server)) for _ in range(4)]
        await verifier.called.wait()
        await asyncio.sleep(0.05)
        assert len(verifier.seen) <= 2
        answer = await server.post("/verify", data=b"film")
        await problem(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
        verifier.go_on.set()
        assert await asyncio.gather(*asking) == [200] * 4
        assert await _status(server) == 200

    play(scene)


def test_one_machine_leaves_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.routes.verify.is_loopback", lambda host: False)

    async def scene(server: Client, verifier: FakeVerifier) -> None:
        verifier.go_on.clear()
        asking = [asyncio.create_task(_status(server)) for _ in range(2)]
        await verifier.called.wait()
        await asyncio.sleep(0.05)
        assert await _status(server) == 503
        async with _from_elsewhere() as other:
            theirs = asyncio.create_task(other.post(server.make_url("/verify"), data=b"film"))
            await asyncio.sleep(0.05)
            verifier.go_on.set()
            assert (await theirs).status == 200
        assert await asyncio.gather(*asking) == [200] * 2

    play(scene)


def _from_elsewhere() -> ClientSession:
    return ClientSession(connector=TCPConnector(local_addr=("127.0.0.2", 0)))


def test_no_more_than_so_many_a_minute_from_one_address() -> None:
    async def scene(server: Client, verifier: FakeVerifier) -> None:
        assert [await _status(server) for _ in range(4)] == [200, 200, 200, 429]
        async with _from_elsewhere() as other:
            theirs = await other.post(server.make_url("/verify"), data=b"film")
            assert theirs.status == 200

    play(scene, per_minute=3)


def test_client_that_hangs_up_leaves_no_place_taken() -> None:
    async def scene(server: Client, verifier: FakeVerifier) -> None:
        verifier.go_on.clear()
        for _ in range(4):
            asking = asyncio.create_task(_status(server))
            await asyncio.sleep(0.05)
            asking.cancel()
        verifier.go_on.set()
        await asyncio.sleep(0.1)
        assert await _status(server) == 200

    play(scene)
