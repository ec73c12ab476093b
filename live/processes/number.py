"""Settings and cores go in; how many processes hold the server's calls comes out."""

from __future__ import annotations

import math
import socket

from engines import registry
from live.errors import UnknownPart
from live.load.machine import cores
from live.settings import Settings

_PER_CORE = 0.75
"""A process draws one picture at a time but while a network computes, and its packets take time,
too: more processes than this add none, and each takes memory."""


def number(settings: Settings, on_cores: float | None = None) -> int:
    """At least one; 1: the server's own process holds the calls.

    A renderer that a backend runs is loaded once, unless the operator says otherwise: its network
    is large, and on a GPU each process would hold it again. `on_cores`: that may be used; `None`:
    as many as the system gives.
    """
    if not hasattr(socket, "AF_UNIX"):
        return 1
    sessions = settings.sessions
    if sessions.processes is not None:
        return sessions.processes
    if _has_backend(settings.engines.renderer):
        return 1
    wanted = math.floor(_PER_CORE * (on_cores or cores()) + 0.5)
    return max(1, min(wanted, sessions.places or wanted))


def _has_backend(renderer: str) -> bool:
    try:
        return hasattr(registry.load("renderers", renderer), "from_networks")
    except UnknownPart:  # as is said where it is loaded
        return True
