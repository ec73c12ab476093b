"""What can be asked of a call's voice over HTTP and WebSockets, and what is refused."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from engines.errors import UnknownPart, VoiceUnavailable
from engines.types import Voice
from live.clock import now_ns
from live.rooms import Rooms
from live.routes import speech
from live.settings import Settings
from live.speaking import MOST_UTTERANCES
from tests.http_fakes import Client, FakeCall, opened, play, problem, rooms
from tests.voices import ToneVoice, tone


def open_voice(name: str) -> Voice:
    if name == "gone":
        raise VoiceUnavailable("the voice's program is not installed; install it")
    if name not in ("hibari", "tone"):
        raise UnknownPart("no such voice")
    return ToneVoice()


def wav(
    samples: np.ndarray, rate: int = 16_000, *, channels: int = 1, claims: int | None = None
) -> bytes:
    """A WAV file of 16-bit or 32-bit float samples; `claims` is the length that it tells."""
    data = samples.tobytes()
    kind, size = (3, 4) if samples.dtype == np.float32 else (1, 2)
    header = struct.pack(
        "<HHIIHH", kind, channels, rate, rate * channels * size, channels * size, size * 8
    )
    length = len(data) if claims is None else claims
    return (
        b"RIFF" + struct.pack("<I", 36 + length) + b"WAVEfmt " + struct.pack("<I", 16) + header
        + b"data" + struct.pack("<I", length) + data
    )  # fmt: skip


def integers(seconds: float, rate: int = 16_000) -> np.ndarray:
    return np.asarray(tone(seconds, rate) * 32767, np.int16)


def scene_of(
    scene: Callable[[Client, str, FakeCall], Awaitable[None]], folder: Path, **settings: Any
) -> None:
    """Plays a scene with an open call."""

    async def run(server: Client, of: Rooms) -> None:
        location = await opened(server)
        call = of.pool.get(location.rsplit("/", 1)[1])
        assert isinstance(call, FakeCall)
        try:
            await scene(server, location, call)
        finally:
            await of.pool.close(2)

    chosen = Settings.model_validate(settings)
    play(run, rooms(folder, settings=chosen, voice=open_voice))


async def heard(call: FakeCall, *, until: str = "finished", timeout_s: float = 5) -> np.ndarray:
    """Pulls, faster than time passes, until something is told; what was heard."""
    slots = []
    before = sum(kind == until for kind, _ in call.told)
    async with asyncio.timeout(timeout_s):
        while sum(kind == until for kind, _ in call.told) == before:
            slot = call.talk.speaker.sound(now_ns())
            if slot is not None:
                slots.append(slot)
            await asyncio.sleep(0.002)
    return np.concatenate(slots) if slots else np.zeros(0, np.int16)


def test_a_text_is_said(tmp_path: Path) -> None:
    async def scene(server: Client, location: str, call: FakeCall) -> None:
        answer = await server.post(f"{location}/say", json={"text": "one two three"})
        assert answer.status == 202
        assert await answer.json() == {"utterance": "u1"}
        sound = await heard(call)
        assert np.abs(sound.astype(int)).max() > 10_000
        assert call.told[-1] == (
            "finished",
            {"utterance": "u1", "reason": "done", "characters": 13, "seconds": 0.3},
        )
        report = await (await server.get(location)).json()
        assert report["speech"]["speaking"] is False

    scene_of(scene, tmp_path)


@pytest.mark.parametrize(
    "body",
    [
        wav(integers(0.4)),
        wav(integers(0.4, 8_000), 8_000),
        wav(tone(0.4, 48_000), 48_000),
        wav(np.repeat(integers(0.4, 44_100), 2), 44_100, channels=2),
        wav(np.zeros(6_400, np.int16)),
        wav(np.asarray(np.random.default_rng(1).normal(0, 0.2, 6_400), np.float32)),
        wav(np.asarray(9 * tone(0.4, 16_000) + 3, np.float32)),
    ],
    ids=["16 kHz", "8 kHz", "float", "stereo", "silence", "noise", "clipped, with DC"],
)
def test_a_sound_is_said(tmp_path: Path, body: bytes) -> None:
    async def scene(server: Client, location: str, call: FakeCall) -> None:
        headers = {"Content-Type": "audio/wav"}
        answer = await server.post(f"{location}/say", data=body, headers=headers)
        assert answer.status == 202, await answer.text()
        sound = await heard(call)
        assert len(sound) / 48_000 == pytest.approx(0.4, abs=0.03)
        kind, end = call.told[-1]
        assert (kind, end["reason"], end["characters"]) == ("finished", "done", 0)
        assert end["seconds"] == pytest.approx(0.4, abs=0.001)

    scene_of(scene, tmp_path)


JSON = "application/json"
WAV = "audio/wav"


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", "hello", 415),
        (JSON, "{", 400),
        (JSON, "[]", 400),
        (JSON, "{}", 422),
        (JSON, '{"text": 1}', 422),
        (JSON, '{"text": "<speak>hello</speak>"}', 422),
        (JSON, '{"text": "hello", "voice": "nobody"}', 422),
        (JSON, '{"text": "hello", "voice": "gone"}', 503),
        (JSON, '{"text": "hello", "txet": "hello"}', 422),
        (JSON, '{"text": "hello", "pace": "quick"}', 422),
        (JSON, '{"text": "\\ud800"}', 422),
        (JSON, json.dumps({"text": "x" * 10_001}), 422),
        (JSON, json.dumps({"text": "x" * 200_000}), 413),
        (WAV, b"", 422),
        (WAV, b"RIFF", 422),
        (WAV, b"ID3 this is an MP3 file", 422),
        (WAV, wav(np.zeros(0, np.int16)), 422),
        (WAV, wav(integers(0.1), claims=1 << 20), 422),
        (WAV, wav(integers(0.1), 4_000), 422),
        (WAV, wav(integers(0.1), channels=6), 422),
        (WAV, wav(np.full(800, np.nan, np.float32)), 422),
        (WAV, wav(np.zeros(8_000 * 601, np.int16), 8_000), 422),
        (WAV, bytes(speech.LARGEST_SOUND + 1), 413),
    ],
)
def test_what_cannot_be_said(tmp_path: Path, kind: str, body: str | bytes, status: int) -> None:
    async def scene(server: Client, location: str, call: FakeCall) -> None:
        data = io.BytesIO(body if isinstance(body, bytes) else body.encode())
        answer = await server.post(f"{location}/say", data=data, headers={"Content-Type": kind})
        refused = await problem(answer, status)
        assert "x" * 20 not in refused["detail"]
        assert call.told == []
        # and the call goes on
        answer = await server.post(f"{location}/say", json={"text": "one"})
        assert answer.status == 202
        await heard(call)

    scene_of(scene, tmp_path)


def test_two_hours_of_sound_are_refused_before_they_are_read(tmp_path: Path) -> None:
    async def scene(server: Client, location: str, call: FakeCall) -> None:
        read = 0

        async def two_hours() -> Any:
            nonlocal read
            for _ in range(48_000 * 2 * 7_200 >> 16):
                read += 1 << 16
                yield bytes(1 << 16)

        headers = {"Content-Type": WAV}
        await problem(await server.post(f"{location}/say", data=two_hours(), headers=headers), 413)
        assert read < 2 * speech.LARGEST_SOUND

    scene_of(scene, tmp_path)


def test_an_interruption_tells_what_was_said(tmp_path: Path) -> None:
    async def scene(server: Client, location: str, call: FakeCall) -> None:
        assert await (await server.post(f"{location}/interrupt")).json() == {"interrupted": []}
        for text in ("one two three four five six", "seven"):
            await server.post(f"{location}/say", json={"text": text})
        await heard(call, until="caption")
        answer = await server.post(f"{location}/interrupt")
        assert answer.status == 200
        first, second = (await answer.json())["interrupted"]
        assert first["utterance"] == "u1"
        assert first["reason"] == "interrupted"
        assert first["characters"] == 3
        assert 0.05 < first["seconds"] < 0.2
        assert second["characters"] == second["seconds"] == 0
        assert [values for kind, values in call.told if kind == "finished"] == [first, second]

    scene_of(scene, tmp_path)


def test_a_call_has_enough_to_say(tmp_path: Path) -> None:
    async def scene(server: Client, location: str, call: FakeCall) -> None:
        for _ in range(MOST_UTTERANCES):
            await server.post(f"{location}/say", json={"text": "one"})
        answer = await server.post(f"{location}/say", json={"text": "one"})
        assert "Retry-After" in answer.headers
        await problem(answer, 429)
        minutes = wav(np.zeros(8_000 * 400, np.int16), 8_000)
        await server.post(f"{location}/interrupt")
        for status in (202, 429):
            answer = await server.post(
                f"{location}/say", data=io.BytesIO(minutes), headers={"Content-Type": WAV}
            )
            assert answer.status == status

    scene_of(scene, tmp_path)


def test_sounds_are_uploads(tmp_path: Path) -> None:
    async def scene(server: Client, location: str, call: FakeCall) -> None:
        answer = await server.post(
            f"{location}/say", data=wav(integers(0.1)), headers={"Content-Type": WAV}
        )
        await problem(answer, 429)
        assert (await server.post(f"{location}/say", json={"text": "one"})).status == 202

    scene_of(scene, tmp_path, server={"posts_per_minute": 1})


def test_a_call_that_there_is_not(tmp_path: Path) -> None:
    async def scene(server: Client, location: str, call: FakeCall) -> None:
        await call.close()
        for path in ("say", "interrupt"):
            await problem(await server.post(f"{location}/{path}", json={"text": "one"}), 404)
        await problem(await server.get(f"{location}/speech"), 404)

    scene_of(scene, tmp_path)


def test_voices_are_listed(tmp_path: Path) -> None:
    async def scene(server: Client, location: str, call: FakeCall) -> None:
        listed = await (await server.get("/voices")).json()
        assert listed["default"] == "hibari"
        voices = {one["name"]: one for one in listed["voices"]}
        assert voices["hibari"] == {"name": "hibari", "available": True, "languages": ["en-US"]}
        for voice in voices.values():
            assert voice["available"] is ("missing" not in voice)

    scene_of(scene, tmp_path)


def test_hibari_speaks(tmp_path: Path) -> None:
    """The built-in voice itself, by name."""

    async def scene(server: Client, of: Rooms) -> None:
        location = await opened(server)
        call = of.pool.get(location.rsplit("/", 1)[1])
        assert isinstance(call, FakeCall)
        text = "Good morning. It is 9:05, and dinner costs $12."
        answer = await server.post(f"{location}/say", json={"text": text, "language": "en-US"})
        assert answer.status == 202, await answer.text()
        sound = await heard(call, timeout_s=60)
        assert 2 < len(sound) / 48_000 < 8
        assert np.abs(sound.astype(int)).max() > 3_000
        end = call.told[-1][1]
        assert (end["reason"], end["characters"]) == ("done", len(text))
        for body in ({"text": text, "language": "xx"}, {"text": "🙂"}, {"text": "\x00\x07"}):
            await problem(await server.post(f"{location}/say", json=body), 422)
        await of.pool.close(2)

    of = rooms(tmp_path)
    play(scene, rooms(tmp_path, voice=of.voices.open))


# Speech streams.


def stream_scene(
    scene: Callable[[Client, str, FakeCall, ClientWebSocketResponse], Awaitable[None]],
    folder: Path,
) -> None:
    async def run(server: Client, location: str, call: FakeCall) -> None:
        async with server.ws_connect(f"{location}/speech") as socket:
            await scene(server, location, call, socket)

    scene_of(run, folder)


async def told(socket: ClientWebSocketResponse) -> dict[str, Any]:
    message: dict[str, Any] = await socket.receive_json(timeout=5)
    return message


@pytest.mark.parametrize("form", ["s16le", "f32le"])
def test_a_stream_is_said(tmp_path: Path, form: str) -> None:
    async def scene(
        server: Client, location: str, call: FakeCall, socket: ClientWebSocketResponse
    ) -> None:
        await socket.send_json({"rate": 24_000, "format": form})
        for count in (1, 2):  # one utterance after another
            sound = tone(0.5, 24_000)
            for piece in np.array_split(sound, 25):
                data = piece if form == "f32le" else np.asarray(piece * 32767, np.int16)
                await socket.send_bytes(data.tobytes())
            await socket.send_json({"end": True})
            pulled = asyncio.create_task(heard(call))
            assert await told(socket) == {"type": "queued", "utterance": f"u{count}"}
            assert await told(socket) == {"type": "started", "utterance": f"u{count}"}
            end = await told(socket)
            assert (end["type"], end["reason"], end["seconds"]) == ("finished", "done", 0.5)
            await pulled

    stream_scene(scene, tmp_path)


def test_a_stream_is_interrupted(tmp_path: Path) -> None:
    async def scene(
        server: Client, location: str, call: FakeCall, socket: ClientWebSocketResponse
    ) -> None:
        chunk = integers(0.5).tobytes()
        await socket.send_json({"rate": 16_000, "format": "s16le"})
        await socket.send_bytes(chunk)
        assert (await told(socket))["type"] == "queued"
        await heard(call, until="started")
        await server.post(f"{location}/interrupt")
        for _ in range(3):  # what was under way is dropped, not begun as another utterance
            await socket.send_bytes(chunk)
        assert (await told(socket))["type"] == "started"
        assert (await told(socket))["reason"] == "interrupted"
        await socket.send_json({"end": True})
        await socket.send_bytes(chunk)
        assert await told(socket) == {"type": "queued", "utterance": "u2"}
        await socket.send_json({"interrupt": True})
        await socket.send_bytes(chunk)
        assert (await told(socket))["reason"] == "interrupted"
        await socket.send_json({"rate": 16_000, "format": "s16le"})
        await socket.send_bytes(chunk)
        assert await told(socket) == {"type": "queued", "utterance": "u3"}

    stream_scene(scene, tmp_path)


def test_a_stream_that_vanishes_ends_where_it_is(tmp_path: Path) -> None:
    async def scene(
        server: Client, location: str, call: FakeCall, socket: ClientWebSocketResponse
    ) -> None:
        await socket.send_json({"rate": 16_000, "format": "s16le"})
        await socket.send_bytes(integers(0.3).tobytes())
        assert (await told(socket))["type"] == "queued"
        await socket.close()
        await heard(call)
        assert call.told[-1][1]["reason"] == "failed"
        assert call.told[-1][1]["seconds"] == pytest.approx(0.3, abs=0.003)
        async with server.ws_connect(f"{location}/speech") as again:  # the place is free
            await again.send_json({"rate": 16_000, "format": "s16le"})

    stream_scene(scene, tmp_path)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ([b"1234"], "say first"),
        (["{"], "JSON"),
        (['{"rate": 1, "format": "s16le"}', b"1234"], "8000"),
        (['{"rate": 24000, "format": "mp3"}'], "begin with"),
        (['{"rate": 24000, "format": "s16le"}', b"123"], "whole samples"),
    ],
)
def test_streams_that_are_refused(tmp_path: Path, sent: list[str | bytes], words: str) -> None:
    async def scene(
        server: Client, location: str, call: FakeCall, socket: ClientWebSocketResponse
    ) -> None:
        for one in sent:
            await (socket.send_bytes(one) if isinstance(one, bytes) else socket.send_str(one))
        while (answer := await told(socket))["type"] != "error":
            pass
        assert words in answer["message"]
        # it goes on, once it is right
        await socket.send_json({"end": True})
        await socket.send_json({"rate": 16_000, "format": "s16le"})
        await socket.send_bytes(integers(0.1).tobytes())
        while (answer := await told(socket))["type"] != "queued":
            pass

    stream_scene(scene, tmp_path)


def test_a_call_has_one_stream_and_ends_it(tmp_path: Path) -> None:
    async def scene(
        server: Client, location: str, call: FakeCall, socket: ClientWebSocketResponse
    ) -> None:
        await problem(await server.get(f"{location}/speech"), 400)  # no WebSocket
        with pytest.raises(WSServerHandshakeError) as raised:
            await server.ws_connect(f"{location}/speech")
        assert raised.value.status == 409
        with pytest.raises(WSServerHandshakeError) as raised:
            await server.ws_connect(
                f"{location}/speech", headers={"Origin": "https://elsewhere.example"}
            )
        assert raised.value.status == 403
        await call.close()
        ended = await socket.receive(timeout=5)
        assert ended.type in (WSMsgType.CLOSE, WSMsgType.CLOSED)

    stream_scene(scene, tmp_path)


def test_a_client_that_sends_messages_without_end_is_read_at_a_pace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live.speech_socket._MOST_A_SECOND", 20)

    async def scene(
        server: Client, location: str, call: FakeCall, socket: ClientWebSocketResponse
    ) -> None:
        begun = time.monotonic()
        for _ in range(60):
            await socket.send_str("nonsense")
        for _ in range(60):
            assert (await told(socket))["type"] == "error"
        assert 1 < time.monotonic() - begun < 10

    stream_scene(scene, tmp_path)


def test_a_chunk_that_is_too_large_ends_the_stream(tmp_path: Path) -> None:
    async def scene(
        server: Client, location: str, call: FakeCall, socket: ClientWebSocketResponse
    ) -> None:
        await socket.send_json({"rate": 16_000, "format": "s16le"})
        await socket.send_bytes(bytes((256 << 10) + 2))
        ended = await socket.receive(timeout=5)
        assert ended.type is WSMsgType.CLOSE

    stream_scene(scene, tmp_path)
