"""Names go in, parts of the engines come out: which tracker, driver and renderer Visavis uses."""

from __future__ import annotations

from functools import cache

from engines import portraits, registry
from engines.types import Driver, Portrait, Renderer, Tracker, Weights
from live.workshop import Workshop

TRACKER = "litert"
RENDERER = "warp"
DRIVER = "auto"


def tracker(weights: Weights) -> Tracker:
    """A new tracker."""
    return registry.tracker(TRACKER, weights)


def driver(name: str) -> Driver:
    """A new driver; raises `UnknownPart`."""
    return registry.driver(name)


@cache
def renderer() -> Renderer:
    """The process's renderer: it has no state of a session."""
    return registry.renderer(RENDERER)


def workshop(weights: Weights) -> Workshop:
    """What makes avatars, loaded, and what the first call needs; raises `ModelUnavailable`."""
    of_portraits = tracker(weights)
    driver(DRIVER)  # loads the network that the drivers of all calls share

    def read(image: bytes) -> Portrait:
        return portraits.read(image, of_portraits, weights)

    return Workshop(of_portraits, renderer(), read)
