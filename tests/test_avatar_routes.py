from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engines import avatars as built_in
from live.rooms import Rooms
from live.routes.avatars import IMAGE_LIMIT, UPLOADS_AT_ONCE
from live.settings import Settings
from tests.http_fakes import (
    HALVES,
    Client,
    agreed,
    form,
    opened,
    play,
    png,
    problem,
    rooms,
)


def test_the_catalogue(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        listed = (await (await server.get("/avatars")).json())["avatars"]
        assert [each["id"] for each in listed] == built_in.ids()
        for each in listed:
            assert await (await server.get(f"/avatars/{each['id']}")).json() == each
            assert (each["basis"], each["consent"]) == ("synthetic", f"built-in-{each['id']}")
            assert each["purposes"] == ["call", "recording", "render", "training"]
            assert (each["modes"], each["not_after"]) == (["face", "speech", "voice"], None)
            assert "subject" not in each
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
        assert (added["name"], added["basis"]) == ("It's me", "synthetic")
        assert (added["built_in"], len(added["consent"])) == (False, 16)
        assert added["not_before"] < added["not_after"]
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
        ({"consent": None}, 403, "no avatar without consent"),
        ({"consent": "  "}, 403, "no avatar without consent"),
        ({"consent": "It is me."}, 403, "no signed document"),
        ({"consent": agreed(png(level=30))[:-10]}, 403, "changed"),
        ({"consent": agreed(HALVES)}, 403, "another portrait"),
        ({"image": None}, 400, "no picture"),
        ({"image": b""}, 400, "no picture"),
        ({"image": "a text"}, 422, "not an image"),
        ({"image": b"GIF89a"}, 422, "not an image"),
        ({"image": png(level=0)}, 422, "no face"),
        ({"id": "../x"}, 400, "lower-case"),
        ({"id": "ada"}, 409, "already"),
        ({"name": "x" * 61}, 400, "60"),
        ({"nmae": "x"}, 400, "known are image, consent, id, name"),
        ({"consent": "x" * 40_000}, 413, "32 KiB"),
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
        ("application/x-www-form-urlencoded", "consent=x", 415),
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
                b"POST /avatars HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
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
