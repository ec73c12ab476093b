"""Clients that only take up room, with real sockets: all of them are let go of within a bound."""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from live import server
from live.access.connections import Bounds, Connections
from live.server import application
from tests.http_fakes import rooms

pytestmark = pytest.mark.alone

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
QUICK = Bounds(most=6, most_of_one=6, head_within_s=0.4, read_within_s=0.4)


class Door:
    """Where the server listens."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: list[Stream] = []

    async def connect(self) -> Stream:
        stream = await asyncio.open_connection("127.0.0.1", self.port)
        self._streams.append(stream)
        return stream

    async def close(self) -> None:
        for _, writer in self._streams:
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                continue


async def large(request: web.Request) -> web.Response:
    return web.Response(body=bytes(30_000_000))


@asynccontextmanager
async def serving(
    folder: Path, monkeypatch: pytest.MonkeyPatch, bounds: Bounds = QUICK, idle_s: float = 75.0
) -> AsyncIterator[Door]:
    """As `live.server.serve` does it."""
    monkeypatch.setattr(server, "Connections", lambda: Connections(bounds))
    monkeypatch.setattr(server, "_REQUESTS_S", 0.1)
    of = rooms(folder)
    app = application(of)
    app.router.add_get("/large", large)
    runner = server._runner(app, idle_s)
    await runner.setup()
    settings = of.settings.server.model_copy(update={"port": 0})
    listener = await server._listen(runner, settings)
    door = Door(listener.sockets[0].getsockname()[1])
    try:
        yield door
    finally:
        await door.close()
        listener.close()
        await runner.cleanup()
        of.prepared.close()


def play(
    scene: Callable[[Door], Awaitable[None]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    bounds: Bounds = QUICK,
    idle_s: float = 75.0,
) -> None:
    async def run() -> None:
        async with serving(folder, monkeypatch, bounds, idle_s) as door:
            await scene(door)

    asyncio.run(run())


async def until_closed(reader: asyncio.StreamReader, limit_s: float = 5.0) -> float:
    """The seconds until the other end hangs up."""
    begun = time.monotonic()
    async with asyncio.timeout(limit_s):
        try:
            while await reader.read(1 << 16):
                pass
        except ConnectionError:
            pass
    return time.monotonic() - begun


async def status(stream: Stream, request: bytes = GET) -> bytes:
    """The status of an answer; empty where the other end hangs up instead."""
    reader, writer = stream
    try:
        writer.write(request)
        await writer.drain()
        line = await reader.readline()
    except ConnectionError:
        return b""
    return line.split()[1] if line else b""


def test_who_never_asks_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(door: Door) -> None:
        reader, _ = await door.connect()
        assert 0.3 < await until_closed(reader) < 2

    play(scene, tmp_path, monkeypatch)


@pytest.mark.parametrize("first", [b"GET /livez HTTP/1.1\r\nHost: localhost\r\n", b"\r\n\r\n"])
def test_a_head_that_comes_byte_by_byte_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    async def scene(door: Door) -> None:
        reader, writer = await door.connect()
        begun = time.monotonic()

        async def drip() -> None:
            writer.write(first)
            while True:
                writer.write(b"X-Slow: 1\r\n" if first.endswith(b"t\r\n") else b"\r\n")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        await until_closed(reader)
        dripping.cancel()
        assert time.monotonic() - begun < 2

    play(scene, tmp_path, monkeypatch)


def test_who_has_asked_once_may_think_until_the_idle_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(door: Door) -> None:
        stream = await door.connect()
        assert await status(stream) == b"200"
        begun = time.monotonic()
        stream[1].write(b"GET /livez HTTP/1.1\r\n")  # and no more
        await until_closed(stream[0])
        assert 0.8 < time.monotonic() - begun < 4

    play(scene, tmp_path, monkeypatch, idle_s=1.0)


def test_a_body_byte_by_byte_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live.bodies._DEADLINE_S", 0.4)

    async def scene(door: Door) -> None:
        reader, writer = await door.connect()
        writer.write(
            b"POST /sessions?avatar=ada HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/sdp\r\nContent-Length: 5000\r\n\r\n"
        )

        async def drip() -> None:
            while True:
                writer.write(b"v")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        async with asyncio.timeout(2):
            assert (await reader.readline()).split()[1] == b"400"
        dripping.cancel()

    play(scene, tmp_path, monkeypatch)


def test_who_does_not_read_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(door: Door) -> None:
        reader, writer = await door.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.sleep(1.2)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        got = 0
        async with asyncio.timeout(5):
            try:
                while chunk := await reader.read(1 << 20):
                    got += len(chunk)
            except ConnectionError:
                pass
        assert got < 30_000_000

    play(scene, tmp_path, monkeypatch)


def test_who_reads_gets_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(door: Door) -> None:
        reader, writer = await door.connect()
        writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        got = 0
        while chunk := await reader.read(1 << 20):
            got += len(chunk)
        assert got > 30_000_000

    play(scene, tmp_path, monkeypatch)


def test_more_connections_than_fit_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    patient = Bounds(most=6, most_of_one=6, head_within_s=10)

    async def scene(door: Door) -> None:
        held = [await door.connect() for _ in range(6)]
        assert await status(held[0]) == b"200"
        assert await status(await door.connect()) == b""
        held[1][1].close()
        await held[1][1].wait_closed()
        await asyncio.sleep(0.1)
        again = await door.connect()
        assert await status(again) == b"200"
        assert await status(held[2]) == b"200"

    with caplog.at_level(logging.WARNING):
        play(scene, tmp_path, monkeypatch, patient)
    assert "connections are refused" in caplog.text
    assert "127.0.0.1" not in caplog.text


def test_one_machine_has_its_share_and_a_proxy_here_has_all() -> None:
    class Transport(asyncio.Transport):
        def abort(self) -> None:
            pass

    async def scene() -> None:
        connections = Connections(Bounds(most=10, most_of_one=2))
        admitted = [connections.admit(Transport(), "192.0.2.7") for _ in range(3)]
        assert admitted == [True, True, False]
        assert connections.admit(Transport(), "192.0.2.8")
        assert all(connections.admit(Transport(), "") for _ in range(6))
        gone = Transport()
        assert not connections.admit(gone, "192.0.2.9")  # the eleventh
        connections.forget(gone, "192.0.2.9")
        assert "192.0.2.9" not in connections._by_network

    asyncio.run(scene())


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd"])
def test_nothing_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coding: bytes
) -> None:
    packed = gzip.compress(bytes(1_000_000))
    request = (
        b"POST /sessions?avatar=ada HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/sdp\r\nContent-Encoding: " + coding + b"\r\n"
        b"Content-Length: " + str(len(packed)).encode() + b"\r\n\r\n" + packed
    )

    async def scene(door: Door) -> None:
        assert await status(await door.connect(), request) == b"415"

    play(scene, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 2_000 + b"\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",  # TLS to a port without it
        b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Length: 5\r\n\r\nhello",
    ],
    ids=["line", "field", "fields", "version", "tls", "smuggling"],
)
def test_heads_that_are_too_large_or_none_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    async def scene(door: Door) -> None:
        assert await status(await door.connect(), head) in (b"400", b"431", b"")
        assert await status(await door.connect()) == b"200"

    play(scene, tmp_path, monkeypatch)
