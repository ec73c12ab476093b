"""Who wants to be enrolled comes in, is given an attempt or two, and leaves with a consent record.

All that is kept of an enrolment is here, in memory, and is dropped with it. What takes long runs on
one thread, so that enrolments take neither the event loop nor more than one core from calls.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final, Protocol, TypeVar

from aiohttp import web

from engines.drivers.speech_network import SpeechNetwork
from engines.face_geometry import Points
from engines.types import Rgb, Tracker
from live.audit import AuditLog, Event
from live.clock import SECOND, now_ns
from live.consent.authority import utc_now
from live.consent.granting import Granted, Wish
from live.consent.record import Evidence, Mode, Purpose
from live.enrolment import withdrawal
from live.enrolment.agreement import agreement, fingerprint
from live.enrolment.attempt import Attempt
from live.enrolment.challenge import Challenge, draw
from live.enrolment.hearing import Hearing
from live.enrolment.likeness import portrait_face
from live.enrolment.pictures import png
from live.enrolment.verdict import Verdict
from live.errors import Conflict, Full, NotFound, TooManyRequests, VisavisError
from live.one_thread import OneThread

OPEN: Final = 8
"""Enrolments that are under way or waited for; each may hold a portrait that was sent."""
AT_ONCE: Final = 2
ATTEMPTS: Final = 4
"""Of one enrolment; each with a challenge of its own."""
KEPT_NS: Final = 15 * 60 * SECOND

_GRACE_S = 2.0

T = TypeVar("T")


class Grant(Protocol):
    """`live.consent.authority.Consents.grant_enrolled`."""

    def __call__(self, portrait: Rgb, wish: Wish, evidence: Evidence) -> Granted:
        """The record; blocks."""


Leave = Callable[[str, str], Awaitable[object]]
"""A consent's id and a reason in: it is revoked, and what rests on it is gone."""

Add = Callable[[bytes, str, str], Awaitable[dict[str, Any]]]
"""An image file, a record and a name in, the new avatar as the catalogue describes it out."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What an attempt is made of; called on the enrolments' thread."""

    tracker: Callable[[], Tracker]
    network: Callable[[], SpeechNetwork]
    decode: Callable[[bytes], Rgb]
    """An image file's pixels, as the consent record is of them; raises `UnusablePortrait`."""
    draw: Callable[[str], Challenge] = draw


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person wants."""

    name: str
    purposes: frozenset[Purpose]
    modes: frozenset[Mode]
    days: int
    language: str
    image: bytes = b""
    """A portrait; none: it is taken with the camera."""


@dataclass(slots=True)
class Enrolment:
    """One person's, from the first request until they are gone."""

    asked: Asked
    agreement: str
    """The text that they agree to."""
    until_ns: int
    sent: Rgb | None
    """The portrait that was sent, decoded."""
    face: Points | None
    """Its face, as `sight.Bearing.shape`."""
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    attempts: int = 0
    running: bool = False

    @property
    def agreed(self) -> str:
        """What the client sends to agree to the text."""
        return fingerprint(self.agreement)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a person leaves with."""

    granted: Granted
    avatar: dict[str, Any]
    code: str
    """By which consent can be withdrawn; known to nobody else."""


class Desk:
    """Every enrolment of one server. Belongs to the event loop."""

    def __init__(
        self,
        tools: Tools,
        grant: Grant,
        add: Add,
        leave: Leave,
        log: AuditLog,
        operator: str = "",
    ) -> None:
        """`operator`: as the agreement names it."""
        self._tools, self._grant, self._add, self._leave = tools, grant, add, leave
        self._log, self._operator = log, operator
        self._open: dict[str, Enrolment] = {}
        self._running = 0
        self._held: set[asyncio.Task[None]] = set()
        self._thread = OneThread("enrolment")

    async def open(self, asked: Asked) -> Enrolment:
        """Raises `UnusablePortrait` for a portrait that was sent, `TooManyRequests`."""
        self._drop_old()
        if len(self._open) >= OPEN:
            raise TooManyRequests("other enrolments are under way; try again in some minutes")
        sent, face = None, None
        if asked.image:
            sent, face = await self.run(lambda: self._read(asked.image))
        until = utc_now().date() + timedelta(asked.days)
        text = agreement(self._operator, asked.purposes, asked.modes, until)
        enrolment = Enrolment(asked, text, now_ns() + KEPT_NS, sent, face)
        self._open[enrolment.secret] = enrolment
        return enrolment

    def get(self, secret: str) -> Enrolment:
        """Raises `NotFound` for one that is over or never was."""
        self._drop_old()
        enrolment = self._open.get(secret)
        if enrolment is None:
            raise NotFound("this enrolment is over; begin a new one")
        return enrolment

    @asynccontextmanager
    async def attempt(self, enrolment: Enrolment) -> AsyncIterator[Attempt]:
        """A place before the camera; raises `Full`, `Conflict`."""
        if enrolment.running:
            raise Conflict("this enrolment has a camera already; end that one first")
        if self._running >= AT_ONCE:
            raise Full("other people are being enrolled just now; try again in a minute")
        if enrolment.attempts >= ATTEMPTS:
            self._open.pop(enrolment.secret, None)
            raise Conflict(f"{ATTEMPTS} attempts have failed; begin a new enrolment")
        self._running += 1
        enrolment.attempts += 1
        enrolment.running = True
        made: Attempt | None = None
        try:
            made = await self.run(lambda: self._attempt(enrolment))
            yield made
        finally:
            self._running -= 1
            enrolment.running = False
            if made is not None:
                await self.run(made.close)

    async def note_failure(self, verdict: Verdict) -> None:
        """Writes down that somebody has failed, by the code alone."""
        fault = verdict.fault.value if verdict.fault else "left"
        await asyncio.to_thread(
            self._log.write,
            Event.ENROLMENT_FAILED,
            challenge=verdict.challenge.sha256,
            fault=fault,
        )

    async def enrol(self, enrolment: Enrolment, attempt: Attempt, verdict: Verdict) -> Enrolled:
        """Grants what was passed and makes the avatar; raises `UnusablePortrait`, `NoConsent`…"""
        assert verdict.passed
        rgb = enrolment.sent if enrolment.sent is not None else attempt.portrait
        assert rgb is not None
        if enrolment.sent is None:
            await self.run(lambda: self._check(rgb))
        code = withdrawal.new_code()
        wish = Wish(
            enrolment.agreement,
            purposes=enrolment.asked.purposes,
            modes=enrolment.asked.modes,
            days=enrolment.asked.days,
        )
        evidence = verdict.evidence() | {withdrawal.EVIDENCE: withdrawal.hashed(code)}
        granted = await asyncio.to_thread(self._grant, rgb, wish, evidence)
        try:
            image = enrolment.asked.image or await asyncio.to_thread(png, rgb)
            avatar = await self._add(image, granted.document, enrolment.asked.name)
        except VisavisError:
            # A record without its avatar would lie about for nobody's good.
            await self._leave(granted.record.id, "no avatar could be made")
            raise
        await asyncio.to_thread(self._note_success, granted, verdict)
        self._open.pop(enrolment.secret, None)
        return Enrolled(granted, avatar, code)

    async def take_back(self, enrolled: Enrolled) -> None:
        """For somebody who has gone before they got their code."""
        await self._leave(enrolled.granted.record.id, "the code was not received")

    async def hold(self, work: Coroutine[Any, Any, None]) -> None:
        """Waits for work that goes on to its own end even if nobody waits for it any more."""
        task = asyncio.create_task(work, name="enrolment")
        self._held.add(task)
        task.add_done_callback(self._held.discard)
        await asyncio.shield(task)

    async def run(self, function: Callable[[], T]) -> T:
        """Runs a function on the enrolments' thread."""
        return await asyncio.wrap_future(self._thread.submit(function))

    async def staffed(self, _: web.Application) -> AsyncIterator[None]:
        """While the server runs (`cleanup_ctx`); then everybody is forgotten."""
        yield
        self._open.clear()
        if self._held:
            await asyncio.wait(self._held, timeout=_GRACE_S)
        self._thread.close()

    def _drop_old(self) -> None:
        now = now_ns()
        for secret, one in list(self._open.items()):
            if now > one.until_ns and not one.running:
                del self._open[secret]

    def _attempt(self, enrolment: Enrolment) -> Attempt:
        challenge = self._tools.draw(enrolment.asked.language)
        hearing = Hearing(self._tools.network())
        return Attempt(challenge, self._tools.tracker(), hearing, enrolment.face)

    def _read(self, image: bytes) -> tuple[Rgb, Points]:
        rgb = self._tools.decode(image)
        return rgb, self._check(rgb)

    def _check(self, rgb: Rgb) -> Points:
        """The face of a portrait that an avatar can be made of; raises `UnusablePortrait`."""
        tracker = self._tools.tracker()
        try:
            return portrait_face(rgb, tracker)
        finally:
            tracker.close()

    def _note_success(self, granted: Granted, verdict: Verdict) -> None:
        self._log.write(
            Event.ENROLMENT_PASSED,
            consent=granted.record.id,
            challenge=verdict.challenge.sha256,
            document=sha256(granted.document.encode()).hexdigest(),
        )
