"""A worker's routes, and what the two processes tell each other, without a second process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from live.access.scopes import Scope
from live.access.tokens import FREE, Grant
from live.errors import BadRequest
from live.load.machine import cores
from live.processes import handover, holding, lines
from live.processes.handover import Handover
from live.processes.lines import EndCalls, Ended, Line, State
from live.processes.number import number
from live.rooms import Rooms
from live.settings import Settings
from tests.http_fakes import OFFER, SDP, Client, FakeCall, problem, rooms

SECRET = "a-secret-that-somebody-else-chose"
GRANTED = {lines.GRANT_HEADER: lines.grant_to_header(FREE)}
OFFERED = SDP | GRANTED | {lines.SECRET_HEADER: SECRET}


class Ear:
    """The other end of the stream of lines."""

    def __init__(self, content: asyncio.StreamReader) -> None:
        self._content = content

    async def next(self) -> Line | None:
        async with asyncio.timeout(5):
            line = await self._content.readline()
        return lines.from_line(line) if line else None

    async def state(self) -> State:
        while not isinstance(found := await self.next(), State):
            assert found is not None
        return found


@asynccontextmanager
async def worker(of: Rooms) -> AsyncIterator[tuple[Client, Ear]]:
    telling = holding.Telling(of.pool, of.prepared, of.balance)
    async with TestClient(TestServer(holding.application(of, telling))) as client:
        ear = Ear((await client.get(lines.WATCH)).content)  # type: ignore[arg-type]
        yield client, ear
    of.prepared.close()


def play(of: Rooms, scene: Callable[[Client, Ear], Awaitable[None]]) -> None:
    async def run() -> None:
        async with worker(of) as (client, ear):
            await scene(client, ear)

    asyncio.run(run())


def test_a_worker_tells_what_becomes_of_its_calls(tmp_path: Path) -> None:
    of = rooms(tmp_path, places=1)

    async def scene(client: Client, ear: Ear) -> None:
        begun = await ear.state()
        assert (begun.calls, begun.free, begun.why_full) == (0, 1, "")
        answer = await client.post("/sessions?avatar=ada", data=OFFER, headers=OFFERED)
        assert (answer.status, answer.headers["Location"]) == (201, f"/sessions/{SECRET}")
        full = await ear.state()  # at once, and not within the second
        assert (full.calls, full.free) == (1, 0)
        assert "every place is taken" in full.why_full
        await problem(await client.post("/sessions?avatar=ada", data=OFFER, headers=OFFERED), 503)
        assert (await client.delete(f"/sessions/{SECRET}", headers=GRANTED)).status == 200
        assert await ear.next() == Ended(SECRET)
        assert (await ear.state()).free == 1
        assert "visavis_sessions_opened_total 1.0" in await (await client.get("/metrics")).text()

    play(of, scene)


def test_a_worker_tells_when_it_is_ready_and_that_it_stops(tmp_path: Path) -> None:
    of = rooms(tmp_path)

    async def run() -> None:
        telling = holding.Telling(of.pool, of.prepared, of.balance)
        async with TestClient(TestServer(holding.application(of, telling))) as client:
            ear = Ear((await client.get(lines.WATCH)).content)  # type: ignore[arg-type]
            assert not (await ear.state()).ready
            await of.prepared.warm()
            telling.say()
            assert (await ear.state()).ready
            await client.post("/sessions?avatar=ada", data=OFFER, headers=OFFERED)
            assert (await ear.state()).calls == 1
            began = asyncio.get_running_loop().time()
            await of.end_calls()
            await client.server.close()
            assert await ear.next() == Ended(SECRET)
            stopping = await ear.state()
            assert (stopping.free, stopping.calls) == (0, 0)
            assert "shutting down" in stopping.why_full
            while await ear.next() is not None:
                pass
            assert asyncio.get_running_loop().time() - began < 0.9  # nothing waits for a timeout
        of.prepared.close()

    asyncio.run(run())


def test_a_request_may_do_what_is_said_beside_it(tmp_path: Path) -> None:
    of = rooms(tmp_path)

    async def scene(client: Client, ear: Ear) -> None:
        chosen = SDP | {lines.SECRET_HEADER: SECRET}
        for headers in (chosen, chosen | {lines.GRANT_HEADER: "everything"}):
            refused = await client.post("/sessions?avatar=ada", data=OFFER, headers=headers)
            await problem(refused, 400)
        silent = lines.grant_to_header(Grant(frozenset([Scope.SESSION]), "token", 1, 2))
        for header, may_speak in ((lines.grant_to_header(FREE), True), (silent, False)):
            headers = OFFERED | {lines.GRANT_HEADER: header, lines.SECRET_HEADER: header[:9]}
            await client.post("/sessions?avatar=ada", data=OFFER, headers=headers)
            call = of.pool.calls()[-1]
            assert isinstance(call, FakeCall)
            assert call.request.may_speak is may_speak

    play(of, scene)


def test_calls_end_by_avatar_and_by_secret(tmp_path: Path) -> None:
    of = rooms(tmp_path)

    async def scene(client: Client, ear: Ear) -> None:
        async def end(wanted: EndCalls) -> int:
            body = lines.end_calls_to_body(wanted)
            json_type = {"Content-Type": "application/json"}
            answer = await client.post(lines.END_CALLS, data=body, headers=json_type)
            found = await answer.json()
            assert set(found) == {"ended"}
            ended: int = found["ended"]
            return ended

        for secret, avatar in (("1", "ada"), ("2", "ada"), ("3", "leo"), ("4", "leo")):
            headers = OFFERED | {lines.SECRET_HEADER: secret}
            answer = await client.post(f"/sessions?avatar={avatar}", data=OFFER, headers=headers)
            assert answer.status == 201
        calls = {secret: of.pool.get(secret) for secret in "1234"}
        assert len(of.prepared._kept) == 2
        assert await end(EndCalls("token_revoked", secrets=("3", "nobody"))) == 1
        assert await end(EndCalls("avatar_removed", avatar="ada")) == 2
        assert len(of.prepared._kept) == 1
        reasons = [call.reason for call in calls.values() if isinstance(call, FakeCall)]
        assert reasons == ["avatar_removed", "avatar_removed", "token_revoked", None]

    play(of, scene)


# What is told, and back.

GRANTS = st.builds(
    Grant, st.frozensets(st.sampled_from(Scope)), st.text(), st.integers(), st.integers()
)
STATES = st.builds(State, pictures=st.floats(0, 1e12), cpu_s=st.floats(0, 1e12))


@settings(max_examples=40)
@given(GRANTS, STATES, st.text(), st.builds(EndCalls))
def test_what_is_told_is_understood(
    grant: Grant, state: State, secret: str, wanted: EndCalls
) -> None:
    header = lines.grant_to_header(grant)
    assert header.isascii()
    assert header.isprintable()
    assert lines.grant_from_header(header) == grant
    for line in (state, Ended(secret)):
        text = lines.to_line(line)
        assert text.count(b"\n") == 1
        assert text.endswith(b"\n")
        assert lines.from_line(text) == line
    assert lines.end_calls_from_body(json.loads(lines.end_calls_to_body(wanted))) == wanted


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = PLAIN | st.lists(PLAIN) | st.dictionaries(st.text() | st.just("scopes"), PLAIN)


@settings(max_examples=60)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        lines.from_line(data)
    with pytest.raises(BadRequest):
        lines.grant_from_header(data.decode(errors="replace"))


@pytest.mark.parametrize(
    "state",
    [{}, None, {"ready": True}, {"calls": "many"}],
)
def test_half_a_state_is_none(state: object) -> None:
    with pytest.raises(BadRequest, match="lacks something"):
        lines.from_line(json.dumps({"state": state}).encode())


def test_a_worker_has_the_settings_of_its_server(tmp_path: Path) -> None:
    chosen = Settings.model_validate(
        {
            "ice": {"servers": [{"urls": "turn:t.example.org", "credential": "of turn"}]},
            "keys": {"mark": "ab" * 32, "former_marks": ["cd" * 32, "ef" * 32]},
            "avatars": {"folder": tmp_path / "with spaces\nand\udcff more"},
            "voice": {"openai_key": "of the voice"},
            "sessions": {"places": 7, "processes": 3},
        }
    )
    line = handover.to_line(Handover("2", 9, 3, chosen))
    assert line.count(b"\n") == 1
    told = handover.from_line(line)
    assert (told.name, told.listener, told.processes) == ("2", 9, 3)
    assert told.settings == chosen
    assert told.settings.keys.former_marks[1] == SecretStr("ef" * 32)


# How many.


def sessions(renderer: str = "warp", **decided: int) -> Settings:
    return Settings.model_validate({"sessions": decided, "engines": {"renderer": renderer}})


def test_three_processes_for_every_four_cores() -> None:
    found = [number(sessions(), on_cores) for on_cores in (0.3, 1, 2, 3, 4, 6, 8, 16)]
    assert found == [1, 1, 2, 2, 3, 5, 6, 12]
    assert number(sessions(places=1), 8) == 1
    assert number(sessions(places=4), 8) == 4
    assert number(sessions(processes=5, places=2), 1) == 5
    assert number(sessions()) == number(sessions(), cores())


def test_a_network_that_a_backend_runs_is_loaded_once() -> None:
    for renderer, expected in (("echo", 6), ("portrait", 1), ("no-such-one", 1)):
        assert number(sessions(renderer), 8) == expected
        assert number(sessions(renderer, processes=2), 8) == 2


def test_where_there_are_no_unix_sockets_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("socket.AF_UNIX")
    assert number(sessions(processes=4), 8) == 1
