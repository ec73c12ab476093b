"""A folder of builds: a key goes in, what was built for it comes out, if it is kept and sound.

A build is a program: whoever can write it decides what runs in our process. So nothing is read but
what belongs to the user or to root and nobody else may write, in a folder of which that is true as
well. The checksum is against damage alone: whoever could write the file could write that, too.

One file for each key, written whole or not at all and checked whenever it is read
(`engines.backends.manifest`). What cannot be kept or read is built anew.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from engines import atomic_file
from engines.backends.manifest import Key, packed, unpacked
from engines.errors import EngineError

_log = logging.getLogger(__name__)

_WRITABLE = stat.S_IWGRP | stat.S_IWOTH
_ROOT = 0
_ABANDONED_S = 3600


class KeptBuilds:
    """Safe to use from several threads and processes."""

    def __init__(self, folder: Path, suffix: str, what: str, *, limit: int) -> None:
        """`what` the builds are called in the log; `limit`: bytes, beyond which old ones go."""
        self.folder = folder
        self._suffix = suffix
        self._what = what
        self._limit = limit

    def get(self, key: Key, name: str) -> bytes | None:
        """The build of `key`; `None`: it is not kept, or not as it should be.

        `name`: the build's, to tell people.
        """
        path = self._file(key)
        try:
            build = self._read(path, key)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("the kept %s of %s cannot be read (%s)", self._what, name, error.strerror)
            return None
        if isinstance(build, str):
            _log.warning(
                "the kept %s of %s is not used: %s; it is built anew", self._what, name, build
            )
            return None
        with suppress(OSError):  # of a folder that can only be read
            os.utime(path)
        return build

    def keep(self, key: Key, build: bytes, name: str) -> None:
        """Keeps it for the next process; where that cannot be, the log says why."""
        path = self._file(key)
        try:
            self.make_folder()
            atomic_file.write(path, packed(key, build), private=True)
        except (OSError, EngineError) as error:
            _log.warning("the %s of %s is not kept for the next time: %s", self._what, name, error)
            return
        self._make_room(path)

    def sweep(self, key: Key) -> None:
        """Removes what a writer of `key` left who died; for whoever knows that nobody writes it."""
        self._remove(self.folder.glob(f".{self._file(key).name}.*"))

    def forget(self, key: Key) -> None:
        """Removes the build of `key`, if one is kept."""
        self._remove([self._file(key)])

    def make_folder(self) -> None:
        """Makes it for this user alone, if it is not there; raises `OSError`."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _file(self, key: Key) -> Path:
        return self.folder / f"{key.digest}{self._suffix}"

    def _read(self, path: Path, key: Key) -> bytes | str:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            for found in (os.fstat(descriptor), self.folder.stat()):
                if found.st_uid not in (_ROOT, os.geteuid()) or found.st_mode & _WRITABLE:
                    return "others than this user may write it"
            return unpacked(file, key)

    def _make_room(self, newest: Path) -> None:
        """Removes what was used longest ago, as far as the limit asks for it, and what was left."""
        for part in self.folder.glob(f".*{self._suffix}.*"):
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > _ABANDONED_S:
                    part.unlink()
        found = []
        for path in self.folder.glob(f"*{self._suffix}"):
            with suppress(OSError):  # another process removed it meanwhile
                state = path.stat()
                found.append((path == newest, state.st_mtime_ns, state.st_size, path))
        total = 0
        for is_newest, _, size, path in sorted(found, reverse=True):
            total += size
            if total > self._limit and not is_newest:
                self._remove([path])

    def _remove(self, paths: Iterable[Path]) -> None:
        for path in paths:
            with suppress(OSError):
                path.unlink()
