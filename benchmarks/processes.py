"""A process id goes in; its CPU seconds, memory and threads come out, read from Linux' `/proc`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process holds and has used so far."""

    cpu_s: float
    """User and system time of all its threads."""
    resident_mb: float
    """Resident memory; pages it shares with others are divided among them (PSS)."""
    threads: int
    handles: int


def usage(pid: int) -> Usage:
    """The usage of one process, without its children."""
    folder = Path(f"/proc/{pid}")
    fields = _stat(folder)
    proportional = next(
        line
        for line in (folder / "smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    )
    return Usage(
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS,
        resident_mb=int(proportional.split()[1]) / 1024,
        threads=int(fields[17]),
        handles=len(list((folder / "fd").iterdir())),
    )


def tree_cpu_s(pid: int) -> float:
    """CPU seconds of a process and of all that it has started and that still run."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = _stat(folder)
            except OSError:  # it has ended meanwhile
                continue
            parents[int(folder.name)] = int(fields[1])
            seconds[int(folder.name)] = (int(fields[11]) + int(fields[12])) / _TICKS
    return sum(used for each, used in seconds.items() if _descends(each, pid, parents))


def busy_s() -> float:
    """CPU seconds that the whole machine has spent on work since it was started."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _idle, _wait, irq, soft = (int(word) for word in words[1:8])
    return (user + nice + system + irq + soft) / _TICKS


def _stat(folder: Path) -> list[str]:
    """The fields after the name, which may hold blanks: state, parent, …"""
    return (folder / "stat").read_text().rpartition(")")[2].split()


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid and pid != ancestor:
        pid = parents.get(pid, 0)
    return pid == ancestor
