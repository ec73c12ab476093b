"""Things that several threads use and one closes: freed once, when nobody uses them any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from engines.errors import EngineError


class Held:
    """`with held:` is a use; after `close` there are no new ones, and the last one out frees.

    So closing never waits for the device, and nothing is freed under a frame that runs.
    """

    def __init__(self, what: str, free: Callable[[], None]) -> None:
        """`what`: its name in errors; `free`: called once, from whichever thread is the last."""
        self._what = what
        self._free = free
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False

    def __enter__(self) -> None:
        """Begins a use; raises `EngineError` where it was closed."""
        with self._lock:
            if self._closed:
                raise EngineError(f"{self._what} was closed")
            self._users += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends it."""
        with self._lock:
            self._users -= 1
            last = self._closed and not self._users
        if last:
            self._free()

    def close(self) -> None:
        """Allows no new use; calling it twice does no harm."""
        with self._lock:
            last = not self._closed and not self._users
            self._closed = True
        if last:
            self._free()
