"""A WebSocket of somebody before a camera: pictures and sound come in, what to do goes out.

docs/api.md has the messages. A picture that comes while another is looked at takes the place of
the one that waits; sound is kept in full, within a bound. Who sends too much, or nothing, is hung
up on.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

import numpy as np
from aiohttp import WSMsgType, web

from engines.log_mel import RATE
from engines.types import Floats
from live.clock import SECOND, now_ns
from live.enrolment import pictures
from live.enrolment.attempt import Attempt
from live.enrolment.challenge import Step
from live.enrolment.codes import ASKED, HINTS, WAIT
from live.enrolment.desk import Desk, Enrolment
from live.enrolment.verdict import Verdict
from live.enrolment.witness import Progress
from live.errors import BadRequest, NoConsent, VisavisError
from live.problems import kind

PICTURE, SOUND = 1, 2
"""The first byte of a binary message says what follows."""
LARGEST_MESSAGE: Final = pictures.LARGEST_BYTES + 1
DEADLINE_S: Final = 180.0
PATIENCE_S: Final = 10.0
"""Without a picture."""
MOST_PICTURES: Final = 40
"""A second, on the average."""
MOST_SOUND: Final = 12 * RATE
"""Samples that wait."""
WIDTHS: Final = {Step.FRONT: 1280}
"""How large the pictures are to be: large ones while the portrait is taken."""
USUAL_WIDTH: Final = 640
_WRITE_S = 10.0
_RECEIPT_S = 20.0


class CameraSocket:
    """One attempt of one enrolment."""

    def __init__(self, desk: Desk, enrolment: Enrolment, socket: web.WebSocketResponse) -> None:
        """`socket` is prepared."""
        self._desk, self._enrolment, self._socket = desk, enrolment, socket
        self._agreed = False
        self._picture: tuple[bytes, int] | None = None
        self._sounds: list[tuple[Floats, int]] = []
        self._came = asyncio.Event()
        self._pictures = 0
        self._began_ns = now_ns()
        self._told: dict[str, Any] = {}

    async def run(self) -> None:
        """Serves until it is decided, or the client is gone."""
        # A request is cancelled when its client goes; what has been granted then is taken back.
        await self._desk.hold(self._serve())

    async def _serve(self) -> None:
        try:
            async with self._desk.attempt(self._enrolment) as attempt:
                verdict = await self._watched(attempt)
                if verdict is not None:
                    await self._decide(attempt, verdict)
        except TimeoutError:
            await self._say("error", kind="too-slow", message="the time for this attempt is over")
        except VisavisError as error:
            await self._say("error", kind=kind(type(error)).rpartition(":")[2], message=str(error))
        await self._socket.close()

    async def _watched(self, attempt: Attempt) -> Verdict | None:
        """What came of it; `None`: the client has gone."""
        reading = asyncio.create_task(self._read(), name="enrolment")
        watching = asyncio.create_task(self._watch(attempt), name="enrolment")
        tasks = (reading, watching)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                return watching.result()
            reading.result()
            return None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                self._take(message.data, now_ns())
            elif message.type is WSMsgType.TEXT:
                self._begin(message.data)

    def _begin(self, text: str) -> None:
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadRequest("a message is a JSON object") from error
        if not isinstance(values, dict) or values.get("type") != "begin":
            raise BadRequest('send {"type": "begin", "agreed": …} first, then pictures and sound')
        if values.get("agreed") != self._enrolment.agreed:
            raise NoConsent("nothing is begun before the text has been agreed to, as it stands")
        self._agreed = True

    def _take(self, data: bytes, at_ns: int) -> None:
        if not self._agreed:
            raise NoConsent("nothing is looked at before the text has been agreed to")
        match data[:1]:
            case b"\x01":
                self._pictures += 1
                passed_s = (at_ns - self._began_ns) / SECOND
                if self._pictures > MOST_PICTURES * (passed_s + 2):
                    raise BadRequest(f"at most {MOST_PICTURES} pictures a second are taken")
                self._picture = (data[1:], at_ns)
            case b"\x02":
                self._sounds.append((_samples(data[1:]), at_ns))
                if sum(len(samples) for samples, _ in self._sounds) > MOST_SOUND:
                    raise BadRequest("more sound came than time has passed")
            case _:
                raise BadRequest("a binary message begins with 1, a picture, or 2, sound")
        self._came.set()

    async def _watch(self, attempt: Attempt) -> Verdict:
        while True:
            async with asyncio.timeout(PATIENCE_S):
                while self._picture is None:
                    self._came.clear()
                    await self._came.wait()
            picture, sounds = self._picture, self._sounds
            self._picture, self._sounds = None, []
            progress, verdict = await self._desk.run(partial(_look, attempt, picture, sounds))
            if verdict is not None:
                return verdict
            await self._tell(attempt, progress)

    async def _decide(self, attempt: Attempt, verdict: Verdict) -> None:
        if not verdict.passed:
            await self._desk.note_failure(verdict)
            await self._say("verdict", **verdict.described())
            return
        enrolled = await self._desk.enrol(self._enrolment, attempt, verdict)
        received = False
        try:
            await self._say("verdict", **verdict.described())
            await self._say(
                "enrolled",
                consent=enrolled.granted.record.id,
                record=enrolled.granted.document,
                withdrawal_code=enrolled.code,
                avatar=enrolled.avatar,
            )
            received = await self._is_received()
        finally:
            # Consent that its giver has no way to take back is none.
            if not received:
                await self._desk.take_back(enrolled)

    async def _is_received(self) -> bool:
        """Whether the client says that it has got the code; what else still comes is not read."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_RECEIPT_S):
                async for message in self._socket:
                    if message.type is WSMsgType.TEXT and '"received"' in message.data:
                        return True
        return False

    async def _tell(self, attempt: Attempt, progress: Progress) -> None:
        """What is asked now; said again only when something of it has changed."""
        tasks = attempt.challenge.tasks
        step = progress.step
        values: dict[str, Any] = {
            "step": step,
            "number": progress.number,
            "of": len(tasks),
            "words": ASKED[step] if step else WAIT,
            "phrase": " ".join(tasks[progress.number].phrase) if step is Step.PHRASE else None,
            "seconds": tasks[progress.number].deadline_ns // SECOND if step else None,
            "hint": progress.hint,
            "hint_words": HINTS[progress.hint] if progress.hint else None,
            "width": WIDTHS.get(step, USUAL_WIDTH) if step else USUAL_WIDTH,
        }
        if values != self._told:
            self._told = values
            await self._say("ask", **values)

    async def _say(self, type: str, **values: Any) -> None:
        if self._socket.closed:
            return
        message: Mapping[str, Any] = {"type": type, **values}
        with suppress(ConnectionError):
            async with asyncio.timeout(_WRITE_S):
                await self._socket.send_str(json.dumps(message, ensure_ascii=False))


def _look(
    attempt: Attempt, picture: tuple[bytes, int], sounds: list[tuple[Floats, int]]
) -> tuple[Progress, Verdict | None]:
    jpeg, at_ns = picture
    for samples, there_ns in sounds:
        attempt.hear(samples, there_ns)
    progress = attempt.see(pictures.decode(jpeg), at_ns)
    return progress, attempt.verdict()


def _samples(data: bytes) -> Floats:
    if len(data) % 2 or not data:
        raise BadRequest("sound is 16 kHz mono, signed 16 bit, whole samples")
    return np.asarray(np.frombuffer(data, "<i2"), np.float32) / np.float32(32768)
