"""Figures go in, a record of where and when they were measured comes out, as JSON.

A figure without the machine, the versions, the commit and the load it was measured under says
little, so no benchmark writes one without.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.processes import busy_s, priority, tree_cpu_s

SCHEMA = 2
"""Of a record: counted up where an older report would misread it. 1 had no such field."""

_PACKAGES = (
    "visavis",
    "aiortc",
    "av",
    "aiohttp",
    "numpy",
    "opencv-python-headless",
    "ai-edge-litert",
    "onnxruntime",
    "openvino",
    "torch",
    "hibari-tts",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that every benchmark has."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here too")
    parser.add_argument("--quick", action="store_true", help="a minute at most; coarser figures")


class Recorder:
    """Notes the state of the machine when a benchmark begins and when it ends."""

    def __init__(self, name: str, args: argparse.Namespace) -> None:
        """Begins."""
        self._name = name
        self._arguments = {
            key: _plain(value)
            for key, value in sorted(vars(args).items())
            if not callable(value) and key not in ("json", "name")
        }
        self._began_s = time.monotonic()
        self._at = datetime.now(UTC).isoformat(timespec="seconds")
        self._load = os.getloadavg()
        self._busy_s, self._own_s = busy_s(), tree_cpu_s(os.getpid())
        self._gone_s = 0.0

    def ended(self, cpu_s: float) -> None:
        """Counts a process that the benchmark started and that has gone as its own."""
        self._gone_s += cpu_s

    def finish(self, figures: Mapping[str, Any]) -> dict[str, Any]:
        """The whole record."""
        took_s = time.monotonic() - self._began_s
        own_s = tree_cpu_s(os.getpid()) + self._gone_s - self._own_s
        others_s = busy_s() - self._busy_s - own_s
        return {
            "schema": SCHEMA,
            "benchmark": self._name,
            "at": self._at,
            "took_s": round(took_s, 1),
            "machine": machine(),
            "versions": versions(),
            "commit": commit(),
            "load": {
                "before": [round(each, 2) for each in self._load],
                "after": [round(each, 2) for each in os.getloadavg()],
                "others_cpu_percent": round(100 * max(0.0, others_s) / took_s),
                "priority": priority(os.getpid()),
            },
            "arguments": self._arguments,
            "figures": dict(figures),
        }


def _plain(value: object) -> object:
    """Files without their folders: whose machine it was is nobody's business."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.name if isinstance(value, Path) else value


def write(record: Mapping[str, Any], file: Path | None) -> None:
    """Writes a record to `file`, if one is named."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, system."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """The packages that the figures depend on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def commit() -> str:
    """The commit, with `+` where the measured code has changed since; or `unknown`."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", ".", "../live", "../engines")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


def _git(*words: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *words]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
