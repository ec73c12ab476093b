"""One call's pictures and voice in, from any thread; its film out, on a thread of its own."""

from __future__ import annotations

import errno
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from live.clock import SessionClock
from live.consent.authority import Permit
from live.disclosure import Stamped
from live.errors import NoConsent, NotLogged, VisavisError
from live.measures import Counts
from live.offline.files import complete_or_absent
from live.provenance.facts import MOST_AVATARS
from live.recording.film import CallFilm, call_film
from live.recording.leftovers import remove_leftovers
from live.recording.publisher import Publisher, Take

logger = logging.getLogger(__name__)

_MOST_PICTURES = 30
"""That wait: a second, 24 MB at 512 × 512."""
_MOST_PACKETS = 250
"""Of the voice: five seconds."""
_PICTURES_BETWEEN_LOOKS = 30
"""At the disk."""


class End(StrEnum):
    """Why a recording has ended, in the words of the data channel's `state` message."""

    CALL_ENDED = "call_ended"
    LONGEST = "longest"
    """It has become as long as the operator lets it."""
    DISK_FULL = "disk_full"
    NOT_LOGGED = "not_logged"
    NO_CONSENT = "no_consent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class _Packet:
    """A piece of the voice, as it was sent."""

    data: bytes
    ticks: int


class Recorder:
    """Waits until it is told to begin; from then on keeps all that it is shown, if it can.

    Never blocks whoever shows it something: what does not fit is dropped, and counted under
    `dropped.unrecorded`.
    """

    def __init__(
        self,
        target: Path,
        take: Take,
        publisher: Publisher,
        *,
        clock: SessionClock,
        counts: Counts,
        longest_ns: int,
        on_end: Callable[[End], None],
    ) -> None:
        """`clock`: of the call's tracks; `on_end`: called once, on the recorder's thread."""
        self.is_on = False
        self._target, self._take, self._publisher = target, take, publisher
        self._clock, self._counts = clock, counts
        self._longest_ns, self._on_end = longest_ns, on_end
        self._waiting: deque[Stamped | _Packet] = deque()
        self._pictures = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def begin(self) -> None:
        """The client knows: whatever is shown from now on is recorded."""
        with self._changed:
            if not self._stopped:
                self.is_on = True
                self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self._stopped and not self._thread.is_alive()

    def show(self, stamped: Stamped) -> None:
        """A picture that leaves."""
        with self._changed:
            if not self.is_on:
                return
            if self._pictures == _MOST_PICTURES:
                self._counts.add("dropped.unrecorded")
                return
            self._pictures += 1
            self._put(stamped)

    def hear(self, data: bytes, ticks: int) -> None:
        """A packet of the voice that leaves, with its ticks."""
        with self._changed:
            if not self.is_on:
                return
            if len(self._waiting) - self._pictures == _MOST_PACKETS:
                self._counts.add("dropped.unrecorded")
                return
            self._put(_Packet(data, ticks))

    def note(self, permit: Permit, driver: str) -> None:
        """The avatar that is shown from now on, and what drives it."""
        with self._changed:
            self._take.note(permit, driver)
            if len(self._take.permits) > MOST_AVATARS:  # more than credentials can name
                self._take.permits.pop(permit.record.id)
                self._end_soon()

    def stop(self) -> None:
        """Ends the recording with what it has; returns at once."""
        with self._changed:
            self._end_soon()

    def join(self, timeout_s: float) -> bool:
        """Waits until the film is whole, or given up; says whether it is."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _put(self, one: Stamped | _Packet) -> None:
        self._waiting.append(one)
        self._changed.notify()

    def _end_soon(self) -> None:
        self.is_on, self._stopped = False, True
        self._changed.notify()

    def _next(self) -> Stamped | _Packet | None:
        """What waits longest; `None`: nothing comes any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopped)
            if not self._waiting:
                return None
            one = self._waiting.popleft()
            self._pictures -= isinstance(one, Stamped)
            return one

    def _run(self) -> None:
        try:
            end = self._record()
        except NotLogged as error:
            end = self._failed(End.NOT_LOGGED, error)
        except NoConsent as error:
            end = self._failed(End.NO_CONSENT, error)
        except Exception as error:  # the call goes on, whatever it is
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            end = self._failed(End.DISK_FULL if full else End.FAILED, error)
        self._on_end(end)

    def _record(self) -> End:
        self._publisher.announce(self._take)
        self._target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for session in remove_leftovers(self._target.parent):
            self._publisher.give_up(session, "unfinished")
        with complete_or_absent(self._target) as part:
            with call_film(part, self._clock) as film:
                end = self._filled(film)
            with self._changed:
                self._end_soon()
                self._waiting.clear()
            if not film.pictures:
                raise VisavisError("nothing was shown")
            self._publisher.publish(part, self._take, film.length_ns, film.pictures)
        return end

    def _filled(self, film: CallFilm) -> End:
        """Takes what comes until that ends; says why it has."""
        while (one := self._next()) is not None:
            if isinstance(one, _Packet):
                film.hear(one.data, one.ticks)
                continue
            film.show(one)
            if film.length_ns >= self._longest_ns:
                return End.LONGEST
            if film.pictures % _PICTURES_BETWEEN_LOOKS == 0 and not film.has_room():
                return End.DISK_FULL
        return End.CALL_ENDED

    def _failed(self, end: End, error: Exception) -> End:
        with self._changed:
            self._end_soon()
            self._waiting.clear()
        # what the errors of libraries say may name files, and nothing else that is of interest
        told = str(error) if isinstance(error, VisavisError) else type(error).__name__
        logger.error("a recording has failed, the call goes on (%s): %s", end, told)
        self._publisher.give_up(self._take.session, str(end))
        return end
