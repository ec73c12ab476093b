from __future__ import annotations

import asyncio
import gzip
import logging
import re
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from live.avatars import AvatarStore
from live.errors import ModelUnavailable
from live.prepared import PreparedAvatars
from live.rooms import Rooms
from live.routes.page import ROOT, SECURITY_HEADERS, TYPES, add_headers
from live.settings import Settings
from live.workshop import Workshop
from tests.http_fakes import (
    OFFER,
    SDP,
    TRICKLE,
    Client,
    form,
    opened,
    play,
    problem,
    rooms,
    workshop,
)

# The page.


def test_the_page_and_all_its_files(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        answer = await server.get("/")
        assert answer.status == 200
        assert answer.content_type == "text/html"
        files = [path for path in ROOT.iterdir() if path.suffix in (".js", ".css", ".svg")]
        assert files
        for path in files:
            answer = await server.get(f"/{path.name}")
            assert answer.status == 200, path.name
            assert answer.content_type == TYPES[path.suffix[1:]]
            assert await answer.read() == path.read_bytes()
            known = {"If-None-Match": answer.headers["ETag"]}
            assert (await server.get(f"/{path.name}", headers=known)).status == 304

    play(scene, rooms(tmp_path))


@pytest.mark.parametrize(
    "path",
    [
        "/__init__.py",
        "/package.json",
        "/tsconfig.json",
        "/../pyproject.toml",
        "/%2e%2e/live/server.py",
        "/..%2flive/py.typed",
        "/.gitignore",
        "/node_modules/typescript/package.json",
        "/nothing.js",
        "/sessions",
        "/say",
        "/whip/room",
        "/verify",
    ],
)
def test_nothing_else_is_served(tmp_path: Path, path: str) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        status = 405 if path in ("/sessions", "/verify") else 404
        await problem(await server.get(path), status)

    play(scene, rooms(tmp_path))


def test_every_answer_has_the_security_headers(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        for path in ("/", "/style.css", "/avatars", "/livez", "/nothing", "/openapi.json"):
            answer = await server.get(path)
            for name, value in SECURITY_HEADERS.items():
                assert answer.headers[name] == value
            assert answer.headers["Cache-Control"] in ("no-cache", "no-store")
            assert "aiohttp" not in answer.headers["Server"]
            assert not [name for name in answer.headers if name.startswith("Access-Control")]

    play(scene, rooms(tmp_path))


@pytest.mark.parametrize(
    ("name", "tls", "strict"),
    [
        ("avatars.example.org", True, True),
        ("avatars.example.org", False, False),
        ("localhost:8443", True, False),  # where every program of this machine has its port
        ("127.0.0.1:8443", True, False),
    ],
)
def test_https_is_demanded_of_those_who_came_by_it(name: str, tls: bool, strict: bool) -> None:
    context = ssl.create_default_context() if tls else None
    request = make_mocked_request("GET", "/", {"Host": name}, sslcontext=context)
    response = web.Response()
    asyncio.run(add_headers(request, response))
    assert ("Strict-Transport-Security" in response.headers) == strict


# Health.


def test_ready_means_warm_and_free(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        assert (await server.get("/livez")).status == 200
        answer = await server.get("/readyz")
        assert answer.headers["Retry-After"] == "5"
        await problem(answer, 503)
        await of.prepared.warm()
        answer = await server.get("/readyz")
        assert await answer.json() == {"status": "ready", "free": 1}
        location = await opened(server)
        await problem(await server.get("/readyz"), 503)
        await server.delete(location)
        assert (await server.get("/readyz")).status == 200

    play(scene, rooms(tmp_path, places=1))


def test_a_server_without_its_models_says_so_until_it_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live.rooms._WARM_AGAIN_S", 0.01)
    tries: list[int] = []

    def furnish() -> Workshop:
        tries.append(1)
        if len(tries) < 3:
            raise ModelUnavailable("no network; fetch them by: visavis models fetch")
        return workshop()

    parts = rooms(tmp_path)
    prepared = PreparedAvatars(parts.store, furnish)
    changed = replace(parts, prepared=prepared)

    async def scene(server: Client, of: Rooms) -> None:
        with pytest.raises(ModelUnavailable):
            await prepared.warm()
        body = await problem(await server.get("/readyz"), 503)
        assert "visavis models fetch" in body["detail"]
        await of.warm()
        assert (await server.get("/readyz")).status == 200
        assert len(tries) == 3

    play(scene, changed)


def test_metrics_count_what_happened_without_telling_who(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        location = await opened(server)
        await server.get(location)
        await server.post("/sessions?avatar=nobody", data=OFFER, headers=SDP)
        await server.get("/nothing")
        answer = await server.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await answer.text()
        assert "visavis_sessions 1.0" in text
        assert "visavis_places 4.0" in text
        assert "visavis_loop_lag_seconds_count" in text
        assert re.search(r"^visavis_tasks [1-9]", text, re.MULTILINE)
        assert 'visavis_refusals_total{problem="NotFound"} 1.0' in text
        route = 'method="GET",route="/sessions/{secret}",status="200"'
        assert f"visavis_http_requests_total{{{route}}} 1.0" in text
        assert 'route="none",status="404"} 1.0' in text
        assert location.rsplit("/", 1)[1] not in text

    play(scene, rooms(tmp_path))


# Errors, limits, other sites.


def test_an_error_with_a_retry_says_when(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP)
        assert answer.headers["Retry-After"]
        body = await problem(answer, 503)
        assert body["type"] == "urn:visavis:problem:model-unavailable"
        assert body["detail"] == "no network"

    async def unavailable(*_: str) -> Any:
        raise ModelUnavailable("no network")

    play(scene, replace(rooms(tmp_path), request_call=unavailable))


def test_a_mistake_of_ours_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    text = "with the caller's secret"

    def fail(*_: object) -> None:
        raise ZeroDivisionError(text)

    monkeypatch.setattr(AvatarStore, "entries", fail)

    async def scene(server: Client, of: Rooms) -> None:
        body = await problem(await server.get("/avatars"), 500)
        assert "secret" not in str(body)

    with caplog.at_level(logging.DEBUG):
        play(scene, rooms(tmp_path))
    assert "secret" not in caplog.text
    assert "test_server.py" in caplog.text  # the place is told


def test_no_log_line_names_a_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        location = await opened(server)
        await server.patch(location, data="bad", headers=TRICKLE)
        await server.delete(location)
        secret = location.rsplit("/", 1)[1]
        assert "call opened" in caplog.text
        assert secret not in caplog.text
        assert secret not in str([record.__dict__ for record in caplog.records])

    with caplog.at_level(logging.INFO, "live"):
        play(scene, rooms(tmp_path))


def test_other_methods_are_refused(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        for method, path, allow in [
            ("PUT", "/avatars", "GET,HEAD,POST"),
            ("POST", "/livez", "GET,HEAD"),
            ("GET", "/sessions", "POST"),
            ("POST", "/style.css", "GET,HEAD"),
            ("OPTIONS", "/sessions", "POST"),
        ]:
            answer = await server.request(method, path)
            assert answer.headers["Allow"] == allow
            await problem(answer, 405)

    play(scene, rooms(tmp_path))


def test_more_than_so_many_a_minute_are_refused(tmp_path: Path) -> None:
    settings = Settings.model_validate({"server": {"posts_per_minute": 3}})

    async def scene(server: Client, of: Rooms) -> None:
        for _ in range(3):
            assert (await server.post("/sessions", headers=SDP)).status == 400
        answer = await server.post("/avatars", data=form())
        assert answer.headers["Retry-After"]
        await problem(answer, 429)
        assert (await server.get("/avatars")).status == 200

    play(scene, rooms(tmp_path, settings=settings))


def test_a_body_that_does_not_come_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live.bodies._DEADLINE_S", 0.05)

    async def scene(server: Client, of: Rooms) -> None:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(
            b"POST /sessions?avatar=ada HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/sdp\r\nContent-Length: 1000\r\n\r\nv=0"
        )
        head = await reader.readline()
        assert head == b"HTTP/1.1 400 Bad Request\r\n"
        writer.close()
        await writer.wait_closed()

    play(scene, rooms(tmp_path))


@pytest.mark.parametrize("coding", ["gzip", "x-unknown"])
def test_compressed_bodies_are_not_unpacked(tmp_path: Path, coding: str) -> None:
    bomb = gzip.compress(bytes(20_000_000))

    async def scene(server: Client, of: Rooms) -> None:
        headers = {"Content-Encoding": coding}
        for path, kind in (
            ("/sessions?avatar=ada", "application/sdp"),
            ("/avatars", "multipart/form-data; boundary=x"),
        ):
            answer = await server.post(path, data=bomb, headers=headers | {"Content-Type": kind})
            await problem(answer, 415)

    play(scene, rooms(tmp_path))


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "http://elsewhere.example"}, False),
        ({"Origin": "null"}, False),
    ],
)
def test_other_sites_pages_change_nothing(
    tmp_path: Path, headers: dict[str, str], allowed: bool
) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        answer = await server.post("/avatars", data=form(), headers=headers)
        if allowed:
            assert answer.status == 201
        else:
            await problem(answer, 403)
        own = {"Origin": f"http://{server.host}:{server.port}"}
        assert (await server.post("/avatars", data=form(id="b"), headers=own)).status == 201

    play(scene, rooms(tmp_path))
