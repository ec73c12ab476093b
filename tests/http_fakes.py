"""Scripted calls and a workshop without networks, for tests of the server's HTTP half."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from aiohttp import FormData
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engines.drivers.speech_network import SpeechNetwork
from engines.types import Portrait, Rgb
from live import problems, public_id
from live.access.gate import Gate
from live.avatars import AvatarStore
from live.clock import MILLISECOND
from live.consent.authority import Consents
from live.consent.permitted import Permitted
from live.enrolment.desk import Tools
from live.errors import ModelUnavailable, UnusablePortrait
from live.keys import OperatorKeys
from live.load.balance import Balance
from live.load.effort import Effort
from live.load.steps import FULL, Step
from live.measures import Counts, Histogram, Tally
from live.messages import parse_settings
from live.metrics import Metrics
from live.pool import Pool, Start
from live.prepared import PreparedAvatars
from live.registers import Registers
from live.request import CallSettings, OpenVoice, Parts, SessionRequest
from live.rooms import Rooms
from live.server import application
from live.settings import Settings
from live.speech_feed import SpeechFeed
from live.talk import Listener, Talk
from live.voices import Voices
from live.wire import parse_fragment, parse_offer
from live.workshop import Workshop
from tests import consents
from tests.fakes import (
    FakeDriver,
    FakeRenderer,
    FakeTracker,
    MemoryAudit,
    call_settings,
    face,
    no_voice,
)

Client = TestClient[Any, Any]
SDP = {"Content-Type": "application/sdp"}
TRICKLE = {"Content-Type": "application/trickle-ice-sdpfrag"}
SIGNING = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
"""Signs the tokens of these servers."""
UFRAG = "abcd"
FRAGMENT = f"a=ice-ufrag:{UFRAG}\r\na=mid:0\r\na=end-of-candidates\r\n"

_FINGERPRINT = ":".join(["A1"] * 32)
_TRANSPORT = (
    f"a=ice-ufrag:{UFRAG}\r\na=ice-pwd:{'p' * 22}\r\na=setup:actpass\r\n"
    f"a=fingerprint:sha-256 {_FINGERPRINT}\r\na=rtcp-mux\r\n"
)
OFFER = (
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\n"
    f"a=rtpmap:96 VP8/90000\r\na=msid:s v\r\na=ssrc:1 cname:c\r\n{_TRANSPORT}"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sendrecv\r\n"
    f"a=rtpmap:111 opus/48000/2\r\na=msid:s a\r\na=ssrc:2 cname:c\r\n{_TRANSPORT}"
)
"""A browser's offer with what it needs and no more."""


class FakeCall:
    """A session that checks what comes as a real one does, and connects to nobody."""

    def __init__(self, request: SessionRequest, ended: Callable[[str], None]) -> None:
        self.request = request
        self.public_id = public_id.new()
        self.avatar = request.avatar.id
        self.statement = "a.signed.statement"
        self.changes: list[Mapping[str, Any]] = []
        self.reason: str | None = None
        self.closed = asyncio.Event()
        self.step = FULL
        self.told: list[tuple[str, Mapping[str, Any]]] = []
        self.talk = Talk(
            request.parts.voice,
            request.settings.speech,
            Counts(),
            lambda kind, values: self.told.append((kind, values)),
        )
        self._ended = ended

    async def answer(self, sdp: str) -> str:
        try:
            parse_offer(sdp)
        except BaseException:
            await self.close("refused")
            raise
        return "v=0\r\nan answer\r\n"

    async def trickle(self, fragment: str) -> None:
        parse_fragment(fragment, ufrag=UFRAG)

    async def change(self, settings: Mapping[str, Any]) -> None:
        self.changes.append(settings)
        self.avatar = parse_settings(settings).avatar or self.avatar

    async def say(self, values: Mapping[str, Any]) -> str:
        return await self.talk.say(values)

    async def say_sound(self, data: bytes) -> str:
        return await self.talk.say_sound(data)

    def say_feed(self, rate: int, named: Callable[[str], None]) -> SpeechFeed:
        return self.talk.say_feed(rate, named)

    def interrupt(self) -> list[dict[str, Any]]:
        return self.talk.interrupt()

    def listen(self, listener: Listener) -> Callable[[], None]:
        return self.talk.listen(listener)

    def report(self) -> dict[str, Any]:
        return {
            "state": "tracking",
            "mode": "face",
            "skin": "none",
            "avatar": self.avatar,
            "renderer": "fake",
            "codec": "H264",
            "frames": {"in": 3, "out": 2, "dropped": {"late": 1}},
            "fps": {"in": 30.0, "out": 29.5},
            "rooms_ms": {"track": {"p50": 3.0, "p95": 4.0, "p99": 5.0}},
            "stages_ms": {"track": {"p50": 3.0, "p95": 4.0, "p99": 5.0}},
            "latency_ms": None,
            "voice_latency_ms": None,
            "av_skew_ms": None,
            "speech": self.talk.report(),
            "recording": "off",
            "quality": {"step": "full", "fps": None},
        }

    def tally(self) -> Tally:
        histogram = Histogram()
        for milliseconds in (3, 3, 300):
            histogram.add(milliseconds * MILLISECOND)
        return Tally({"in": 3, "out": 2, "dropped.late": 1}, {"track": histogram})

    def effort(self) -> Effort:
        return Effort()

    def ease(self, step: Step) -> None:
        self.step = step

    async def close(self, reason: str = "closed") -> None:
        if self.reason is None:
            self.reason = reason
            self.talk.speaker.close()
            self.closed.set()
            self._ended(reason)


def read_pixels(image: bytes) -> Rgb:
    """Of an image file."""
    bgr = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise UnusablePortrait("not_an_image", "this is not an image; send a JPEG or PNG file")
    return np.ascontiguousarray(bgr[..., ::-1], np.uint8)


def read(image: bytes) -> Portrait:
    """A portrait with one face; nobody is in a black picture."""
    rgb = read_pixels(image)
    if not rgb.any():
        raise UnusablePortrait("no_face", "there is no face in this picture; choose another one")
    return Portrait(rgb, (face(),))


def workshop() -> Workshop:
    return Workshop(FakeTracker(), FakeRenderer(), read)


def png(level: int = 128, size: int = 64) -> bytes:
    """A grey picture as a PNG file."""
    done, data = cv2.imencode(".png", np.full((size, size, 3), level, np.uint8))
    assert done
    return data.tobytes()


def no_network() -> SpeechNetwork:
    """For servers at which nobody is enrolled."""
    raise ModelUnavailable("there is no speech network here")


def rooms(
    folder: Path,
    places: int = 4,
    settings: Settings | None = None,
    start: Start = FakeCall,
    of_calls: CallSettings | None = None,
    furnish: Callable[[], Workshop] = workshop,
    voice: OpenVoice = no_voice,
    by: Consents | None = None,
    tools: Tools | None = None,
) -> Rooms:
    """Rooms with fake parts; `start` makes the sessions."""
    metrics = Metrics()
    by = by or consents.authority()
    audit = MemoryAudit()
    store = AvatarStore(folder, by, consents.keys(), audit)
    prepared = PreparedAvatars(store, furnish)

    async def open_avatar(id: str) -> Permitted:
        return await prepared.open(id, 64)

    async def request_call(id: str, driver: str) -> SessionRequest:
        return SessionRequest(
            await open_avatar(id),
            Parts(FakeTracker, lambda name: FakeDriver(), FakeRenderer, voice),
            of_calls or call_settings(),
            driver,
            open_avatar,
            is_kept=store.has,
        )

    voices = Voices({}, "hibari")
    balance = Balance(places, on_cores=2)
    pool = Pool(start, places=balance.places, metrics=metrics, audit=audit)
    settings = settings or Settings()
    gate = Gate(settings, OperatorKeys(SIGNING, bytes(32)), pool)
    registers = Registers(consents.keys(), audit, by, store)
    tools = tools or Tools(FakeTracker, no_network, read_pixels)
    return Rooms(
        settings,
        store,
        prepared,
        metrics,
        voices,
        gate,
        registers,
        tools,
        pool,
        balance,
        request_call,
    )


@asynccontextmanager
async def client(of: Rooms) -> AsyncIterator[Client]:
    """A client of a server with these rooms."""
    async with TestClient(TestServer(application(of))) as opened:
        yield opened
    of.prepared.close()


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


def agreed(image: bytes) -> str:
    """A signed consent for the portrait in an image file."""
    return consents.granted(read_pixels(image)).document


HALVES = cv2.imencode(".png", np.tri(64, dtype=np.uint8) * 255)[1].tobytes()
"""A picture that is none of the others: white below its diagonal, black above."""


def form(**fields: Any) -> FormData:
    """An upload; `None` leaves a field out."""
    defaults = {"image": png(), "id": "me", "consent": agreed(png())}
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
