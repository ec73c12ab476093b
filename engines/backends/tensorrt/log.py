"""TensorRT's messages: they go to our log, and its errors to whoever is listening for them.

TensorRT raises next to nothing: it writes an error and returns `None` or `False`, and where an
option does not suit it, it writes an error and goes on. And it keeps the first logger that it is
given for the whole process, whatever is given later. Hence one logger, `LOG`, and `errors()`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from engines.backends.tensorrt.api import trt

_log = logging.getLogger(__name__)

_MOST_ERRORS = 16
_MOST_CHARACTERS = 600

Severity = trt.ILogger.Severity


class Log(trt.ILogger):
    """May be called from TensorRT's own threads."""

    def __init__(self) -> None:
        """Use `LOG`."""
        trt.ILogger.__init__(self)
        self._lock = Lock()
        self._listening: list[list[str]] = []

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """One message; what is less than a warning is dropped."""
        text = msg[:_MOST_CHARACTERS].strip()
        if severity in (Severity.INTERNAL_ERROR, Severity.ERROR):
            _log.debug("TensorRT: %s", text)  # whoever listens raises it
            with self._lock:
                for errors in self._listening:
                    if len(errors) < _MOST_ERRORS:
                        errors.append(text)
        elif severity == Severity.WARNING:
            _log.warning("TensorRT: %s", text)

    @contextmanager
    def errors(self) -> Iterator[list[str]]:
        """The errors written meanwhile, by any thread."""
        heard: list[str] = []
        with self._lock:
            self._listening.append(heard)
        try:
            yield heard
        finally:
            with self._lock:
                self._listening = [each for each in self._listening if each is not heard]


LOG = Log()
"""The process's only logger: every builder, parser and runtime is given this one."""
