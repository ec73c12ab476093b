"""The cache of built engines: a key goes in, its plan comes out, built only if it has to be.

What is damaged, or of another network, version, driver or device, is built anew
(`engines.backends.kept`). One process builds a key at a time, the others wait for it; if it dies,
the next one builds. Where nothing can be kept (no space, no permission) the plan is still good for
the process that built it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import IO

from engines import weights
from engines.backends.kept import KeptBuilds
from engines.backends.tensorrt.key import Key
from engines.errors import BuildCancelled
from engines.progress import Progress

_log = logging.getLogger(__name__)

LIMIT = 8 << 30
"""Bytes that are kept at most; those used longest ago are removed first."""

_POLL_S = 0.1


def default_folder() -> Path:
    """`$XDG_CACHE_HOME/visavis/engines`, by default `~/.cache/visavis/engines`."""
    return weights.default_folder().with_name("engines")


class EngineCache:
    """A folder of plans; safe to use from several threads and processes."""

    def __init__(self, folder: Path | None = None, *, limit: int = LIMIT) -> None:
        """`folder`: `default_folder()` unless told; it is made when it is needed."""
        self.folder = folder if folder is not None else default_folder()
        self._kept = KeptBuilds(self.folder, ".engine", "engine", limit=limit)

    def plan(
        self, key: Key, build: Callable[[], bytes], *, name: str, cancelled: Event | None = None
    ) -> bytes:
        """The plan of `key`, from `build` where it is not kept.

        `name`: the network's, to tell people. Raises what `build` raises, and `BuildCancelled`
        where `cancelled` is set while another process builds it.
        """
        plan = self._kept.get(key, name)
        if plan is not None:
            return plan
        with ExitStack() as stack:
            try:
                stack.enter_context(self._locked(key, name, cancelled))
            except OSError as error:
                _log.warning("%s; %s is built for this process only", _cannot(error), name)
                return build()
            plan = self._kept.get(key, name)  # another process was first
            if plan is None:
                plan = build()
                self._kept.sweep(key)
                self._kept.keep(key, plan, name)
        return plan

    def forget(self, key: Key) -> None:
        """Removes the plan of `key`, if one is kept."""
        self._kept.forget(key)

    @contextmanager
    def _locked(self, key: Key, name: str, cancelled: Event | None) -> Iterator[None]:
        """Holds the key's lock, which the system takes from a process that dies."""
        self._kept.make_folder()
        path = self.folder / f"{key.digest}.lock"
        with ExitStack() as stack:
            progress: Progress | None = None
            while (lock := _taken(path)) is None:
                if cancelled and cancelled.is_set():
                    raise BuildCancelled(f"the wait for the engine of {name!r} was cancelled")
                progress = progress or stack.enter_context(
                    Progress(name, doing="waiting for another process that builds it", done="done")
                )
                time.sleep(_POLL_S)
            with lock:
                stack.close()
                try:
                    yield
                finally:
                    with suppress(OSError):
                        path.unlink()


def _taken(path: Path) -> IO[bytes] | None:
    """The lock's open file; `None`: somebody else has it."""
    lock = path.open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who had it before may have removed the name: then others lock another file.
        if os.fstat(lock.fileno()).st_ino == path.stat().st_ino:
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        lock.close()
        raise
    lock.close()
    return None


def _cannot(error: OSError) -> str:
    return f"the folder of engines cannot be written ({error.strerror})"
