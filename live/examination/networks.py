"""What runs the networks: every backend's own word, and which of them would be chosen."""

from __future__ import annotations

from collections.abc import Iterator

from engines import registry
from engines.backends import choice
from engines.errors import UnknownPart
from live.examination.finding import Finding
from live.sections import Engines

_ALWAYS = ("litert", "onnxruntime")
"""What the tracker and the driver that listens run on."""


def examine(engines: Engines) -> Iterator[Finding]:
    """Looks at each backend that is installed; loads no network."""
    installed = registry.names("backends")
    for name in installed:
        yield _backend(name, needed=name in (*_ALWAYS, engines.backend))
    yield _choice(engines.backend, installed)


def _backend(name: str, *, needed: bool) -> Finding:
    what = f"backend {name}"
    try:
        found = choice.find(name).examine()
    except UnknownPart as error:
        return Finding(what, not needed, "not to be imported", str(error))
    if found.usable:
        return Finding(what, True, f"{found.version}, on {found.device}")
    version = f"{found.version}; " if found.version else ""
    return Finding(what, not needed, f"{version}{found.trouble}", found.mend)


def _choice(backend: str, installed: list[str]) -> Finding:
    what = f"portraits run on ({backend})"
    if backend not in (choice.AUTO, *installed):
        mend = f"set engines.backend to one of: {', '.join((choice.AUTO, *installed))}"
        return Finding(what, False, f"no backend is called {backend!r}", mend)
    found = choice.foresee(backend=backend)
    passed_over = "; ".join(
        f"{each.backend} passed over: {each.reason}" for each in found.passed_over
    )
    if not found.backend:
        return Finding(what, False, passed_over or "none", _mends(found))
    return Finding(what, True, "; ".join(filter(None, (found.backend, passed_over))))


def _mends(found: choice.Foreseen) -> str:
    mends = "; ".join(each.mend for each in found.passed_over if each.mend)
    return mends or "pip install --force-reinstall visavis"
