"""Calls that are to be recorded go in, their recorders come out, and end with the server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from live.clock import SECOND, SessionClock
from live.consent.authority import Permit
from live.consent.record import Purpose
from live.errors import NoConsent
from live.label import Label
from live.measures import Counts
from live.recording.publisher import Publisher, Take
from live.recording.recorder import End, Recorder
from live.sections import Recording

_log = logging.getLogger(__name__)


class Recordings:
    """Makes recorders, and waits for their films when the server ends. For the event loop."""

    def __init__(self, settings: Recording, publisher: Publisher) -> None:
        """Writes nothing before something is recorded."""
        self._settings, self._publisher = settings, publisher
        self._running: list[Recorder] = []

    def recorder(
        self,
        session: str,
        label: Label,
        *,
        clock: SessionClock,
        counts: Counts,
        on_end: Callable[[End], None],
    ) -> Recorder:
        """For the call of this public id; it begins when it is told to."""
        now = datetime.now(UTC)
        recorder = Recorder(
            self._settings.folder / f"{now:%Y-%m-%d}-{session}.mp4",
            Take(session, label, now),
            self._publisher,
            clock=clock,
            counts=counts,
            longest_ns=self._settings.longest_minutes * 60 * SECOND,
            on_end=on_end,
        )
        self._running = [one for one in self._running if not one.is_over] + [recorder]
        return recorder

    async def close(self, grace_s: float) -> None:
        """Waits for the films of calls that have ended."""
        for one in self._running:
            one.stop()
        ended = await asyncio.gather(
            *(asyncio.to_thread(one.join, grace_s) for one in self._running)
        )
        if not all(ended):
            _log.error("%s recordings were not finished in time, and are lost", ended.count(False))


def is_covered(permit: Permit) -> bool:
    """Whether the consent for an avatar covers recordings of it."""
    try:
        permit.check_covers(Purpose.RECORDING)
    except NoConsent:
        return False
    return True
