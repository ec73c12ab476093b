"""LLVM assembly goes in, machine code for this processor comes out.

What was made is kept in the user's cache, for LLVM takes most of a second for a network, and 60 MB.
The key is the assembly itself, whatever wrote it and from whatever file, and all else that LLVM's
answer depends on; so what is kept cannot be out of date. Without a cache, LLVM does it every time.
"""

from __future__ import annotations

import ctypes
import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from engines import weights
from engines.backends import manifest
from engines.backends.kept import KeptBuilds
from engines.backends.llvm.executable import Executable
from engines.backends.llvm.host import Host, host
from engines.backends.llvm.linking import Image, linked
from engines.backends.llvm.processor import processor
from engines.errors import UnsupportedNetwork

LEVEL = 1
"""Of LLVM's optimisation: the assembly is as it should be, higher ones take longer for nothing."""
LIMIT = 16 << 20
"""Bytes that are kept at most: of some fifty versions."""

Run = Callable[[int, int, int, int], None]
"""The function's four pointers; lets go of the GIL while it runs."""

_ENTRY = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Key(manifest.Key):
    """All that decides what machine code is."""

    format = "visavis machine code 1"

    assembly: str
    """Its SHA-256."""
    entry: str
    level: int
    llvmlite: str
    machine: str
    processor: str
    features: tuple[str, ...]


class Code:
    """A function's machine code, which lives as long as this."""

    def __init__(self, assembly: str, entry: str) -> None:
        """`entry`: the function's name.

        Raises `EngineError` where LLVM refuses the assembly, `ImportError` where llvmlite is not
        installed.
        """
        self._memory, address = _loaded(assembly, entry)
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)
        self.run: Run = kind(address)


def here() -> Host:
    """This processor; raises `UnsupportedNetwork` where it is too simple."""
    found = processor()
    return host(found.machine, dict.fromkeys(found.features, True))


def kept() -> KeptBuilds:
    """`$XDG_CACHE_HOME/visavis/code`, by default `~/.cache/visavis/code`."""
    folder = weights.default_folder().with_name("code")
    return KeptBuilds(folder, ".code", "machine code", limit=LIMIT)


def _loaded(assembly: str, entry: str) -> tuple[object, int]:
    """What has to live as long as the function, and its address."""
    builds, key = kept(), _key(assembly, entry)
    found = builds.get(key, entry)
    if found is not None:
        image = Image(found[_ENTRY.size :], *_ENTRY.unpack_from(found))
    else:
        from engines.backends.llvm import compiling  # noqa: PLC0415  loads LLVM

        try:
            image = linked(compiling.compiled(assembly), entry)
        except UnsupportedNetwork:
            loaded = compiling.Loaded(assembly, entry)
            return loaded, loaded.address
        builds.keep(key, _ENTRY.pack(image.entry) + image.content, entry)
    memory = Executable(image.content)
    return memory, memory.address + image.entry


def _key(assembly: str, entry: str) -> Key:
    found = processor()
    return Key(
        assembly=hashlib.sha256(assembly.encode()).hexdigest(),
        entry=entry,
        level=LEVEL,
        llvmlite=version("llvmlite"),
        machine=found.machine,
        processor=found.kind,
        features=tuple(sorted(found.features)),
    )
