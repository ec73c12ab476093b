"""A network's file and a backend's name go in, the network comes out, and why it runs there.

`auto` takes the first of `ORDER` that works; each one passed over is told with its reason, in the
log and to whoever asks. Backends of other packages take part where they are named.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from engines import registry
from engines.errors import BackendUnavailable, EngineError, UnknownPart
from engines.types import Backend, ModelSpec, Network

AUTO = "auto"

ORDER = ("tensorrt", "openvino", "onnxruntime")
"""Fastest first: `visavis bench rooms` has the figures, docs/engines.md what follows from them."""

Find = Callable[[str], Backend]
"""The backend registered under a name; raises `UnknownPart`."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A backend that does not run the network."""

    backend: str
    reason: str
    mend: str = ""
    """What to do about it; empty: it is part of the reason, or there is nothing to do."""

    def __str__(self) -> str:
        """One line."""
        return f"{self.backend}: {self.reason}" + (f"; {self.mend}" if self.mend else "")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A loaded network, and what loaded it."""

    network: Network
    backend: str
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What `choose` would try first on this machine; nothing is loaded to find out."""

    backend: str
    """Empty: nothing is usable."""
    passed_over: tuple[PassedOver, ...] = ()


def find(name: str) -> Backend:
    """The backend registered under a name; raises `UnknownPart`."""
    backend: Backend = registry.load("backends", name)
    return backend


def choose(
    spec: ModelSpec,
    *,
    backend: str = AUTO,
    threads: int = 1,
    without: Collection[str] = (),
    instead: Mapping[str, ModelSpec] | None = None,
    find: Find = find,
) -> Chosen:
    """Loads a network by the backend that is named, or by the first that can.

    `without`: backends that failed while they ran (`DeviceLost`) and are not to be tried again.
    `instead`: files of the same network for backends that are served better by another than `spec`,
    by backend. A named backend is the only one that is tried, and what it raises is raised here.
    Raises `UnknownPart` for a name that is not installed, `BackendUnavailable` where no backend is
    usable, `EngineError` where those that are cannot load the network.
    """
    files = instead or {}
    if backend != AUTO:
        found = _usable(backend, without, find)
        if isinstance(found, PassedOver):
            raise BackendUnavailable(
                f"the backend {found}; or set engines.backend to another, or to {AUTO!r}"
            )
        chosen = Chosen(found(files.get(backend, spec), threads=threads), backend)
    else:
        chosen = _first(spec, files, threads, without, find)
    _log.info("%s", described(spec.name, chosen.backend, chosen.passed_over))
    return chosen


def foresee(*, backend: str = AUTO, without: Collection[str] = (), find: Find = find) -> Foreseen:
    """Which backend `choose` would try first, by what each says of itself.

    It may still be passed over for a network that it cannot load. Raises `UnknownPart` for a
    backend that is named and not installed.
    """
    passed_over: list[PassedOver] = []
    for name in ORDER if backend == AUTO else (backend,):
        found = _installed(name, without, find) if backend == AUTO else _usable(name, without, find)
        if not isinstance(found, PassedOver):
            return Foreseen(name, tuple(passed_over))
        passed_over.append(found)
    return Foreseen("", tuple(passed_over))


def described(network: str, backend: str, passed_over: Sequence[PassedOver]) -> str:
    """One line: what runs the network, and why others do not."""
    others = f"; passed over: {_joined(passed_over)}" if passed_over else ""
    return f"the network {network} runs on {backend}{others}"


def _first(
    spec: ModelSpec,
    files: Mapping[str, ModelSpec],
    threads: int,
    without: Collection[str],
    find: Find,
) -> Chosen:
    passed_over: list[PassedOver] = []
    usable = False
    for name in ORDER:
        found = _installed(name, without, find)
        if isinstance(found, PassedOver):
            passed_over.append(found)
            continue
        usable = True
        try:
            network = found(files.get(name, spec), threads=threads)
        except EngineError as error:
            passed_over.append(PassedOver(name, str(error)))
        else:
            return Chosen(network, name, tuple(passed_over))
    kind = EngineError if usable else BackendUnavailable
    raise kind(f"nothing here runs the network {spec.name!r}: {_joined(passed_over)}")


def _installed(name: str, without: Collection[str], find: Find) -> Backend | PassedOver:
    """As `_usable`, but a name that is not installed is passed over too."""
    try:
        return _usable(name, without, find)
    except UnknownPart as error:
        return PassedOver(name, str(error))


def _usable(name: str, without: Collection[str], find: Find) -> Backend | PassedOver:
    backend = find(name)
    if name in without:
        return PassedOver(name, "it failed while it ran", "restart to have it tried again")
    examined = backend.examine()
    return backend if examined.usable else PassedOver(name, examined.trouble, examined.mend)


def _joined(passed_over: Sequence[PassedOver]) -> str:
    return " | ".join(map(str, passed_over))
