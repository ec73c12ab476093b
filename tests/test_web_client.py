"""The web client's types, checked by the TypeScript compiler."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import web_client

ROOT = Path(web_client.__file__).parent
COMPILER = ROOT / "node_modules" / "typescript" / "bin" / "tsc"


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("npm") is None, reason="Node.js with npm is not installed")
def test_types_agree() -> None:
    if not COMPILER.exists():
        _run("npm", "ci", "--no-audit", "--no-fund")
    _run("node", str(COMPILER), "--project", "tsconfig.json")


def test_lockfile_names_no_private_registry() -> None:
    lock = (ROOT / "package-lock.json").read_text()
    addresses = [line for line in lock.splitlines() if '"resolved"' in line]
    assert all('"https://registry.npmjs.org/' in line for line in addresses)
    assert '"integrity"' in lock


@pytest.mark.parametrize("name", ["index.html", "verify.html"])
def test_pages_hold_no_inline_code(name: str) -> None:
    text = (ROOT / name).read_text()
    for forbidden in (" style=", " onclick=", "<style", "javascript:", "http://", "https://"):
        assert forbidden not in text


def test_modules_name_only_files_that_are_there() -> None:
    for module in ROOT.glob("*.js"):
        for line in module.read_text().splitlines():
            if line.startswith("import "):
                assert (ROOT / line.split('"')[1]).is_file()
