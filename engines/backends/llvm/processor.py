"""Which processor this is, and what it can do.

The system is asked first: to ask LLVM, it has to be loaded, which code that is kept does without.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

_TOLD = Path("/proc/cpuinfo")
_KIND = ("vendor_id", "cpu family", "model", "stepping")
_FEATURES = "flags"


class Processor(NamedTuple):
    """What code for one processor depends on."""

    machine: str
    """As `platform.machine` names it."""
    kind: str
    features: frozenset[str]
    """Named as LLVM names them, as far as the layout of code asks for them."""


@cache
def processor() -> Processor:
    """The one at hand. Raises `ImportError` where only LLVM could tell and is not there."""
    try:
        with _TOLD.open(encoding="ascii", errors="replace") as lines:
            found = told(lines)
    except OSError:
        found = None
    return found or _asked()


def told(lines: Iterable[str]) -> Processor | None:
    """The first one of `/proc/cpuinfo`; `None`: it does not say all that is needed."""
    facts: dict[str, str] = {}
    for line in lines:
        name, parted, value = line.partition(":")
        if not parted:
            break
        facts[name.strip()] = value.strip()
    if not {*_KIND, _FEATURES} <= {*facts}:
        return None
    kind = " ".join(facts[name] for name in _KIND)
    return Processor(platform.machine(), kind, frozenset(facts[_FEATURES].split()))


def _asked() -> Processor:
    import llvmlite.binding as llvm  # noqa: PLC0415  slow, and not needed on most machines

    has = llvm.get_host_cpu_features()
    features = frozenset(name for name, there in has.items() if there)
    return Processor(platform.machine(), str(llvm.get_host_cpu_name()), features)
