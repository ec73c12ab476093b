"""Utterances in, their stretches made just ahead of what is needed, on a thread of the session's.

Voices are synchronous and some are slow: a service across the network may take half a minute to
answer. So every session that speaks has a thread of its own, for as long as there is something to
say, and no session waits for another's voice. A voice that does not let go of an utterance that was
dropped is left behind; how many of those there may be is bounded.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable

from engines.errors import VisavisError
from live.clock import SECOND
from live.utterance import Stretch, Utterance

logger = logging.getLogger(__name__)

_AHEAD_NS = 3 * SECOND
"""Once this much is ready nothing more is made."""
_LOOK_EVERY_S = 0.25
_MOST_THREADS = 3
"""One that works, and two whose voices have not noticed yet that nobody listens."""


class Synthesis:
    """Makes the stretches of a session's utterances, one utterance after another."""

    def __init__(self, utterances: deque[Utterance], changed: threading.Condition) -> None:
        """`utterances`: all that are not at their end, in order; `changed` guards them.

        Methods that say so want the lock held.
        """
        self._utterances = utterances
        self._changed = changed
        self._threads: set[threading.Thread] = set()
        self._server: threading.Thread | None = None
        self._at: Utterance | None = None
        """What `_server` makes a stretch of, without the lock."""

    def serve(self) -> None:
        """There is something new among the utterances; with the lock held."""
        if self._server is None and len(self._threads) < _MOST_THREADS:
            self._server = threading.Thread(target=self._run, name="session-voice", daemon=True)
            self._threads.add(self._server)
            self._server.start()
        self._changed.notify_all()

    def drop(self, utterances: Iterable[Utterance]) -> None:
        """Makes nothing more of these, which have left the rest; with the lock held."""
        for utterance in utterances:
            utterance.dropped = True
            utterance.speech.close()
            if utterance is self._at:
                self._server, self._at = None, None
        self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Waits until no thread is left, without the lock; says whether that came."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._threads, timeout_s)

    def _run(self) -> None:
        me = threading.current_thread()
        while (utterance := self._job(me)) is not None:
            stretch, error = None, None
            try:
                stretch = utterance.next()
            except Exception as caught:  # it is this utterance's trouble and nobody else's
                error = caught
            self._deliver(me, utterance, stretch, error)

    def _job(self, me: threading.Thread) -> Utterance | None:
        """What is to be worked on next; `None`: this thread has nothing more to do."""
        with self._changed:
            while True:
                first = next((one for one in self._utterances if not one.complete), None)
                if self._server is None and first is not None:
                    self._server = me
                if self._server is not me or first is None:
                    self._leave(me)
                    return None
                if sum(one.ahead_ns() for one in self._utterances) < _AHEAD_NS:
                    self._at = first
                    return first
                self._changed.wait(_LOOK_EVERY_S)

    def _leave(self, me: threading.Thread) -> None:
        self._threads.discard(me)
        if self._server is me:
            self._server = None
        self._changed.notify_all()

    def _deliver(
        self,
        me: threading.Thread,
        utterance: Utterance,
        stretch: Stretch | None,
        error: Exception | None,
    ) -> None:
        with self._changed:
            if self._server is me:
                self._at = None
            if utterance.dropped:
                return
            if error is not None:
                ours = isinstance(error, VisavisError)
                level = logging.INFO if ours else logging.WARNING
                logger.log(level, "a voice failed: %s", type(error).__name__)
                utterance.error = str(error) if ours else "the voice failed; the log says where"
            if stretch is None:
                utterance.complete = True
            else:
                utterance.ready.append(stretch)
