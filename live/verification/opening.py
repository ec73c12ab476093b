"""A name in, an open regular file out: nothing that blocks, grows or answers back."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from live.errors import NotFound, Unprocessable

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def shown(file: Path) -> str:
    """The name for people: a terminal acts upon nothing in it."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(file))


@contextmanager
def opened(file: Path) -> Iterator[int]:
    """The descriptor of a regular file; links are followed.

    Raises `NotFound`, or `Unprocessable` for anything else that has a name.
    """
    try:
        # Without O_NONBLOCK a pipe that nobody writes to would wait for ever.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{shown(file)}: there is no such file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "this name cannot be"
        raise Unprocessable(f"{shown(file)}: cannot be opened: {reason}") from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = next((words for is_one, words in _KINDS if is_one(mode)), "no file")
            raise Unprocessable(f"{shown(file)}: this is {kind}; give the name of a file")
        yield descriptor
    finally:
        os.close(descriptor)
