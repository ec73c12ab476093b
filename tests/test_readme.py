"""What the README tells a stranger to type is there, and `make run` serves the page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from benchmarks import __path__ as benchmarks
from live.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MADE_BY_MAKE = (Path(sys.prefix) / ".runtime").exists()


def commands() -> list[str]:
    return sorted(set(re.findall(r"`visavis ([a-z]+)", README)))


def test_every_command_has_its_row() -> None:
    assert set(COMMANDS) == set(commands())


@pytest.mark.parametrize("command", commands())
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"visavis {command}" in capsys.readouterr().out


def test_every_bench_that_is_named_is_there() -> None:
    row = next(line for line in README.splitlines() if line.startswith("| `visavis bench"))
    names = re.findall(r"`(?:visavis bench )?([a-z]+)`", row)
    assert len(names) > 3
    assert all((Path(benchmarks[0]) / f"{name}.py").is_file() for name in names)


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks/README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.skipif(not MADE_BY_MAKE, reason="this environment was not made by make")
@pytest.mark.alone
def test_make_run_ends_with_the_page_being_served() -> None:
    server = subprocess.Popen(
        ["make", "run", f"VENV={sys.prefix}", "ARGS=--port 0"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert server.stdout is not None
        address = re.search(r"http://\S+", server.stdout.readline())
        assert address
        with urllib.request.urlopen(address.group(), timeout=10) as page:
            assert b"Visavis" in page.read()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=20)
    assert server.returncode in (
        0,
        2,
        -signal.SIGTERM,
    )  # make counts its child's signal as an error
