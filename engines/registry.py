"""The parts that are installed: a group and a name go in, a part's factory comes out.

Our own parts register through the same entry points as a stranger's (`visavis.trackers`,
`visavis.drivers`, `visavis.renderers`, `visavis.voices`, `visavis.backends`). What each group's
factory takes:

* tracker: `factory(weights: Weights) -> Tracker`
* driver: `factory() -> Driver`
* renderer: `factory() -> Renderer`
  (a driver or renderer that runs networks has `from_networks(source: NetworkSource)` beside, and is
  made by that where the operator's folder and backend are known)
* voice: `factory(options: Mapping[str, str]) -> Voice`; the options are its own, from the settings
* backend: itself a `Backend`, called with `(spec, *, threads=1)`
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from engines.errors import SpaceMismatch, UnknownPart
from engines.types import Driver, Renderer, Tracker, Translating, Voice, Weights

GROUPS = ("trackers", "drivers", "renderers", "voices", "backends")


def names(group: str) -> list[str]:
    """The names registered in a group, sorted."""
    return sorted(point.name for point in entry_points(group=f"visavis.{group}"))


def load(group: str, name: str) -> Any:
    """The factory registered as `name`; raises `UnknownPart`."""
    for point in entry_points(group=f"visavis.{group}", name=name):
        try:
            return point.load()
        except ImportError as error:
            raise UnknownPart(
                f"the {group[:-1]} {name!r} is installed but its packages are not ({error.name});"
                f" install them, for our own by `pip install 'visavis[{name}]'`"
            ) from error
        except AttributeError as error:
            raise UnknownPart(
                f"the {group[:-1]} {name!r} is registered as {point.value!r}, where nothing of that"
                " name is; correct its package's entry point"
            ) from error
    known = ", ".join(names(group)) or "none"
    raise UnknownPart(f"no {group[:-1]} is called {name!r}; installed are: {known}")


def tracker(name: str, weights: Weights) -> Tracker:
    """A new tracker for one session."""
    part: Tracker = load("trackers", name)(weights)
    return part


def driver(name: str, source: object | None = None) -> Driver:
    """A new driver for one session; `source`: a `NetworkSource`, for one that runs networks."""
    part: Driver = _made(load("drivers", name), source)
    return part


def renderer(name: str, source: object | None = None) -> Renderer:
    """A renderer; `source`: a `NetworkSource`, for one that runs networks."""
    part: Renderer = _made(load("renderers", name), source)
    return part


def _made(factory: Any, source: object | None) -> Any:
    from_networks = getattr(factory, "from_networks", None)
    return factory() if source is None or from_networks is None else from_networks(source)


def voice(name: str, options: Mapping[str, str] | None = None) -> Voice:
    """A voice for the whole process; may raise `VoiceUnavailable` too."""
    part: Voice = load("voices", name)(options or {})
    return part


def understands(renderer: Renderer, driver: Driver) -> bool:
    """Whether a renderer draws the motions of a driver."""
    also = renderer.also if isinstance(renderer, Translating) else ()
    return driver.space in (renderer.space, *also)


def check_spaces(driver: Driver, renderer: Renderer) -> None:
    """Raises `SpaceMismatch` where the two cannot understand each other."""
    if not understands(renderer, driver):
        raise SpaceMismatch(
            f"the driver speaks {driver.space}, the renderer {renderer.name!r} {renderer.space};"
            " choose two of one space"
        )
