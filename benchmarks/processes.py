"""A process id goes in; its CPU seconds, memory and threads come out, read from Linux' `/proc`."""

from __future__ import annotations

import os
from contextlib import suppress
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
    return _usage(folder, _stat(folder))


def tree_usage(pid: int) -> Usage:
    """The usage of a process and of all that it has started, each page of memory counted once.

    CPU seconds are with those of its children that have ended. Raises `ProcessLookupError` where
    there is no such process.
    """
    found = []
    for each, fields in _tree(pid).items():
        with suppress(OSError):  # it has ended meanwhile
            found.append(_usage(Path(f"/proc/{each}"), fields))
    if not found:
        raise ProcessLookupError(f"there is no process {pid}")
    return Usage(
        cpu_s=tree_cpu_s(pid),
        resident_mb=sum(one.resident_mb for one in found),
        threads=sum(one.threads for one in found),
        handles=sum(one.handles for one in found),
    )


def tree_cpu_s(pid: int) -> float:
    """CPU seconds of a process and of all that it has started, ended or not."""
    return sum(sum(map(int, fields[11:15])) / _TICKS for fields in _tree(pid).values())


def descendants(pid: int) -> list[int]:
    """The ids of all processes that one has started and that still run, the oldest first."""
    return sorted(_tree(pid).keys() - {pid})


def share_priority(pid: int) -> None:
    """Gives the scheduling groups of all that a process has started the priority of its own.

    A browser makes itself a session, and the kernel a scheduling group of that: of two ends of a
    call that was started before all others, one would wait for them. No groups: nothing to do.
    """
    own = priority(pid)
    for each in _tree(pid):
        if own is not None and priority(each) != own:
            with suppress(OSError):  # it has ended, or we may not
                Path(f"/proc/{each}/autogroup").write_text(str(own))


def priority(pid: int) -> int | None:
    """The nice value of a process's scheduling group; `None` where there are no groups."""
    try:
        return int(Path(f"/proc/{pid}/autogroup").read_text().rpartition("nice")[2])
    except (OSError, ValueError):
        return None


def busy_s() -> float:
    """CPU seconds that the whole machine has spent on work since it was started."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _idle, _wait, irq, soft = (int(word) for word in words[1:8])
    return (user + nice + system + irq + soft) / _TICKS


def _usage(folder: Path, fields: list[str]) -> Usage:
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


def _stat(folder: Path) -> list[str]:
    """The fields after the name, which may hold blanks: state, parent, …"""
    return (folder / "stat").read_text().rpartition(")")[2].split()


def _tree(pid: int) -> dict[int, list[str]]:
    """The fields of a process and of its descendants."""
    found: dict[int, list[str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):  # it has ended meanwhile
                found[int(folder.name)] = _stat(folder)
    parents = {each: int(fields[1]) for each, fields in found.items()}
    return {each: fields for each, fields in found.items() if _descends(each, pid, parents)}


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid and pid != ancestor:
        pid = parents.get(pid, 0)
    return pid == ancestor
