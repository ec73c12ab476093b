"""Utterances in, one at a time; out come sound for egress, the same sound for the driver, events.

Egress pulls, 20 ms at a time, and what it has pulled is what has been said: captions, positions and
the end of an utterance follow the pulls, not the making of the sound. A stretch is given its time
as soon as it is ready, a moment ahead, so that the mouth can begin before the sound does; should
egress stall, the rest moves back with it and no word is lost.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from engines.types import Phone, Sound
from live.clock import MILLISECOND, SECOND, VOICE_RATE, now_ns, ns_from_ticks
from live.errors import Conflict, TooManyRequests
from live.measures import Counts, Durations
from live.opus import SLOT, Samples
from live.synthesis import Synthesis
from live.utterance import (
    LISTENER_RATE,
    Caption,
    Event,
    Finished,
    Reason,
    Started,
    Stretch,
    Utterance,
)

MOST_UTTERANCES = 16
"""That wait or are being said."""
MOST_CHARACTERS = 20_000
"""Of all of their texts together."""
MOST_SECONDS = 600
"""Of all of their sounds that were sent as a whole."""

_LEAD_NS = 40 * MILLISECOND
"""From a first stretch's being ready to its sound: for the mouth to begin, and a driver to hear."""
_AHEAD_NS = 160 * MILLISECOND
"""How far ahead of the present the driver is told of the sound."""
_STALLED_NS = 100 * MILLISECOND
"""Without a pull; the driver is then told nothing more, as no sound leaves either."""
_PAUSE_NS = 150 * MILLISECOND
"""Between two utterances; voices bring the pauses within one."""
_NOTICED_NS = 20 * MILLISECOND
"""Sound that moves by more is told to the driver anew."""
_FADE = VOICE_RATE // 125
"""Samples in which an interrupted voice fades: 8 ms."""


class Speaker:
    """Says one utterance after another. Made and used on the event loop, `sounds` on the worker."""

    def __init__(
        self, on_event: Callable[[Event], None], counts: Counts, clock: Callable[[], int] = now_ns
    ) -> None:
        """`on_event` is called on the event loop.

        Counts `utterances.<reason>`, `interrupts` and `spoken_ms`.
        """
        self.first_sound = Durations()
        """From the request to the utterance's first sound, where nothing else was being said."""
        self._on_event = on_event
        self._counts = counts
        self._clock = clock
        self._changed = threading.Condition()
        self._utterances: deque[Utterance] = deque()
        self._synthesis = Synthesis(self._utterances, self._changed)
        self._events: list[Event] = []
        self._tail: Samples | None = None
        self._last: Utterance | None = None
        self._last_end_ns = 0
        self._cut_ns: int | None = None
        self._pulled_at_ns: int | None = None
        self._pulled_to_ns = 0
        self._closed = False

    @property
    def speaking(self) -> bool:
        """Whether an utterance is being said, or is about to be: then it drives, no microphone."""
        with self._changed:
            first = self._utterances[0] if self._utterances else None
            return first is not None and (
                first.started or bool(first.ready and first.ready[0].begins_ns is not None)
            )

    @property
    def waiting(self) -> int:
        """Utterances that have not begun to be heard."""
        with self._changed:
            return sum(not one.started for one in self._utterances)

    def say(self, utterance: Utterance) -> None:
        """Queues an utterance; raises `TooManyRequests`, or `Conflict` once it is closed."""
        with self._changed:
            if self._closed:
                raise Conflict("this call has ended; open a new one")
            length = sum(one.length for one in self._utterances) + utterance.length
            seconds = sum(one.seconds for one in self._utterances) + utterance.seconds
            full = len(self._utterances) >= MOST_UTTERANCES
            if full or length > MOST_CHARACTERS or seconds > MOST_SECONDS:
                raise TooManyRequests(
                    f"this call has enough to say: {MOST_UTTERANCES} utterances at most, with"
                    f" {MOST_CHARACTERS} characters and {MOST_SECONDS} s of sound in all; wait for"
                    " one to finish, or interrupt"
                )
            utterance.at_once = not self._utterances
            self._utterances.append(utterance)
            self._synthesis.serve()

    def interrupt(self) -> list[Finished]:
        """Ends what is being said and forgets what waits; the end of each, in order."""
        with self._changed:
            dropped = list(self._utterances)
            self._utterances.clear()
            self._synthesis.drop(dropped)
            if dropped:
                self._cut(dropped[0])
                self._counts.add("interrupts")
            ends = [self._finished(one, Reason.INTERRUPTED) for one in dropped]
            self._last = None
        self._tell()
        return ends

    def sound(self, pts_ns: int) -> Samples | None:
        """20 ms from `pts_ns` on, `(960,)` at 48 kHz; `None`: nothing is being said."""
        with self._changed:
            self._pulled_at_ns = self._clock()
            self._schedule()
            slot = self._slot(pts_ns)
            self._pulled_to_ns = pts_ns + ns_from_ticks(SLOT, VOICE_RATE)
        self._tell()
        return slot

    def sounds(self) -> list[Sound]:
        """What the driver is to hear next; called on the worker's thread."""
        told: list[Sound] = []
        with self._changed:
            if self._cut_ns is not None:
                told.append(_silence(self._cut_ns))
                self._cut_ns = None
            if self._pulled_at_ns is None:
                return told
            self._schedule()
            until_ns = min(self._clock(), self._pulled_at_ns + _STALLED_NS) + _AHEAD_NS
            for stretch in self._scheduled():
                piece = stretch.tell(until_ns)
                if piece is not None:
                    told.append(piece)
        return told

    def close(self) -> None:
        """Says nothing more; what was being said is interrupted."""
        with self._changed:
            self._closed = True
        self.interrupt()

    def join(self, timeout_s: float) -> bool:
        """Waits for the voices' threads; says whether all of them have ended."""
        return self._synthesis.join(timeout_s)

    # With the lock held, from here on but for `_tell`.

    def _schedule(self) -> None:
        """Gives a time to every stretch that is ready and has none."""
        for utterance in self._utterances:
            for stretch in utterance.ready:
                if stretch.begins_ns is None:
                    stretch.begins_ns = self._time_for(utterance)
                self._last = utterance
                self._last_end_ns = stretch.begins_ns + stretch.length_ns
            if not utterance.complete:
                break  # what follows waits for its end

    def _time_for(self, utterance: Utterance) -> int:
        soon_ns = self._clock() + _LEAD_NS
        if self._last is None:
            return soon_ns
        if self._last is not utterance:
            return max(self._last_end_ns + _PAUSE_NS, soon_ns)
        in_time = self._last_end_ns >= self._pulled_to_ns
        return self._last_end_ns if in_time else soon_ns

    def _scheduled(self) -> list[Stretch]:
        return [
            stretch
            for utterance in self._utterances
            for stretch in utterance.ready
            if stretch.begins_ns is not None
        ]

    def _slot(self, pts_ns: int) -> Samples | None:
        slot = np.zeros(SLOT, np.int16)
        sounds = self._tail is not None
        if self._tail is not None:
            slot[: len(self._tail)] = self._tail
            self._tail = None
        filled = 0
        while self._utterances:
            utterance = self._utterances[0]
            sounds = sounds or utterance.started
            if not utterance.ready:
                if not utterance.complete:
                    break  # the voice is late: silence until it comes
                self._finish(utterance)
                continue
            filled = self._pull(utterance, utterance.ready[0], pts_ns, slot, filled)
            sounds = sounds or utterance.started
            if filled == SLOT:
                break
        return slot if sounds else None

    def _pull(
        self,
        utterance: Utterance,
        stretch: Stretch,
        pts_ns: int,
        slot: Samples,
        filled: int,
    ) -> int:
        """Takes what belongs into this slot; how far the slot is done with now."""
        if stretch.begins_ns is None:
            return SLOT
        offset = (stretch.next_ns - pts_ns) * VOICE_RATE // SECOND
        if offset >= SLOT:
            return SLOT
        if stretch.pulled or offset < filled:
            offset = filled
            self._move(pts_ns + ns_from_ticks(offset, VOICE_RATE) - stretch.next_ns)
        if not utterance.started:
            self._begin(utterance)
        said = stretch.said
        piece = stretch.voice[stretch.pulled : stretch.pulled + SLOT - offset]
        slot[offset : offset + len(piece)] = piece
        stretch.pulled += len(piece)
        utterance.samples += len(piece)
        done = stretch.pulled == len(stretch.voice)
        if stretch.text and (done or stretch.said != said):
            text = stretch.text[: stretch.said]
            self._events.append(Caption(utterance.id, stretch.start, text, done))
        if done:
            utterance.ready.popleft()
            utterance.characters += len(stretch.text)
        return offset + len(piece)

    def _move(self, by_ns: int) -> None:
        """Moves all times: what is pulled now is heard now, whenever it was expected."""
        for stretch in self._scheduled() if by_ns else ():
            assert stretch.begins_ns is not None
            stretch.begins_ns += by_ns
            if abs(by_ns) > _NOTICED_NS:
                stretch.told = stretch.pulled * LISTENER_RATE // VOICE_RATE
        self._last_end_ns += by_ns

    def _begin(self, utterance: Utterance) -> None:
        utterance.started = True
        self._events.append(Started(utterance.id))
        if utterance.at_once:
            self.first_sound.add(self._clock() - utterance.asked_ns)

    def _finish(self, utterance: Utterance) -> None:
        self._utterances.popleft()
        failed = utterance.error is not None
        self._finished(utterance, Reason.FAILED if failed else Reason.DONE)
        if not self._utterances:
            self._last = None

    def _finished(self, utterance: Utterance, reason: Reason) -> Finished:
        end = utterance.finished(reason)
        self._events.append(end)
        self._counts.add(f"utterances.{reason}")
        self._counts.add("spoken_ms", round(end.seconds * 1000))
        return end

    def _cut(self, utterance: Utterance) -> None:
        """Lets what is being heard fade, and the mouth know."""
        if not utterance.ready or utterance.ready[0].begins_ns is None:
            return
        stretch = utterance.ready[0]
        self._cut_ns = stretch.next_ns
        if stretch.pulled:
            rest = stretch.voice[stretch.pulled : stretch.pulled + _FADE]
            fade = np.linspace(1, 0, len(rest), dtype=np.float32)
            self._tail = np.asarray(rest * fade, np.int16)

    def _tell(self) -> None:
        """Tells of what has happened; without the lock."""
        with self._changed:
            events, self._events = self._events, []
        for event in events:
            self._on_event(event)


def _silence(begins_ns: int) -> Sound:
    """What the driver is to hear instead of what it has been told of already."""
    samples = np.zeros(_AHEAD_NS * LISTENER_RATE // SECOND, np.float32)
    phone = Phone("SIL", begins_ns, begins_ns + SECOND)
    return Sound(samples, begins_ns, begins_ns, (phone,))
