"""Requests for a call go in, sessions under secret ids come out, no more than there are places.

The pool is the only thing that knows secret ids. A session leaves it by itself when it ends,
whatever ended it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Protocol

from live.audit import AuditLog, Event
from live.calls import new_secret
from live.consent.permitted import Permitted
from live.errors import Full, NotFound, NotLogged
from live.load.effort import Effort
from live.load.places import Places
from live.load.steps import Step
from live.measures import Tally
from live.metrics import Metrics
from live.request import SessionRequest
from live.speech_feed import SpeechFeed
from live.talk import Listener

_log = logging.getLogger(__name__)


class Call(Protocol):
    """What is asked of a session; plain values, but for the sound that is still to come."""

    @property
    def public_id(self) -> str:
        """Names the call to everybody; it is not the secret id."""

    @property
    def statement(self) -> str:
        """What is said of the call now, signed."""

    @property
    def avatar(self) -> str:
        """The id of the avatar that is shown now."""

    @property
    def closed(self) -> asyncio.Event:
        """Set when the call has ended and everything is free."""

    async def answer(self, sdp: str) -> str:
        """Takes the peer's offer and gives our answer."""

    async def trickle(self, fragment: str) -> None:
        """Takes more candidates of the peer."""

    async def change(self, settings: Mapping[str, Any]) -> None:
        """Changes the running call."""

    async def say(self, values: Mapping[str, Any]) -> str:
        """Queues a text; the utterance's id."""

    async def say_sound(self, data: bytes) -> str:
        """Queues a WAV file's sound; the utterance's id."""

    def say_feed(self, rate: int, named: Callable[[str], None]) -> SpeechFeed:
        """Queues sound that is still to come; `named` gets the utterance's id."""

    def interrupt(self) -> list[dict[str, Any]]:
        """Makes silence; what each utterance had reached."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tells `listener` of every utterance; the function returned ends that."""

    def report(self) -> dict[str, Any]:
        """How the call goes."""

    def tally(self) -> Tally:
        """What was counted since the beginning."""

    def effort(self) -> Effort:
        """What drawing it has taken so far."""

    def ease(self, step: Step) -> None:
        """Draws it at this step from its next picture on."""

    async def close(self, reason: str) -> None:
        """Ends the call and frees what it holds; calling it twice does no harm."""


Start = Callable[[SessionRequest, Callable[[str], None]], Call]
"""Makes a session that calls its second argument once, with the reason, when it has ended."""


class Pool:
    """Holds the sessions of one process. Not thread-safe: it belongs to the event loop."""

    def __init__(self, start: Start, *, places: Places, metrics: Metrics, audit: AuditLog) -> None:
        """`places` decides how many calls are held at once."""
        self._start = start
        self._places = places
        self._metrics = metrics
        self._audit = audit
        self._opened: dict[str, asyncio.Future[str]] = {}
        """Until each call's opening is in the audit log."""
        self._closings: set[asyncio.Task[None]] = set()
        """What the audit log is being told of calls that have ended."""
        self._sessions: dict[str, Call] = {}
        self._closing = False
        self._on_opened: Callable[[], None] = lambda: None
        self._on_ended: Callable[[str], None] = lambda secret: None
        metrics.watch_sessions(self._tallies, lambda: len(self._sessions) + self.free())

    def watch(self, on_opened: Callable[[], None], on_ended: Callable[[str], None]) -> None:
        """Tells of every call from now on: that there is one more, and which one has left."""
        self._on_opened, self._on_ended = on_opened, on_ended

    def check_free(self) -> None:
        """Raises `Full` where no call would be taken now."""
        if self._closing:
            raise Full("the server is shutting down; try another one")
        if not self.free():
            why = self._places.why_full(len(self._sessions))
            raise Full(f"{why}; try again in a few seconds, or on another server")

    async def open(
        self,
        request: SessionRequest,
        on_place: Callable[[str], None] = lambda secret: None,
        *,
        secret: str = "",
    ) -> tuple[str, Call]:
        """A new session and the secret id under which it is found.

        `secret`: the id, where somebody else has chosen it; `on_place` is told of the id as soon as
        the session holds its place, before anything is waited for.
        Raises `Full`, and `NotLogged` where the audit log cannot be told of it: a session does
        nothing before it has its offer, so nothing has been done then.
        """
        self.check_free()
        secret = secret or new_secret()
        noted = replace(request, on_shown=self._note_shown)
        session = self._start(noted, lambda reason: self._forget(secret, reason))
        self._sessions[secret] = session
        self._metrics.session_opened()
        on_place(secret)
        self._on_opened()
        opened = asyncio.ensure_future(asyncio.to_thread(self._note_opening, session, request))
        self._opened[secret] = opened
        try:
            line = await asyncio.shield(opened)
        except BaseException:  # the client has gone, too
            await asyncio.shield(session.close("refused"))
            raise
        # these lines may be kept elsewhere, where an audit log that is put back cannot be
        _log.info("call opened", extra={"calls": len(self._sessions), "audit": line})
        return secret, session

    def get(self, secret: str) -> Call:
        """The session of this id; raises `NotFound` once it has ended."""
        try:
            return self._sessions[secret]
        except KeyError:
            raise NotFound("there is no such call, or it has ended; open a new one") from None

    def holds(self, secret: str) -> bool:
        """Whether there is a session of this id."""
        return secret in self._sessions

    def free(self) -> int:
        """How many more calls would be taken now."""
        return self._places.free(len(self._sessions))

    def calls(self) -> list[Call]:
        """Those that are held now."""
        return list(self._sessions.values())

    async def end(self, secrets: Collection[str], reason: str) -> int:
        """Ends the calls of these ids; says how many of them there were."""
        held = [self._sessions[secret] for secret in secrets if secret in self._sessions]
        await _close_all(held, reason)
        return len(held)

    async def end_calls_of(self, avatar: str, reason: str) -> int:
        """Ends the calls in which an avatar is shown; says how many those were."""
        shown = [session for session in self.calls() if session.avatar == avatar]
        await _close_all(shown, reason)
        return len(shown)

    async def close(self, grace_s: float) -> None:
        """Takes no more calls and ends those that there are, within `grace_s` seconds."""
        self._closing = True
        try:
            async with asyncio.timeout(grace_s):
                await _close_all(self.calls(), "shutdown")
                await asyncio.gather(*self._closings)
        except TimeoutError:
            _log.warning("calls did not end in time", extra={"calls": len(self._sessions)})

    def _tallies(self) -> list[Tally]:
        return [session.tally() for session in self.calls()]

    def _forget(self, secret: str, reason: str) -> None:
        session = self._sessions.pop(secret, None)
        if session is not None:
            self._on_ended(secret)
            self._metrics.session_ended(reason, session.tally())
            _log.info("call ended", extra={"reason": reason, "calls": len(self._sessions)})
            closing = asyncio.create_task(
                self._note_closing(self._opened.pop(secret), session.public_id, reason)
            )
            self._closings.add(closing)
            closing.add_done_callback(self._closings.discard)

    def _note_opening(self, session: Call, request: SessionRequest) -> str:
        avatar = request.avatar
        return self._audit.write(
            Event.SESSION_OPENED,
            session=session.public_id,
            avatar=avatar.id,
            consent=avatar.consent,
            driver=request.driver,
            label=request.settings.label.visible,
            recorded=request.recordings is not None,
        )

    async def _note_shown(self, session: str, avatar: Permitted) -> None:
        await asyncio.to_thread(
            self._audit.write,
            Event.AVATAR_SHOWN,
            session=session,
            avatar=avatar.id,
            consent=avatar.consent,
        )

    async def _note_closing(self, opened: asyncio.Future[str], id: str, reason: str) -> None:
        """Tells the audit log, if it knows of the call at all; it is too late to refuse that."""
        try:
            await opened
            await asyncio.to_thread(
                self._audit.write, Event.SESSION_CLOSED, session=id, reason=reason
            )
        except NotLogged as error:
            _log.error("the end of a call could not be logged: %s", error)


async def _close_all(sessions: list[Call], reason: str) -> None:
    closing = (session.close(reason) for session in sessions)
    for failure in await asyncio.gather(*closing, return_exceptions=True):
        if isinstance(failure, Exception):
            _log.error("a call did not end cleanly", extra={"error": type(failure).__name__})
