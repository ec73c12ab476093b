"""The iterator that every voice hands out: it can be closed from any thread, at any moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from engines.errors import UnusableText
from engines.types import Floats, Phone, Speech


class Said(NamedTuple):
    """What a voice made of a part of a text, or of the next bit of it."""

    samples: Floats
    rate: int
    phones: tuple[Phone, ...] | None


def with_text(
    parts: Iterable[str], say: Callable[[str], Iterator[Said]]
) -> Generator[Speech, None, None]:
    """Says part by part, and gives each bit the text that has come to be said with it.

    What cannot be said (a row of stars) goes with what is said next, and at the end with a stretch
    that has no samples. Raises `UnusableText` where nothing at all can be said.
    """
    waiting = ""
    rate = 0
    for part in parts:
        waiting += part
        for said in say(part):
            rate = said.rate
            yield Speech(said.samples, rate, said.phones, waiting)
            waiting = ""
    if not rate:
        raise UnusableText("this voice can say nothing of the text; send words of its language")
    if waiting:
        yield Speech(np.zeros(0, np.float32), rate, (), waiting)


class Stretches:
    """A `SpeechStream` over a generator of stretches."""

    def __init__(
        self, made: Generator[Speech, None, None], stop: Callable[[], None] | None = None
    ) -> None:
        """`stop` makes a stretch that is being made end soon, by whatever error; any thread."""
        self._made = made
        self._stop = stop
        self._closed = threading.Event()
        self._running = threading.Lock()

    def __iter__(self) -> Stretches:
        """Itself."""
        return self

    def __next__(self) -> Speech:
        """The next stretch, unless it was closed before or meanwhile."""
        with self._running:
            try:
                if not self._closed.is_set():
                    speech = next(self._made)
                    if not self._closed.is_set():
                        return speech
            except Exception:
                if not self._closed.is_set():
                    raise
            finally:
                if self._closed.is_set():
                    self._made.close()
        raise StopIteration

    def close(self) -> None:
        """Ends the work; calling it twice does no harm."""
        self._closed.set()
        if self._stop is not None:
            self._stop()
        # Where another thread is in the midst of `__next__`, that thread closes the generator.
        if self._running.acquire(blocking=False):
            try:
                self._made.close()
            finally:
                self._running.release()
