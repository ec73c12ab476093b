"""Settings go in, parts of the engines come out: which tracker, driver and renderer are used."""

from __future__ import annotations

from engines import portraits, registry
from engines.network_source import NetworkSource
from engines.types import Portrait, Tracker, Weights
from live.renderers import DRIVER, Renderers
from live.sections import Engines, Models
from live.workshop import Workshop

TRACKER = "litert"


def tracker(weights: Weights) -> Tracker:
    """A new tracker."""
    return registry.tracker(TRACKER, weights)


def renderers(engines: Engines, models: Models) -> Renderers:
    """The process's renderers, as the operator has settled."""
    source = NetworkSource(models.folder, engines.backend, engines.threads)
    return Renderers(engines.renderer, source)


def workshop(weights: Weights, renderers: Renderers) -> Workshop:
    """What makes avatars, loaded, and what the first call needs.

    Raises `ModelUnavailable`, `UnknownPart`, `BackendUnavailable`.
    """
    of_portraits = tracker(weights)
    renderers.driver(
        DRIVER, renderers.name
    )  # loads the networks that the drivers of all calls share

    def read(image: bytes) -> Portrait:
        return portraits.read(image, of_portraits, weights)

    return Workshop(of_portraits, renderers.get(renderers.name), read, others=renderers.get)
