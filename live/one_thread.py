"""Functions go in, their results come out of one thread that the process does not wait for.

`concurrent.futures` joins its threads when the interpreter ends; a download that hangs would then
keep a server that was told to stop from stopping.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class OneThread:
    """Runs functions one after another beside the caller."""

    def __init__(self, name: str) -> None:
        """The thread begins with the first function."""
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """The function's result to come; cancelling it works while it has not begun."""
        future: Future[T] = Future()
        self._jobs.put(lambda: _run(function, future))
        if self._thread.ident is None:
            self._thread.start()
        return future

    def close(self) -> None:
        """Lets the thread end when what was submitted is done."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _run(function: Callable[[], T], future: Future[Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # it belongs to whoever waits for it
        future.set_exception(error)
