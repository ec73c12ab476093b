"""What a container leaves of the machine: limits of processor time and memory, versions 1 and 2.

A process is in a group; groups are nested, and each of them may have a limit. Inside a container
the root of what is mounted is the container's own group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NONE = 1 << 60
"""Version 1 writes a number beyond any memory where there is no limit."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes."""

    most: int
    used: int


def processors(root: Path) -> float | None:
    """How many processors' time the process may use; `None`: all of them."""
    limits = [
        int(quota) / int(period)
        for group in _groups(root, "cpu")
        for quota, period in (_quota(group),)
        if quota.isdigit() and period.isdigit() and int(period) > 0
    ]
    return min(limits, default=None)


def memory(root: Path) -> Memory | None:
    """The tightest limit; `None`: there is none."""
    found = [
        Memory(int(most), int(used) if used.isdigit() else 0)
        for group in _groups(root, "memory")
        for most, used in (
            (_read(group / "memory.max"), _read(group / "memory.current")),
            (_read(group / "memory.limit_in_bytes"), _read(group / "memory.usage_in_bytes")),
        )
        if most.isdigit() and int(most) < _NONE
    ]
    return min(found, key=lambda limit: limit.most - limit.used, default=None)


def _quota(group: Path) -> tuple[str, str]:
    """Microseconds of processor time, in how many microseconds."""
    words = _read(group / "cpu.max").split()
    if len(words) == 2:
        return words[0], words[1]
    return _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of the process's groups, innermost first."""
    mounted = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        base = mounted / controller if controllers else mounted
        own = base / path.lstrip("/")
        yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(base))


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError:
        return ""
