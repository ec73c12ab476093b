from __future__ import annotations

import json
from pathlib import Path

import pytest

from live import wire
from live.rooms import Rooms
from live.settings import Settings
from live.shape import Shape
from tests.http_fakes import (
    FRAGMENT,
    OFFER,
    SDP,
    TRICKLE,
    Client,
    FakeCall,
    opened,
    play,
    problem,
    rooms,
)


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


def test_a_call_may_ask_for_another_shape(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        asked = {"": Shape.SQUARE, "&shape=wide": Shape.WIDE, "&shape=square": Shape.SQUARE}
        for query, expected in asked.items():
            answer = await server.post(f"/sessions?avatar=ada{query}", data=OFFER, headers=SDP)
            assert answer.status == 201
            call = of.pool.get(answer.headers["Location"].rpartition("/")[2])
            assert isinstance(call, FakeCall)
            assert call.request.settings.shape is expected

    play(scene, rooms(tmp_path))


@pytest.mark.parametrize(
    ("query", "headers", "body", "status", "words"),
    [
        ("", SDP, OFFER, 400, "avatar=ID"),
        ("avatar=", SDP, OFFER, 400, "avatar=ID"),
        ("avatar=nobody", SDP, OFFER, 404, "no such avatar"),
        ("avatar=../x", SDP, OFFER, 400, "lower-case"),
        ("avatar=ada&shape=round", SDP, OFFER, 400, "square, wide"),
        ("avatar=ada&driver=feet", SDP, OFFER, 422, "auto, face, implicit, speech"),
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


def test_a_call_asks_for_the_wanted_driver(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        for query, driver in (("", "auto"), ("&driver=auto", "auto"), ("&driver=face", "face")):
            path = f"/sessions?avatar=ada{query}"
            answer = await server.post(path, data=OFFER, headers=SDP)
            call = of.pool.get(answer.headers["Location"].rsplit("/", 1)[1])
            assert isinstance(call, FakeCall)
            assert call.request.driver == driver

    play(scene, rooms(tmp_path))
