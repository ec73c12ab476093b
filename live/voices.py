"""Names go in, the process's voices come out, each opened once, when it is first asked for."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from engines import registry
from engines.errors import EngineError
from engines.types import Voice
from live.one_thread import OneThread

_log = logging.getLogger(__name__)


class Voices:
    """Every voice that is installed. Thread-safe; opening one may take a moment."""

    def __init__(self, options: Mapping[str, Mapping[str, str]], default: str) -> None:
        """`options`: by the voice's name; `default`: the one that speaks unless told."""
        self._options = options
        self._default = default
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._open: dict[str, Voice] = {}
        self._warming = OneThread("voice-warm-up")

    def warm(self) -> None:
        """Lets the default voice load what it needs, beside the caller; no call then waits for it.

        A service is left alone: it would want to be paid.
        """
        if not self._options.get(self._default):
            self._warming.submit(self._warm)

    def open(self, name: str) -> Voice:
        """The voice of this name; raises `UnknownPart`, `VoiceUnavailable`."""
        if name not in registry.names("voices"):
            registry.load("voices", name)  # says which there are
        with self._locks[name]:  # one that is slow to begin holds up no other
            if name not in self._open:
                self._open[name] = registry.voice(name, self._options.get(name))
            return self._open[name]

    def catalogue(self) -> dict[str, Any]:
        """All voices, with their languages, or what is missing for them to speak."""
        found = [self._described(name) for name in registry.names("voices")]
        return {"voices": found, "default": self._default}

    def close(self) -> None:
        """Frees what the voices hold."""
        self._warming.close()
        while self._open:
            self._open.popitem()[1].close()

    def _warm(self) -> None:
        try:
            speech = self.open(self._default).speak("1")
            next(speech, None)
            speech.close()
        except EngineError as error:
            _log.warning("the default voice cannot speak: %s", error)

    def _described(self, name: str) -> dict[str, Any]:
        try:
            languages = list(self.open(name).languages)
        except EngineError as error:
            return {"name": name, "available": False, "languages": [], "missing": str(error)}
        return {"name": name, "available": True, "languages": languages}
