"""The networks of a portrait set, opened once for the process: renderer and drivers share them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from threading import RLock
from typing import Protocol

from engines import implicit_map
from engines.backends.choice import Chosen
from engines.errors import ModelUnavailable
from engines.implicit_map import ImplicitMap
from engines.network_source import NetworkSource
from engines.portrait_models import FOLDER, PortraitModels
from engines.types import ModelSpec, Network

_HALVES = ("tensorrt",)
"""Backends that halves serve better: on processors they are no faster, and less exact."""


class Opener(Protocol):
    """What loads networks: a `NetworkSource`."""

    def open(self, spec: ModelSpec, instead: Mapping[str, ModelSpec] | None = None) -> Chosen:
        """A network of `spec`, or of what some backends are served better by."""


class PortraitNetworks:
    """Opens each network when it is first asked for; safe to use from several threads."""

    def __init__(self, models: PortraitModels, source: Opener) -> None:
        """Nothing is loaded yet."""
        self.models = models
        self._source = source
        self._networks: dict[str, Network] = {}
        self._backends: dict[str, str] = {}
        self._lock = RLock()

    def open(self, artefact: str) -> Network:
        """The network; raises `ModelUnavailable`, `BackendUnavailable`, `EngineError`."""
        with self._lock:
            if artefact not in self._networks:
                spec, instead = self._files(artefact)
                chosen = self._source.open(spec, instead)
                self._networks[artefact] = chosen.network
                self._backends[artefact] = chosen.backend
            return self._networks[artefact]

    def backend(self, artefact: str) -> str:
        """What runs an open network; empty: it is not open."""
        return self._backends.get(artefact, "")

    def map(self) -> ImplicitMap:
        """How `mesh478` motions drive this set; raises `ModelUnavailable`."""
        fitted = implicit_map.read(self.models.folder, self.models.spec("motion").sha256)
        if fitted.keypoints != self.models.keypoints:
            raise ModelUnavailable(
                f"the map in {self.models.folder} is for {fitted.keypoints} keypoints, not"
                f" {self.models.keypoints}; fit it by `visavis models fit portrait`"
            )
        return fitted

    def close(self) -> None:
        """Frees the networks; what was bound to them has to be closed before."""
        with self._lock:
            for network in self._networks.values():
                network.close()
            self._networks.clear()

    def _files(self, artefact: str) -> tuple[ModelSpec, dict[str, ModelSpec]]:
        """What to open, and what else for some backends."""
        precisions = self.models.precisions(artefact)
        exact = self.models.spec(artefact, precisions[0] if "fp32" not in precisions else "fp32")
        if "fp16" not in precisions:
            return exact, {}
        half = self.models.spec(artefact, "fp16")
        return exact, dict.fromkeys(_HALVES, half)


@cache
def portrait_networks(source: NetworkSource) -> PortraitNetworks:
    """The user's own set; raises `ModelUnavailable`, which says how to come by one."""
    folder = source.folder / FOLDER
    if not folder.is_dir():
        raise ModelUnavailable(
            f"there are no networks of a neural portrait in {folder}; make them of weights of your"
            " own by `visavis models export portrait --checkpoint DIR`"
        )
    return PortraitNetworks(PortraitModels(folder), source)
