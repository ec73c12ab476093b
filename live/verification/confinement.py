"""Takes from this process what looking at a file does not need: memory, time, files, sockets.

For a process that decodes what a stranger has made. It is no sandbox against a decoder that is
made to run foreign code, which could still read what the user can read; but what it learns can
leave neither by a socket nor by a file.
"""

from __future__ import annotations

import ctypes
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

from engines.errors import EngineError
from engines.trackers.no_sockets import deny_sockets

_PR_SET_PDEATHSIG = 1
_FILES = 64


def end_with_parent() -> None:
    """The process is killed when the one that started it ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def confine(memory: int, cpu_s: int) -> None:
    """From here on: `memory` bytes of addresses more than now, `cpu_s` of processor time in all.

    No file is written, no core dumped, no socket opened. Beyond that an allocation fails, or the
    process is killed.
    """
    with suppress(EngineError):  # another system: nothing here opens one in any case
        deny_sockets()
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, _in_use() + memory),
    ):
        hard = resource.getrlimit(kind)[1]
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        # At the soft limit of CPU time comes a signal that says so; at the hard one, none.
        last = hard if kind == resource.RLIMIT_CPU else most
        resource.setrlimit(kind, (most, last))


def _in_use() -> int:
    """Bytes of addresses that the process has."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return 1 << 30
    return pages * resource.getpagesize()
