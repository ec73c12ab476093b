"""The machine: Python, processors, memory, NVIDIA GPU."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from engines.backends.tensorrt import driver
from engines.backends.tensorrt.missing import Missing
from live import cgroup
from live.examination.finding import Finding

_GIB = 1 << 30
_LEAST_MEMORY = _GIB
"""A call takes some 200 MB, the server before any call 150."""

_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
"""What the networks' runtimes make use of, slowest first."""


def examine(root: Path = Path("/")) -> Iterator[Finding]:
    """`root`: where `/proc` and `/sys` are."""
    yield Finding("Python", True, f"{sys.version.split()[0]}, {platform.machine()}")
    yield _processors(root)
    yield _features(root)
    yield _memory(root)
    yield _gpu()


def _processors(root: Path) -> Finding:
    here, ours = os.cpu_count() or 1, len(os.sched_getaffinity(0))
    limit = cgroup.processors(root)
    found = f"{here}" + (f", of which {ours} may be used" if ours < here else "")
    if limit is None:
        return Finding("processors", True, found)
    found += f", limited to the time of {limit:g}"
    if limit < 1:
        mend = "give the container one processor at least (docker run --cpus)"
        return Finding("processors", False, found, mend)
    return Finding("processors", True, found)


def _features(root: Path) -> Finding:
    what = "processor features"
    if platform.machine() not in ("x86_64", "AMD64"):
        return Finding(what, True, f"those of {platform.machine()}")
    flags = _flags(root)
    found = [feature for feature in _FEATURES if feature in flags]
    if "avx2" not in flags:
        mend = "networks run several times slower without: take a processor from 2014 or later, or"
        return Finding(what, False, "no avx2", f"{mend} have the virtual machine show the host's")
    return Finding(what, True, " ".join(found))


def _flags(root: Path) -> set[str]:
    try:
        lines = (root / "proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def _memory(root: Path) -> Finding:
    total, available = _meminfo(root)
    found = f"{total / _GIB:.1f} GiB, {available / _GIB:.1f} available"
    limit = cgroup.memory(root)
    if limit is not None and limit.most < total:
        found += f"; limited to {limit.most / _GIB:.1f}, of which {limit.used / _GIB:.1f} are used"
        available = min(available, limit.most - limit.used)
    if available < _LEAST_MEMORY:
        mend = "end other programs, or give the container more memory (docker run --memory)"
        return Finding("memory", False, found, mend)
    return Finding("memory", True, found)


def _meminfo(root: Path) -> tuple[int, int]:
    """Bytes in all, and to be had without swapping."""
    sizes = {}
    for line in (root / "proc/meminfo").read_text("utf-8").splitlines():
        name, _, size = line.partition(":")
        sizes[name] = int(size.split()[0]) * 1024
    return sizes["MemTotal"], sizes["MemAvailable"]


def _gpu() -> Finding:
    try:
        device = driver.probe()
    except Missing as error:
        return Finding("GPU", True, f"not needed, and {error.trouble}", error.mend)
    major, minor = device.capability
    return Finding(
        "GPU",
        True,
        f"{device.name}, compute capability {major}.{minor}, {device.memory / _GIB:.1f} GiB,"
        f" driver {device.driver}",
    )
