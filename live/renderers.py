"""Names go in, the process's renderers come out: the one that was chosen, and its reserve."""

from __future__ import annotations

import logging
import threading

from engines import registry
from engines.network_source import NetworkSource
from engines.types import Driver, Renderer, Space

logger = logging.getLogger(__name__)

RESERVE = "warp"
"""Needs no network and no device."""
DRIVER = "auto"
"""Camera or voice, whichever is better founded; in the renderer's own space."""
_AUTO = {Space.MESH478: "auto", Space.IMPLICIT21: "implicit"}


class Renderers:
    """One renderer of each name serves all calls; safe to use from several threads."""

    def __init__(self, chosen: str, source: NetworkSource | None = None) -> None:
        """Nothing is loaded yet."""
        self._chosen = chosen
        self._source = source or NetworkSource()
        self._made: dict[str, Renderer] = {}
        self._lost = False
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """What new calls are drawn by."""
        return RESERVE if self._lost else self._chosen

    def get(self, name: str) -> Renderer:
        """The renderer of a name.

        Raises `UnknownPart`, `ModelUnavailable`, `BackendUnavailable`, `EngineError`.
        """
        with self._lock:
            if name not in self._made:
                self._made[name] = registry.renderer(name, self._source)
            return self._made[name]

    def driver(self, name: str, renderer: str) -> Driver:
        """A new driver for a renderer; raises as `get`."""
        if name == DRIVER:
            name = _AUTO.get(self.get(renderer).space, DRIVER)
        return registry.driver(name, self._source)

    def lose(self) -> None:
        """The device of the chosen one went away: new calls are drawn by the reserve."""
        if self.name != RESERVE:
            self._lost = True
            logger.error(
                "the renderer %s has lost its device; new calls are drawn by %s until the server is"
                " started again",
                self._chosen,
                RESERVE,
            )
