from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestClient

from engines import avatars as built_in
from live import problems, wire
from live.avatars import AvatarStore
from live.errors import ModelUnavailable
from live.prepared import PreparedAvatars
from live.routes.avatars import IMAGE_LIMIT, UPLOADS_AT_ONCE
from live.routes.page import ROOT, SECURITY_HEADERS, TYPES
from live.server import Rooms, _warm
from live.settings import Settings
from live.workshop import Workshop
from tests.http_fakes import FRAGMENT, OFFER, FakeCall, client, png, rooms, workshop

Client = TestClient[Any, Any]
SDP = {"Content-Type": "application/sdp"}
TRICKLE = {"Content-Type": "application/trickle-ice-sdpfrag"}


def play(scene: Callable[[Client, Rooms], Awaitable[None]], of: Rooms) -> None:
    """Runs a scene with a client of a server with these rooms."""

    async def run() -> None:
        async with client(of) as opened:
            await scene(opened, of)

    asyncio.run(run())


async def problem(answer: Any, status: int) -> dict[str, Any]:
    """The problem in an answer, which has to be one."""
    body: dict[str, Any] = await answer.json(content_type=problems.CONTENT_TYPE)
    assert answer.status == status == body["status"], body
    assert body["detail"]
    assert {"type", "title"} <= set(body)
    return body


def form(**fields: Any) -> FormData:
    """An upload; `None` leaves a field out."""
    defaults = {"image": png(), "id": "me", "statement": "own", "statement_text": "It is me."}
    data = FormData(default_to_multipart=True)
    for name, value in (defaults | fields).items():
        if isinstance(value, bytes):
            file = io.BytesIO(value)
            data.add_field(name, file, filename="portrait.png", content_type="image/png")
        elif value is not None:
            data.add_field(name, value)
    return data


async def opened(server: Client, avatar: str = "ada") -> str:
    """The secret address of a new call."""
    answer = await server.post(f"/sessions?avatar={avatar}", data=OFFER, headers=SDP)
    assert answer.status == 201, await answer.text()
    return answer.headers["Location"]


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
        status = 405 if path == "/sessions" else 404
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
    monkeypatch.setattr("live.server._WARM_AGAIN_S", 0.01)
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
        await _warm(prepared)
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
        assert 'visavis_refusals_total{problem="NotFound"} 1.0' in text
        route = 'method="GET",route="/sessions/{secret}",status="200"'
        assert f"visavis_http_requests_total{{{route}}} 1.0" in text
        assert 'route="none",status="404"} 1.0' in text
        assert location.rsplit("/", 1)[1] not in text

    play(scene, rooms(tmp_path))


# Avatars.


def test_the_catalogue(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        listed = (await (await server.get("/avatars")).json())["avatars"]
        assert [each["id"] for each in listed] == built_in.ids()
        for each in listed:
            assert await (await server.get(f"/avatars/{each['id']}")).json() == each
            assert each["statement"] == "synthetic"
            answer = await server.get(each["portrait"])
            assert answer.content_type == "image/png"
            assert (await answer.read()).startswith(b"\x89PNG")
            known = {"If-None-Match": answer.headers["ETag"]}
            assert (await server.get(each["portrait"], headers=known)).status == 304
        for path in ("/avatars/nobody", "/avatars/nobody/portrait.png", "/avatars/No.Id"):
            await problem(await server.get(path), 404)

    play(scene, rooms(tmp_path))


def test_an_upload_is_listed_shown_and_removed(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        answer = await server.post("/avatars", data=form(name="It's me"))
        assert answer.status == 201
        added = await answer.json()
        assert answer.headers["Location"] == "/avatars/me"
        assert (added["name"], added["statement"]) == ("It's me", "own")
        assert (added["statement_text"], added["built_in"]) == ("It is me.", False)
        assert added in (await (await server.get("/avatars")).json())["avatars"]
        assert (await server.get(added["portrait"])).status == 200
        answer = await server.delete("/avatars/me")
        assert (answer.status, await answer.json()) == (200, {"ended_calls": 0})
        await problem(await server.get("/avatars/me"), 404)
        await problem(await server.delete("/avatars/me"), 404)

    play(scene, rooms(tmp_path))


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"statement": None}, 403, "own, consented, synthetic, public_domain"),
        ({"statement": "mine"}, 403, "own, consented"),
        ({"statement_text": None}, 403, "in a sentence"),
        ({"statement_text": "  "}, 403, "in a sentence"),
        ({"image": None}, 400, "no picture"),
        ({"image": b""}, 400, "no picture"),
        ({"image": "a text"}, 422, "not an image"),
        ({"image": b"GIF89a"}, 422, "not an image"),
        ({"image": png(level=0)}, 422, "no face"),
        ({"id": "../x"}, 400, "lower-case"),
        ({"id": "ada"}, 409, "already"),
        ({"name": "x" * 61}, 400, "60"),
        ({"nmae": "x"}, 400, "known are image, id, name"),
        ({"statement_text": "x" * 5000}, 413, "4 KiB"),
        ({"image": bytes(IMAGE_LIMIT + 1)}, 413, "20 MiB"),
    ],
)
def test_uploads_that_are_refused(
    tmp_path: Path, fields: dict[str, Any], status: int, words: str
) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        body = await problem(await server.post("/avatars", data=form(**fields)), status)
        assert words in body["detail"]
        assert ("reason" in body) is (status == 422)

    play(scene, rooms(tmp_path))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def _part(name: str, content: str = "x") -> str:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{content}\r\n'


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", "{}", 415),
        ("application/x-www-form-urlencoded", "statement=own", 415),
        ("multipart/form-data", _part("id"), 400),
        ("multipart/form-data; boundary=b", "", 400),
        ("multipart/form-data; boundary=b", "no boundary", 400),
        ("multipart/form-data; boundary=b", "--b\r\n\r\nno name\r\n--b--\r\n", 400),
        ("multipart/form-data; boundary=b", _part("id") + _part("id") + "--b--\r\n", 400),
        ("multipart/form-data; boundary=b", _part("id") + "--b\r\nContent-", 400),
        ("multipart/form-data; boundary=b", _part("id", "\udcff") + "--b--\r\n", 400),
        (
            "multipart/form-data; boundary=b",
            "".join(_part(f"f{i}") for i in range(9)) + "--b--\r\n",
            413,
        ),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=id\r\n"
            "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--\r\n",
            400,
        ),
    ],
)
def test_forms_that_are_none(tmp_path: Path, kind: str, body: str, status: int) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        data = body.encode("utf-8", "surrogateescape")
        answer = await server.post("/avatars", data=data, headers={"Content-Type": kind})
        await problem(answer, status)

    play(scene, rooms(tmp_path))


def test_only_a_few_uploads_are_taken_at_once(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        writers = []
        for _ in range(UPLOADS_AT_ONCE):
            _, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(
                b"POST /avatars HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
            )
            writers.append(writer)
        async with asyncio.timeout(10):  # until the server has seen them all
            while (answer := await server.post("/avatars", data=form(image=None))).status != 429:
                assert answer.status == 400
        await problem(answer, 429)
        for writer in writers:
            writer.close()
        async with asyncio.timeout(10):  # until it has seen them go
            while (await server.post("/avatars", data=form(image=None))).status != 400:
                pass
        assert (await server.post("/avatars", data=form(id="after"))).status == 201

    often = Settings.model_validate({"server": {"posts_per_minute": 1_000_000}})
    play(scene, rooms(tmp_path, settings=often))


def test_built_in_avatars_cannot_be_removed(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        body = await problem(await server.delete("/avatars/ada"), 409)
        assert "built in" in body["detail"]

    play(scene, rooms(tmp_path))


def test_removing_an_avatar_ends_its_calls(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        await server.post("/avatars", data=form())
        with_me, with_ada = await opened(server, "me"), await opened(server, "ada")
        answer = await server.delete("/avatars/me")
        assert await answer.json() == {"ended_calls": 1}
        await problem(await server.get(with_me), 404)
        assert (await server.get(with_ada)).status == 200

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


# Calls.


def test_a_call_from_offer_to_end(tmp_path: Path) -> None:
    servers = [
        {"urls": "stun:stun.example.org"},
        {"urls": "turn:turn.example.org:3478?transport=udp", "username": "u", "credential": "p q"},
    ]
    settings = Settings.model_validate({"ice": {"servers": servers}})

    async def scene(server: Client, of: Rooms) -> None:
        answer = await server.post("/sessions?avatar=ada&driver=face", data=OFFER, headers=SDP)
        assert answer.status == 201
        assert answer.headers["Content-Type"] == "application/sdp"
        assert (await answer.text()).startswith("v=0")
        assert answer.headers.getall("Link") == [
            '<stun:stun.example.org>; rel="ice-server"',
            '<turn:turn.example.org:3478?transport=udp>; rel="ice-server"; username="u";'
            ' credential="p q"; credential-type="password"',
        ]
        location, etag = answer.headers["Location"], answer.headers["ETag"]
        assert etag.startswith('"')
        for match in ({}, {"If-Match": etag}):
            patched = await server.patch(location, data=FRAGMENT, headers=TRICKLE | match)
            assert patched.status == 204
            assert "ETag" not in patched.headers
        report = await server.get(location)
        assert (await report.json())["avatar"] == "ada"
        changed = await server.patch(f"{location}/settings", json={"avatar": "leo"})
        assert changed.status == 204
        assert (await (await server.get(location)).json())["avatar"] == "leo"
        assert (await server.delete(location)).status == 200
        for method in ("GET", "DELETE"):
            await problem(await server.request(method, location), 404)
        await problem(await server.patch(location, data=FRAGMENT, headers=TRICKLE), 404)
        assert of.pool.free() == 4

    play(scene, rooms(tmp_path, settings=settings))


@pytest.mark.parametrize(
    ("query", "headers", "body", "status", "words"),
    [
        ("", SDP, OFFER, 400, "avatar=ID"),
        ("avatar=", SDP, OFFER, 400, "avatar=ID"),
        ("avatar=nobody", SDP, OFFER, 404, "no such avatar"),
        ("avatar=../x", SDP, OFFER, 400, "lower-case"),
        ("avatar=ada&driver=speech", SDP, OFFER, 422, "not in this version"),
        ("avatar=ada&driver=feet", SDP, OFFER, 422, "auto, face"),
        ("avatar=ada", {"Content-Type": "application/json"}, OFFER, 415, "application/sdp"),
        ("avatar=ada", {}, OFFER, 415, "application/sdp"),
        ("avatar=ada", SDP, "", 400, "empty"),
        ("avatar=ada", SDP, "hello", 400, "no session description"),
        ("avatar=ada", SDP, b"v=0\xff", 400, "UTF-8"),
        ("avatar=ada", SDP, "v=0\r\n" * (wire.LONGEST_SDP // 5 + 1), 413, "97 KiB"),
    ],
)
def test_offers_that_are_refused(
    tmp_path: Path,
    query: str,
    headers: dict[str, str],
    body: str | bytes,
    status: int,
    words: str,
) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        data = body if isinstance(body, bytes) else body.encode()
        refused = await problem(
            await server.post(f"/sessions?{query}", data=data, headers=headers), status
        )
        assert words in refused["detail"]
        assert of.pool.free() == 4
        await opened(server)  # the next call works

    play(scene, rooms(tmp_path))


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "application/sdp"}, FRAGMENT, 415),
        (TRICKLE | {"If-Match": '"other"'}, FRAGMENT, 412),
        (TRICKLE | {"If-Match": "*"}, FRAGMENT, 422),
        (TRICKLE, FRAGMENT.replace("abcd", "efgh"), 422),
        (TRICKLE, "not a fragment", 400),
        (TRICKLE, "a=x\r\n" * (wire.LONGEST_SDP // 5 + 1), 413),
    ],
)
def test_fragments_that_are_refused(
    tmp_path: Path, headers: dict[str, str], body: str, status: int
) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        location = await opened(server)
        await problem(await server.patch(location, data=body.encode(), headers=headers), status)
        assert (await server.patch(location, data=FRAGMENT, headers=TRICKLE)).status == 204

    play(scene, rooms(tmp_path))


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", "{}", 415),
        ("application/json", "{", 400),
        ("application/json", "[]", 400),
        ("application/json", "[" * 10_000, 400),
        ("application/json", '{"avtar": "ada"}', 422),
        ("application/json", json.dumps({"avatar": "x" * 20_000}), 413),
    ],
)
def test_changes_that_are_refused(tmp_path: Path, kind: str, body: str, status: int) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        location = f"{await opened(server)}/settings"
        headers = {"Content-Type": kind}
        await problem(await server.patch(location, data=body, headers=headers), status)
        assert (await server.patch(location, json={})).status == 204

    play(scene, rooms(tmp_path))


def test_a_full_server_says_when_to_come_again(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        location = await opened(server)
        answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP)
        assert answer.headers["Retry-After"] == "5"
        await problem(answer, 503)
        await server.delete(location)
        await opened(server)

    play(scene, rooms(tmp_path, places=1))


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
            b"POST /sessions?avatar=ada HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n"
            b"Content-Length: 1000\r\n\r\nv=0"
        )
        head = await reader.readline()
        assert head == b"HTTP/1.1 400 Bad Request\r\n"
        writer.close()
        await writer.wait_closed()

    play(scene, rooms(tmp_path))


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


def test_a_call_asks_for_the_wanted_driver(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        for query, driver in (("", "auto"), ("&driver=auto", "auto"), ("&driver=face", "face")):
            path = f"/sessions?avatar=ada{query}"
            answer = await server.post(path, data=OFFER, headers=SDP)
            call = of.pool.get(answer.headers["Location"].rsplit("/", 1)[1])
            assert isinstance(call, FakeCall)
            assert call.request.driver == driver

    play(scene, rooms(tmp_path))
