from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType

from engines import avatars as built_in
from engines.drivers.speech_network import SpeechNetwork, speech_network
from engines.portraits import decode
from engines.types import Rgb
from live.audit import Event
from live.consent.authority import Consents
from live.consent.fingerprint import fingerprint, same_portrait
from live.consent.record import Basis
from live.enrolment import camera, desk, verdict, withdrawal
from live.enrolment.challenge import draw
from live.enrolment.codes import Fault
from live.enrolment.desk import Desk, Tools
from live.enrolment.verdict import Verdict
from live.enrolment.witness import Progress
from live.errors import ModelUnavailable, NoConsent
from live.rooms import Rooms
from tests import consents, http_fakes
from tests.fakes import FakeTracker, MemoryAudit
from tests.http_fakes import Client, play, problem

Scene = Callable[[Client, Rooms], Awaitable[None]]


def jpeg(rgb: Rgb | None = None, width: int = 320, height: int = 240) -> bytes:
    if rgb is None:
        rgb = np.full((height, width, 3), 120, np.uint8)
    done, data = cv2.imencode(".jpg", rgb[..., ::-1])
    assert done
    return data.tobytes()


def network() -> SpeechNetwork:
    return speech_network()


def rooms(folder: Path, **changes: Any) -> Rooms:
    return http_fakes.rooms(folder, tools=Tools(FakeTracker, network, decode), **changes)


async def opened(server: Client, **fields: str) -> dict[str, Any]:
    """A new enrolment."""
    data = http_fakes.form(image=None, id=None, consent=None, **fields)
    answer = await server.post("/enrolments", data=data)
    assert answer.status == 201, await answer.text()
    body: dict[str, Any] = await answer.json()
    assert answer.headers["Location"] == body["camera"]
    return body


@asynccontextmanager
async def before(server: Client, enrolment: dict[str, Any], begin: bool = True) -> Any:
    """A camera's connection."""
    async with server.ws_connect(enrolment["camera"], max_msg_size=1 << 20) as socket:
        if begin:
            await socket.send_json({"type": "begin", "agreed": enrolment["agreed"]})
        yield socket


async def told(socket: ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """The next message of this type."""
    async with asyncio.timeout(10):
        while True:
            message = await socket.receive()
            assert message.type is WSMsgType.TEXT, f"{message.type} instead of {kind}"
            values: dict[str, Any] = json.loads(message.data)
            if values["type"] == kind:
                return values


def test_what_is_agreed_to_is_said_first(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        body = await opened(server, purposes="call", modes="face", days="30", language="de")
        assert "shown in calls, moved by the face of whoever uses it." in body["agreement"]
        assert "whoever runs this server makes an avatar of my face" in body["agreement"]
        assert len(body["agreement"]) <= 500
        assert body["portrait"] == "taken"

    play(scene, rooms(tmp_path))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"purposes": "spying"}, "'purposes' are some of"),
        ({"modes": "telepathy"}, "'modes' are some of"),
        ({"days": "0"}, "'days' is a number"),
        ({"days": "1e3"}, "'days' is a number"),
        ({"language": "tlh"}, "'language' is one of"),
        ({"statement": "It is me."}, "a field that is not known"),
        ({"name": "x" * 61}, "a name has at most"),
    ],
)
def test_wishes_that_cannot_be(tmp_path: Path, fields: dict[str, str], words: str) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        data = http_fakes.form(image=None, id=None, consent=None, **fields)
        answer = await server.post("/enrolments", data=data)
        assert words in (await problem(answer, 400))["detail"]

    play(scene, rooms(tmp_path))


def test_portrait_that_is_sent_has_to_show_a_face(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        for image in (b"no picture", http_fakes.png()):
            data = http_fakes.form(image=image, id=None, consent=None)
            answer = await server.post("/enrolments", data=data)
            await problem(answer, 422)

    play(scene, rooms(tmp_path))


def test_only_so_many_enrolments_are_open(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        for _ in range(desk.OPEN):
            await opened(server)
        data = http_fakes.form(image=None, id=None, consent=None)
        await problem(await server.post("/enrolments", data=data), 429)

    play(scene, rooms(tmp_path))


def test_camera_has_a_secret_address(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        await problem(await server.get("/enrolments/guess/camera"), 404)
        body = await opened(server)
        await problem(await server.get(body["camera"]), 400)  # no WebSocket

    play(scene, rooms(tmp_path))


def _refused(send: Callable[[ClientWebSocketResponse], Awaitable[Any]], words: str) -> Scene:
    async def scene(server: Client, of: Rooms) -> None:
        body = await opened(server)
        async with before(server, body) as socket:
            await send(socket)
            assert words in (await told(socket, "error"))["message"]
            assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)

    return scene


def progressive() -> bytes:
    shown = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    done, data = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert done
    return data.tobytes()


_BOMB = jpeg(np.zeros((1200, 1800, 3), np.uint8))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"\x01not a picture", "no JPEG picture"),
        (b"\x01" + jpeg()[:-400], "no JPEG picture"),
        (b"\x01" + http_fakes.png(), "no JPEG picture"),
        (b"\x01" + _BOMB, "at most 2073600 in all"),
        (b"\x01" + jpeg(width=100), "at least 120 pixels"),
        (b"\x01" + progressive(), "not progressive"),
        (b"\x02\x00", "whole samples"),
        (b"\x02" + bytes(2 * camera.MOST_SOUND + 2), "more sound came"),
        (b"\x07", "begins with 1"),
        (b"", "begins with 1"),
    ],
)
def test_what_is_no_picture_or_sound_ends_the_attempt(
    tmp_path: Path, message: bytes, words: str
) -> None:
    play(_refused(lambda socket: socket.send_bytes(message), words), rooms(tmp_path))


@pytest.mark.parametrize("text", ["{", "[]", '{"type": "begin"}', "[" * 5000, '{"type": "end"}'])
def test_nothing_is_looked_at_before_it_was_agreed_to(tmp_path: Path, text: str) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        body = await opened(server)
        for send in ("send_str", "send_bytes"):
            data = text if send == "send_str" else b"\x01" + jpeg()
            async with before(server, body, begin=False) as socket:
                await getattr(socket, send)(data)
                assert (await told(socket, "error"))["message"]

    play(scene, rooms(tmp_path))


def test_too_large_messages_are_not_read(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        body = await opened(server)
        async with before(server, body) as socket:
            await socket.send_bytes(bytes(camera.LARGEST_MESSAGE + 1))
            assert (await socket.receive()).type is WSMsgType.CLOSE

    play(scene, rooms(tmp_path))


def test_flood_of_pictures_ends_the_attempt(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        body = await opened(server)
        async with before(server, body) as socket:
            for _ in range(camera.MOST_PICTURES * 4):
                await socket.send_bytes(b"\x01" + jpeg(width=120, height=120))
            assert "pictures a second" in (await told(socket, "error"))["message"]

    play(scene, rooms(tmp_path))


def test_two_at_once_and_no_third(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        bodies = [await opened(server) for _ in range(3)]
        async with before(server, bodies[0]), before(server, bodies[1]):
            async with before(server, bodies[0]) as again:
                assert (await told(again, "error"))["kind"] == "conflict"
            async with before(server, bodies[2]) as third:
                assert (await told(third, "error"))["kind"] == "full"
        async with before(server, bodies[2]) as third:
            await third.send_bytes(b"\x01" + jpeg())
            assert (await told(third, "ask"))["step"] == "front"

    play(scene, rooms(tmp_path))


def test_silent_clients_are_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "PATIENCE_S", 0.2)
    play(
        _refused(lambda socket: asyncio.sleep(0), "the time for this attempt is over"),
        rooms(tmp_path),
    )


def test_attempts_are_counted(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        body = await opened(server)
        for _ in range(desk.ATTEMPTS):
            async with before(server, body) as socket:
                await socket.send_bytes(b"\x09")
                await told(socket, "error")
        async with before(server, body) as socket:
            assert "begin a new enrolment" in (await told(socket, "error"))["message"]
        await problem(await server.get(body["camera"]), 404)

    play(scene, rooms(tmp_path))


def test_old_enrolments_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        monkeypatch.setattr(desk, "KEPT_NS", -1)
        body = await opened(server)
        await problem(await server.get(body["camera"]), 404)

    play(scene, rooms(tmp_path))


def test_nothing_asked_of_later_steps_is_told_before(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        body = await opened(server)
        async with before(server, body) as socket:
            await socket.send_bytes(b"\x01" + jpeg())
            asked = await told(socket, "ask")
            assert asked["step"] == "front"
            assert asked["width"] == 1280
            assert asked["phrase"] is None

    play(scene, rooms(tmp_path))


class ShortAttempt:
    """Decided with the third picture; the portrait is the last one."""

    def __init__(self, fault: Fault | None = None) -> None:
        self.challenge = draw("en", Random(5))
        self.portrait: Rgb | None = None
        self.pictures, self.fault, self.closed = 0, fault, False
        self.heard = 0

    def hear(self, samples: Any, at_ns: int) -> None:
        self.heard += len(samples)

    def see(self, rgb: Rgb, at_ns: int) -> Progress:
        self.pictures += 1
        self.portrait = rgb
        return Progress(self.pictures - 1, self.challenge.tasks[0].step, None, None, False)

    def verdict(self) -> Verdict | None:
        if self.pictures < 3:
            return None
        if self.fault is not None:
            return verdict.failed(self.challenge, self.fault)
        return verdict.passed(self.challenge, sound=True, difference=None)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> ShortAttempt:
    """What every attempt is; the portrait is not looked at."""
    attempt = ShortAttempt()
    monkeypatch.setattr(Desk, "_attempt", lambda self, enrolment: attempt)
    monkeypatch.setattr(Desk, "_check", lambda self, rgb: None)
    return attempt


async def performed(socket: ClientWebSocketResponse) -> None:
    for _ in range(3):
        await socket.send_bytes(b"\x02" + bytes(3200))
        await socket.send_bytes(b"\x01" + jpeg())
        await asyncio.sleep(0.05)


async def enrolled(server: Client, name: str = "Me") -> dict[str, Any]:
    """Who has passed, and has the code."""
    body = await opened(server, name=name, purposes="call", days="7")
    async with before(server, body) as socket:
        await performed(socket)
        assert (await told(socket, "verdict"))["passed"]
        result = await told(socket, "enrolled")
        await socket.send_json({"type": "received"})
        assert (await socket.receive()).type is WSMsgType.CLOSE
    return result | {"agreement": body["agreement"]}


def test_who_passes_leaves_with_a_record_an_avatar_and_a_code(
    tmp_path: Path, short: ShortAttempt
) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        result = await enrolled(server)
        record = of.registers.consents.holding(result["record"])
        assert record.id == result["consent"]
        assert record.basis is Basis.LIVE_ENROLMENT
        assert record.statement == result["agreement"]
        assert (record.not_after - record.not_before).days == 7
        assert record.evidence["challenge_sha256"] == short.challenge.sha256
        assert record.evidence[withdrawal.EVIDENCE] == withdrawal.hashed(result["withdrawal_code"])
        assert result["withdrawal_code"] not in json.dumps(dict(record.evidence))
        assert short.portrait is not None
        assert same_portrait(record.portrait, fingerprint(short.portrait))
        listed = (await (await server.get("/avatars")).json())["avatars"]
        assert result["avatar"] in listed
        assert result["avatar"]["basis"] == "live_enrolment"
        assert short.closed
        assert short.heard >= 2 * 1600

    play(scene, rooms(tmp_path))


def test_code_that_nobody_received_leaves_nothing_behind(
    tmp_path: Path, short: ShortAttempt
) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        body = await opened(server)
        async with before(server, body) as socket:
            await performed(socket)
            result = await told(socket, "enrolled")
        async with asyncio.timeout(5):
            while of.store.ids() != built_in.ids():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        flaw = of.registers.consents.flaw(of.registers.consents.record(result["record"]))
        assert flaw is not None
        assert flaw.reason == "consent_revoked"

    play(scene, rooms(tmp_path))


def test_who_fails_is_told_why_and_nothing_is_granted(tmp_path: Path, short: ShortAttempt) -> None:
    short.fault = Fault.WRONG_TURN

    async def scene(server: Client, of: Rooms) -> None:
        body = await opened(server)
        async with before(server, body) as socket:
            await performed(socket)
            said = await told(socket, "verdict")
        assert said["passed"] is False
        assert said["fault"] == "wrong_turn"
        assert said["established"] == []

    play(scene, rooms(tmp_path))
    assert not list(tmp_path.rglob("*"))


def test_record_without_an_avatar_is_taken_back(tmp_path: Path, short: ShortAttempt) -> None:
    def furnish() -> Any:
        raise ModelUnavailable("the workshop is closed")

    granted: list[str] = []

    async def scene(server: Client, of: Rooms) -> None:
        body = await opened(server)
        async with before(server, body) as socket:
            await performed(socket)
            assert "the workshop is closed" in (await told(socket, "error"))["message"]
        (file,) = (tmp_path / "consents").glob("?" * 16 + ".jws")
        flaw = by.flaw(by.granted(file.stem).record)
        granted.append(flaw.reason if flaw else "none")

    by = Consents(tmp_path / "consents", consents.keys(), MemoryAudit())
    play(scene, rooms(tmp_path / "avatars", furnish=furnish, by=by))
    assert granted == ["consent_revoked"]


def test_withdrawal_ends_it_all(tmp_path: Path, short: ShortAttempt) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        result = await enrolled(server)
        address = f"/consents/{result['consent']}/withdraw"
        call = await http_fakes.opened(server, result["avatar"]["id"])
        for code in ("", "7K2QF-AAAAA", "x" * 64, result["consent"]):
            await problem(await server.post(address, json={"code": code}), 403)
        for body in ({}, {"code": 7}, {"code": "x" * 65}):
            await problem(await server.post(address, json=body), 400)
        code = result["withdrawal_code"].lower().replace("-", " ").replace("0", "o")
        answer = await server.post(address, json={"code": code})
        assert await answer.json() == {"id": result["consent"], "withdrawn": True, "ended_calls": 1}
        await problem(await server.get(call), 404)
        await problem(await server.get(f"/avatars/{result['avatar']['id']}"), 404)
        assert of.store.ids() == built_in.ids()
        with pytest.raises(NoConsent, match="revoked"):
            of.registers.consents.holding(result["record"])
        again = await server.post(address, json={"code": code})
        assert (await again.json())["ended_calls"] == 0

    play(scene, rooms(tmp_path))


def test_portrait_of_a_revoked_consent_can_still_be_withdrawn(
    tmp_path: Path, short: ShortAttempt
) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        result = await enrolled(server)
        of.registers.consents.revoke(result["consent"])
        assert of.store.ids() != built_in.ids()
        address = f"/consents/{result['consent']}/withdraw"
        answer = await server.post(address, json={"code": result["withdrawal_code"]})
        assert answer.status == 200
        assert of.store.ids() == built_in.ids()

    play(scene, rooms(tmp_path))


def test_only_enrolments_have_a_code(tmp_path: Path) -> None:
    granted = consents.granted(np.full((64, 64, 3), 9, np.uint8))

    async def scene(server: Client, of: Rooms) -> None:
        address = f"/consents/{granted.record.id}/withdraw"
        for code in ("none", "", "0" * 25):
            said = await problem(await server.post(address, json={"code": code}), 403)
            assert "not given by live enrolment" in said["detail"]
        missing = await server.post("/consents/0123456789abcdef/withdraw", json={"code": "x"})
        await problem(missing, 404)

    play(scene, rooms(tmp_path))


def test_withdrawals_are_rate_limited(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        address = "/consents/0123456789abcdef/withdraw"
        tries = [await server.post(address, json={"code": "x"}) for _ in range(25)]
        assert [one.status for one in tries][-1] == 429
        elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with aiohttp.ClientSession(connector=elsewhere) as other:
            theirs = await other.post(server.make_url(address), json={"code": "x"})
            assert theirs.status == 404

    play(scene, rooms(tmp_path))


def test_what_is_logged_names_nobody(tmp_path: Path, short: ShortAttempt) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        await enrolled(server, name="Wanda Verysecret")
        short.pictures, short.fault = 0, Fault.TWO_FACES
        body = await opened(server)
        async with before(server, body) as socket:
            await performed(socket)
            await told(socket, "verdict")

    of = rooms(tmp_path)
    play(scene, of)
    audit = of.registers.audit
    assert isinstance(audit, MemoryAudit)
    lines = [line for line in audit.told if line[0].value.startswith("enrolment")]
    assert [event for event, _ in lines] == [Event.ENROLMENT_PASSED, Event.ENROLMENT_FAILED]
    assert lines[1][1]["fault"] == "two_faces"
    assert "Verysecret" not in repr(lines)
