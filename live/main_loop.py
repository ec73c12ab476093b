"""A coroutine goes in; the process serves it until it is over, and ends in good order."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any

from live import memory

_SWITCH_S = 0.0005
"""A worker thread gives Python's lock back after so long instead of ten times that, so that the
event loop, which has little to do but often, is not kept waiting by it."""


def run(main: Coroutine[Any, Any, None]) -> None:
    """Runs it in this thread, and ends the process where a thread of ours still loads a network.

    By then everything is closed. Python itself would end such a thread in the middle of native
    code, and the process would be aborted for it.
    """
    sys.setswitchinterval(_SWITCH_S)
    memory.settle()
    asyncio.run(main)
    if any(one.daemon for one in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)
