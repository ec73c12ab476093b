"""Calls in a row leave tasks, threads, file handles and memory where they were."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.timeout(300)
def test_calls_leave_nothing_behind() -> None:
    """In a process of its own: what other tests have left would be counted as the calls'."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.leaks"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
