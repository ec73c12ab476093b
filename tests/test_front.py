"""A server's front: calls spread over workers, reached, bounded, ended and counted there."""

from __future__ import annotations

import asyncio
import io
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from live.access import gate
from live.access.calls import REVOKED
from live.access.revocations import Revocations
from live.access.scopes import Scope
from live.access.tokens import FREE, issue, read
from live.enrolment.leaving import Leaving
from live.errors import Full, ModelUnavailable
from live.keys import OperatorKeys
from live.processes import lines
from live.processes.front import Front
from live.routes import speech
from live.routes.page import SECURITY_HEADERS
from live.server import application
from live.settings import Settings
from tests import crews
from tests.crews import Beside, call_at, held, play, until
from tests.http_fakes import (
    FRAGMENT,
    OFFER,
    SDP,
    SIGNING,
    TRICKLE,
    Client,
    client,
    form,
    opened,
    problem,
    rooms,
)
from tests.test_access import routes
from tests.test_say_routes import heard, integers, open_voice, wav

KEYS = OperatorKeys(SIGNING, bytes(32))
WAV = {"Content-Type": "audio/wav"}
SDPFRAG = TRICKLE["Content-Type"].encode()


def bearer(*scopes: Scope) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue(KEYS, scopes, 3600)}"}


def asking(folder: Path, **access: Any) -> tuple[Front, Beside]:
    """One that asks for tokens."""
    values = {
        "access": {"required": True} | access,
        "keys": {"folder": str(folder / "keys")},
        "server": {"posts_per_minute": 1000},
    }
    settings = Settings.model_validate(values)
    return crews.front(folder / "avatars", settings=settings, voice=open_voice)


def test_the_routes_are_those_of_a_server_that_holds_calls_itself(tmp_path: Path) -> None:
    of, _ = crews.front(tmp_path)
    assert sorted(routes(application(of))) == sorted(routes(application(rooms(tmp_path))))


def test_calls_are_spread_and_the_one_too_many_is_refused(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        assert await (await server.get("/readyz")).json() == {"status": "ready", "free": 4}
        locations = [await opened(server) for _ in range(4)]
        assert held(beside) == [2, 2]
        for path in ("POST /sessions?avatar=ada", "GET /readyz"):
            method, address = path.split()
            answer = await server.request(method, address, data=OFFER, headers=SDP)
            assert answer.headers["Retry-After"] == "5"
            body = await problem(answer, 503)
            assert body["type"] == "urn:visavis:problem:full"
            assert "every place is taken" in body["detail"]
        # a place is free when the end of its call is answered, not within the second
        assert (await server.delete(locations[1])).status == 200
        await opened(server)
        assert held(beside) == [2, 2]

    play(scene, crews.front(tmp_path))


def test_offers_at_the_same_time_find_room_at_both(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        asked = (server.post("/sessions?avatar=ada", data=OFFER, headers=SDP) for _ in range(6))
        statuses = sorted([answer.status for answer in await asyncio.gather(*asked)])
        assert statuses == [201, 201, 201, 201, 503, 503]
        assert held(beside) == [2, 2]

    play(scene, crews.front(tmp_path))


def test_what_the_operator_allows_holds_for_all_workers_together(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        for _ in range(3):
            await opened(server)
        await problem(await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP), 503)

    play(scene, crews.front(tmp_path, each=2, places=3))


def test_a_worker_that_has_no_room_after_all_is_not_the_last_one_asked(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        def refuse() -> None:
            raise Full("a slower picture than was thought: 40 ms")

        beside.of[0].pool.check_free = refuse  # type: ignore[method-assign]
        await opened(server)
        await opened(server)
        assert held(beside) == [0, 2]
        answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP)
        assert "40 ms" in (await problem(answer, 503))["detail"]
        assert answer.headers["Retry-After"]
        assert of.crew.calls() == 2

    play(scene, crews.front(tmp_path))


def test_what_one_worker_lacks_is_not_asked_of_another(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        async def refuse(*_: object, **__: object) -> None:
            raise ModelUnavailable("no network; fetch them by: visavis models fetch")

        beside.of[0].pool.open = refuse  # type: ignore[assignment, method-assign]
        answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP)
        assert "models fetch" in (await problem(answer, 503))["detail"]
        assert of.crew.calls() == 0
        assert held(beside) == [0, 0]

    play(scene, crews.front(tmp_path))


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"PATCH %b HTTP/1.1\r\nContent-Type: " + SDPFRAG + b'\r\nIf-Match: "\xff\xfe"', FRAGMENT),
        (
            b"PATCH %b HTTP/1.1\r\nContent-Type: " + SDPFRAG + b'\r\nIf-Match: "a"\r\nIf-Match: *',
            "x",
        ),
        (b"POST %b/say HTTP/1.1\r\nContent-Type: \xff\xfe/\xe9", "x"),
        (b"POST %b/say HTTP/1.1\r\nContent-Type: audio/wav; a=b\tc", "x"),
        (b"POST %b/say HTTP/1.1", ""),
        (b"POST %b/say?x=%%00%%ff%%0d%%0a HTTP/1.1\r\nContent-Type: application/json", "{}"),
        (b"GET http://elsewhere.example%b HTTP/1.1", ""),
        (b"GET %b%%2f..%%2fwatch HTTP/1.1", ""),
        (b"GET %b/../../watch HTTP/1.1", ""),
        (
            b"POST /sessions?avatar=ada&driver=%%F0%%9F HTTP/1.1\r\nContent-Type: application/sdp",
            "v=0",
        ),
        (b"DELETE %b HTTP/1.1", "a body that nobody reads"),
    ],
)
def test_odd_requests_are_answered_as_where_calls_are_held(
    tmp_path: Path, head: bytes, body: str
) -> None:
    async def answered(server: Client) -> bytes:
        location = (await opened(server)).encode()
        reader, writer = await asyncio.open_connection(server.host, server.port)
        first = head % location if b"%b" in head else head.replace(b"%%", b"%")
        rest = f"\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(first + (rest + body).encode())
        answer = await reader.read()
        writer.close()
        return answer.split(b"\r\n")[0]

    async def run() -> None:
        of, _ = crews.front(tmp_path, voice=open_voice)
        async with crews.client(of) as one, client(rooms(tmp_path, voice=open_voice)) as other:
            status = await answered(one)
            assert status == await answered(other)
            assert b" 500 " not in status

    asyncio.run(run())


def test_whatever_is_asked_of_a_call_reaches_its_worker(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        locations = [await opened(server) for _ in range(2)]
        calls = [call_at(beside, location) for location in locations]
        assert held(beside) == [1, 1]
        for location, call, avatar in zip(locations, calls, ("leo", "ada"), strict=True):
            answer = await server.patch(f"{location}/settings", json={"avatar": avatar})
            assert (answer.status, call.avatar) == (204, avatar)
            report = await (await server.get(location)).json()
            assert (report["avatar"], report["statement"]) == (avatar, call.statement)
            said = await server.post(f"{location}/say", json={"text": "one two"})
            assert (said.status, await said.json()) == (202, {"utterance": "u1"})
            minute = io.BytesIO(wav(integers(60)))
            sound = await server.post(f"{location}/say", data=minute, headers=WAV)
            assert (sound.status, await sound.json()) == (202, {"utterance": "u2"})
            interrupted = await (await server.post(f"{location}/interrupt")).json()
            assert [one["utterance"] for one in interrupted["interrupted"]] == ["u1", "u2"]
            assert (await server.head(location)).status == 200
        assert (await server.patch(locations[0], data=FRAGMENT, headers=TRICKLE)).status == 204
        for tag, status in (("*", 422), ('"another"', 412)):
            headers = TRICKLE | {"If-Match": tag}
            await problem(await server.patch(locations[0], data=FRAGMENT, headers=headers), status)
        assert (await server.delete(locations[0])).status == 200
        assert [call.reason for call in calls] == ["client", None]
        for secret in (locations[0], "/sessions/unknown"):
            await problem(await server.get(secret), 404)
            await problem(await server.post(f"{secret}/say", json={"text": "one"}), 404)
            await problem(await server.get(f"{secret}/speech"), 404)
            await problem(await server.delete(secret), 404)

    play(scene, crews.front(tmp_path, voice=open_voice))


def test_an_answer_is_the_workers_with_the_headers_of_the_server(tmp_path: Path) -> None:
    values = {
        "access": {"origins": ["https://meet.example.org"]},
        "ice": {"servers": [{"urls": "stun:a.example.org"}, {"urls": "stun:b.example.org"}]},
    }
    settings = Settings.model_validate(values)

    async def scene(server: Client, of: Front, beside: Beside) -> None:
        headers = SDP | {"Origin": "https://meet.example.org"}
        answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=headers)
        assert answer.status == 201
        assert (answer.content_type, await answer.text()) == (
            "application/sdp",
            "v=0\r\nan answer\r\n",
        )
        assert re.fullmatch('"[0-9a-f]{8}"', answer.headers["ETag"])
        assert [link[:22] for link in answer.headers.getall("Link")] == [
            "<stun:a.example.org>; ",
            "<stun:b.example.org>; ",
        ]
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers.getall(name) == [value]
        assert answer.headers["Access-Control-Allow-Origin"] == "https://meet.example.org"
        answer = await server.post("/sessions?avatar=nobody", data=OFFER, headers=SDP)
        assert (await problem(answer, 404))["type"] == "urn:visavis:problem:not-found"
        assert of.crew.calls() == 1

    play(scene, crews.front(tmp_path, settings=settings))


def test_bodies_are_bounded_before_a_worker_sees_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "SOUNDS_AT_ONCE", 1)

    async def scene(server: Client, of: Front, beside: Beside) -> None:
        location = await opened(server)
        long = "x" * (1 << 18)
        for path, body, headers, status in (
            ("/sessions?avatar=ada", long, SDP, 413),
            ("/sessions?avatar=ada", OFFER, {"Content-Type": "text/plain"}, 415),
            ("/sessions?avatar=ada", OFFER, SDP | {"Content-Encoding": "x-unknown"}, 415),
            ("/sessions?avatar=ada", b"\xff", SDP, 400),
            (f"{location}/say", long, {"Content-Type": "application/json"}, 413),
            (f"{location}/say", b"{", {"Content-Type": "application/json"}, 400),
            (f"{location}/say", long, {"Content-Type": "audio/mpeg"}, 415),
            (f"{location}/say", io.BytesIO(bytes(speech.LARGEST_SOUND + 1)), WAV, 413),
        ):
            await problem(await server.post(path, data=body, headers=headers), status)
        for body, status in ((long, 413), ("[]", 400), ('{"avatar": 1}', 422)):
            headers = {"Content-Type": "application/json"}
            answer = await server.patch(f"{location}/settings", data=body, headers=headers)
            await problem(answer, status)
        assert held(beside) == [1, 0]

    play(scene, crews.front(tmp_path, voice=open_voice))


# Access.


def test_nobody_grants_themselves_anything_by_the_headers_between_processes(
    tmp_path: Path,
) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        forged = {
            lines.GRANT_HEADER: lines.grant_to_header(FREE),
            lines.SECRET_HEADER: "chosen-by-the-client",
        }
        path = "/sessions?avatar=ada"
        await problem(await server.post(path, data=OFFER, headers=SDP | forged), 401)
        may_call = bearer(Scope.SESSION) | forged
        answer = await server.post(path, data=OFFER, headers=SDP | may_call)
        location = answer.headers["Location"]
        assert "chosen" not in location
        assert not call_at(beside, location).request.may_speak
        refused = await server.post(f"{location}/say", json={"text": "one"}, headers=may_call)
        assert "insufficient_scope" in refused.headers["WWW-Authenticate"]
        await problem(refused, 403)
        both = bearer(Scope.SESSION, Scope.SPEAK)
        answer = await server.post(path, data=OFFER, headers=SDP | both)
        assert call_at(beside, answer.headers["Location"]).request.may_speak

    play(scene, asking(tmp_path))


def test_a_token_holds_no_more_calls_at_two_workers_than_at_one(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        token = bearer(Scope.SESSION)

        async def offer(by: dict[str, str]) -> int:
            path = "/sessions?avatar=ada"
            return (await server.post(path, data=OFFER, headers=SDP | by)).status

        assert sorted(await asyncio.gather(*(offer(token) for _ in range(4)))) == [
            201,
            201,
            429,
            429,
        ]
        assert held(beside) == [1, 1]
        assert await offer(bearer(Scope.SESSION)) == 201
        # one that ends by itself is forgotten, too
        for worker in beside.of:
            await worker.pool.end_calls_of("ada", "silent")
        await until(lambda: not of.crew.calls())
        assert await offer(token) == 201

    play(scene, asking(tmp_path, sessions_per_token=2))


def test_calls_end_with_their_token_wherever_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "_LOOK_AGAIN_S", 0.05)

    async def scene(server: Client, of: Front, beside: Beside) -> None:
        tokens = [bearer(Scope.SESSION), bearer(Scope.SESSION)]
        calls = []
        for token in (tokens[0], tokens[0], tokens[1]):
            answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP | token)
            calls.append(call_at(beside, answer.headers["Location"]))
        assert held(beside) == [2, 1]
        revoked = read(tokens[0]["Authorization"].split()[1], KEYS)
        Revocations(tmp_path / "keys", KEYS).revoke(revoked.id)
        await until(lambda: sum(held(beside)) == 1)
        assert [call.reason for call in calls] == [REVOKED, REVOKED, None]

    play(scene, asking(tmp_path))


# Who is taken off the air.


def test_an_avatar_that_is_removed_is_shown_by_no_worker(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        assert (await server.post("/avatars", data=form(id="me"))).status == 201
        mine = [call_at(beside, await opened(server, "me")) for _ in range(3)]
        other = call_at(beside, await opened(server))
        answer = await server.delete("/avatars/me")
        assert await answer.json() == {"ended_calls": 3}
        assert {call.reason for call in mine} == {"avatar_removed"}
        assert other.reason is None
        answer = await server.post("/sessions?avatar=me", data=OFFER, headers=SDP)
        await problem(answer, 404)

    play(scene, crews.front(tmp_path))


def test_who_takes_consent_back_is_shown_by_no_worker(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        added = await (await server.post("/avatars", data=form(id="me"))).json()
        mine = [call_at(beside, await opened(server, "me")) for _ in range(2)]
        leaving = Leaving(of.registers.consents, of.store, of.prepared, of.crew)
        assert await leaving.leave(added["consent"], "for a test") == 2
        assert {call.reason for call in mine} == {"consent_revoked"}

    play(scene, crews.front(tmp_path))


# Workers that are not there.


def test_calls_of_a_lost_worker_are_forgotten_and_the_others_live(tmp_path: Path) -> None:
    of, beside = asking(tmp_path, sessions_per_token=2)

    async def scene(server: Client, of: Front, beside: Beside) -> None:
        token = SDP | bearer(Scope.SESSION)
        gone, left = [
            (await server.post("/sessions?avatar=ada", data=OFFER, headers=token)).headers[
                "Location"
            ]
            for _ in range(2)
        ]
        await beside.lose(beside.workers[0])
        await problem(await server.get(gone), 404)
        assert (await server.get(left)).status == 200
        answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=token)
        assert answer.status == 201  # the token has got its place back
        assert held(beside)[1] == 2
        await problem(await server.get("/readyz"), 503)  # it takes two, and holds them
        await beside.lose(beside.workers[0])
        beside.trouble = "the worker died: fetch the models"
        for answer in (
            await server.get("/readyz"),
            await server.post("/sessions?avatar=ada", data=OFFER, headers=token),
        ):
            body = await problem(answer, 503)
            assert body["type"] == "urn:visavis:problem:model-unavailable"
            assert body["detail"] == beside.trouble

    play(scene, (of, beside))


def test_a_worker_that_dies_while_it_is_asked_is_no_mistake_of_ours(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        assert (await server.post("/avatars", data=form(id="me"))).status == 201
        location = await opened(server)
        for one in beside.servers:  # nobody has noticed yet
            await one.close()
        await problem(await server.get(location), 404)
        answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP)
        assert (await problem(answer, 503))["type"] == "urn:visavis:problem:model-unavailable"
        assert await (await server.delete("/avatars/me")).json() == {"ended_calls": 0}
        assert (await server.get("/metrics")).status == 200
        assert of.crew.calls() == 1

    play(scene, crews.front(tmp_path))


# Speech as a stream.


async def told(socket: ClientWebSocketResponse) -> dict[str, Any]:
    message: dict[str, Any] = await socket.receive_json(timeout=5)
    return message


def test_a_stream_goes_through_both_ways(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        await opened(server)
        location = await opened(server)
        call = call_at(beside, location)
        await problem(await server.get(f"{location}/speech"), 400)  # no WebSocket
        async with server.ws_connect(f"{location}/speech", protocols=("visavis.v1",)) as socket:
            assert socket.protocol == "visavis.v1"
            with pytest.raises(WSServerHandshakeError) as raised:
                await server.ws_connect(f"{location}/speech")
            assert raised.value.status == 409
            await socket.send_json({"rate": 16_000, "format": "s16le"})
            for piece in np.array_split(integers(0.5), 10):
                await socket.send_bytes(piece.tobytes())
            assert await told(socket) == {"type": "queued", "utterance": "u1"}
            await socket.send_json({"end": True})
            pulled = asyncio.create_task(heard(call))
            assert await told(socket) == {"type": "started", "utterance": "u1"}
            end = await told(socket)
            assert (end["reason"], end["seconds"]) == ("done", 0.5)
            await pulled
            await socket.send_str("nonsense")
            assert (await told(socket))["type"] == "error"
        async with server.ws_connect(f"{location}/speech") as socket:  # the place is free
            await socket.send_json({"rate": 16_000, "format": "s16le"})
            await socket.send_bytes(integers(0.1).tobytes())
            assert (await told(socket))["type"] == "queued"
            await call.close()
            while (ended := await socket.receive(timeout=5)).type is WSMsgType.TEXT:
                assert "finished" in ended.data  # what was left to tell
            assert (ended.type, ended.data) == (WSMsgType.CLOSE, 1000)

    play(scene, crews.front(tmp_path, voice=open_voice))


def test_a_stream_that_vanishes_ends_at_the_worker(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        location = await opened(server)
        call = call_at(beside, location)
        socket = await server.ws_connect(f"{location}/speech")
        await socket.send_json({"rate": 16_000, "format": "s16le"})
        await socket.send_bytes(integers(0.3).tobytes())
        assert (await told(socket))["type"] == "queued"
        await socket.close()
        await heard(call)
        assert call.told[-1][1]["reason"] == "failed"

    play(scene, crews.front(tmp_path, voice=open_voice))


def test_a_chunk_that_is_too_large_gets_no_further(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        location = await opened(server)
        async with server.ws_connect(f"{location}/speech") as socket:
            await socket.send_bytes(bytes((256 << 10) + 2))
            ended = await socket.receive(timeout=5)
            assert (ended.type, ended.data) == (WSMsgType.CLOSE, 1009)

    play(scene, crews.front(tmp_path))


def test_a_stream_ends_with_its_worker(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        location = await opened(server)
        async with server.ws_connect(f"{location}/speech") as socket:
            await socket.send_str("nonsense")
            assert (await told(socket))["type"] == "error"
            await beside.lose(beside.workers[0])
            ended = await socket.receive(timeout=5)
            assert ended.type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        with pytest.raises(WSServerHandshakeError) as raised:
            await server.ws_connect(f"{location}/speech")
        assert raised.value.status == 404

    play(scene, crews.front(tmp_path))


# What an operator reads.


def test_series_are_those_of_all_together(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        locations = [await opened(server) for _ in range(3)]
        await server.delete(locations[0])
        await server.get("/nothing")
        answer = await server.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await answer.text()
        for line in (
            "visavis_sessions 2.0",
            "visavis_places 4.0",
            "visavis_workers 2.0",
            "visavis_workers_lost_total 0.0",
            "visavis_sessions_opened_total 3.0",
            'visavis_sessions_ended_total{reason="client"} 1.0',
            'visavis_frames_total{way="in"} 9.0',
            'visavis_room_seconds_count{room="track"} 9.0',
            'visavis_refusals_total{problem="HTTPNotFound"} 1.0',
            'visavis_http_requests_total{method="POST",route="/sessions",status="201"} 3.0',
            "visavis_cores 2.0",
        ):
            assert line in text.splitlines()
        assert not [location for location in locations if location.rsplit("/", 1)[1] in text]
        await beside.lose(beside.workers[0])
        text = await (await server.get("/metrics")).text()
        assert "visavis_workers_lost_total 1.0" in text
        assert "visavis_sessions_opened_total 3.0" in text  # a count that falls is a restart

    play(scene, crews.front(tmp_path))


def test_a_worker_that_goes_while_it_is_asked_for_its_series_spoils_none(tmp_path: Path) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        going, text = beside.workers[0], beside.of[0].metrics.text

        def tell() -> bytes:
            beside.workers.remove(going)
            return text()

        beside.of[0].metrics.text = tell  # type: ignore[method-assign]
        answer = await server.get("/metrics")
        beside.workers.append(going)  # to be stopped with the others
        assert answer.status == 200
        assert "visavis_workers 1.0" in await answer.text()

    play(scene, crews.front(tmp_path))


def test_no_log_line_names_a_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(server: Client, of: Front, beside: Beside) -> None:
        location = await opened(server)
        secret = location.rsplit("/", 1)[1]
        await server.patch(location, data="bad", headers=TRICKLE)
        async with server.ws_connect(f"{location}/speech") as socket:
            await beside.lose(beside.workers[0])
            await socket.receive(timeout=5)
        assert "calls have ended with their worker" in caplog.text
        assert secret not in caplog.text
        assert secret not in str([record.__dict__ for record in caplog.records])

    with caplog.at_level(logging.INFO, "live"):
        play(scene, crews.front(tmp_path))
