"""Settings and cores go in; how many processes hold the server's calls comes out."""

from __future__ import annotations

import math
import socket

from live.load.machine import cores
from live.sections import Sessions

_PER_CORE = 0.75
"""A process draws one picture at a time but while a network computes, and its packets take time,
too: more processes than this add none, and each takes memory."""


def number(sessions: Sessions, on_cores: float | None = None) -> int:
    """At least one; 1: the server's own process holds the calls.

    `on_cores`: that may be used; `None`: as many as the system gives.
    """
    if not hasattr(socket, "AF_UNIX"):
        return 1
    if sessions.processes is not None:
        return sessions.processes
    wanted = math.floor(_PER_CORE * (on_cores or cores()) + 0.5)
    return max(1, min(wanted, sessions.places or wanted))
