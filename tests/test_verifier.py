"""The process that looks at a stranger's file: what it may, what it costs, and that it ends."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from live.errors import TooLarge, Unprocessable
from live.keys import OperatorKeys
from live.verification import verifier
from live.verification.verdict import Verdict
from live.verification.verifier import Limits, Verifier
from tests import bad_files

KEYS = OperatorKeys(Ed25519PrivateKey.generate(), b"k" * 32)


def verified(file: Path, limits: Limits | None = None) -> Verdict:
    with file.open("rb") as stream:
        return asyncio.run(Verifier(KEYS, lambda: None, limits).verify(stream.fileno()))


def children() -> list[int]:
    """Of those who look at files; other tests' helpers may still be there."""
    everybody = psutil.Process().children(recursive=True)
    return [one.pid for one in everybody if _looks_at_files(one)]


def _looks_at_files(process: psutil.Process) -> bool:
    try:
        return "live.verification" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def test_file_of_ten_gigabytes_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "large.mp4"
    with file.open("wb") as stream:
        stream.write(bad_files.film())
        stream.truncate(10 << 30)
    started = time.monotonic()
    with pytest.raises(TooLarge, match="10240 MiB"):
        verified(file)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("name", ["png of 49 megapixels", "gif of 20000 pictures"])
def test_bomb_is_looked_at_within_its_limits(name: str, tmp_path: Path) -> None:
    """In their own sizes these are 150 MB and 10 GB."""
    limits = Limits(search_cpu_s=1, memory=768 << 20, cpu_s=20, wall_s=60)
    verdict = verified(bad_files.write(tmp_path, bad_files.LOOKED_AT[name]), limits)
    assert verdict.code == "nothing_found"
    assert verdict.looked_at.whole == (name == "png of 49 megapixels")


def test_file_that_takes_more_memory_than_is_given_is_refused(tmp_path: Path) -> None:
    file = bad_files.write(tmp_path, bad_files.LOOKED_AT["png of 49 megapixels"])
    with pytest.raises(TooLarge, match="memory"):
        verified(file, Limits(memory=64 << 20))
    assert not children()


@pytest.mark.parametrize("limits", [Limits(wall_s=0.2), Limits(cpu_s=1, search_cpu_s=60)])
def test_file_that_takes_too_long_is_given_up_and_its_process_ended(
    limits: Limits, tmp_path: Path
) -> None:
    file = bad_files.write(tmp_path, bad_files.LOOKED_AT["gif of 20000 pictures"])
    with pytest.raises(Unprocessable, match="took longer"):
        verified(file, limits)
    assert not children()


def test_process_ends_with_whoever_asked(tmp_path: Path) -> None:
    file = bad_files.write(tmp_path, bad_files.LOOKED_AT["gif of 20000 pictures"])

    async def ask_and_leave() -> None:
        with file.open("rb") as stream:
            asking = asyncio.create_task(Verifier(KEYS, lambda: None).verify(stream.fileno()))
            while not children():  # noqa: ASYNC110  nothing tells of them
                await asyncio.sleep(0.01)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(ask_and_leave())
    assert not children()


def test_decoder_that_crashes_is_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nkill -SEGV $$\n")
    broken.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(Unprocessable, match="gave up"):
        verified(bad_files.write(tmp_path, bad_files.film))


def test_confined_process_has_no_sockets_no_files_to_write_and_little_memory() -> None:
    code = """if True:
        import json, os, socket, sys
        from live.verification.confinement import confine, end_with_parent
        end_with_parent()
        confine(64 << 20, 10)
        def outcome(act):
            try:
                act()
            except (OSError, MemoryError) as error:
                return type(error).__name__
            return "done"
        def write():
            with open(sys.argv[1], "wb") as file:
                file.write(b"x")
        print(json.dumps([outcome(socket.socket), outcome(write),
                          outcome(lambda: bytes(96 << 20)), outcome(lambda: bytes(1 << 20))]))
    """
    done = subprocess.run(
        [sys.executable, "-c", code, os.devnull + "x"], capture_output=True, text=True, check=True
    )
    sockets, writing, much, little = json.loads(done.stdout)
    if sys.platform == "linux":
        assert sockets == "PermissionError"
    assert writing in ("OSError", "PermissionError")
    assert (much, little) == ("MemoryError", "done")


def test_secrets_of_the_environment_stay_with_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAVIS_KEYS__SIGNING", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert "secret" not in verifier._environment().values()


def test_answer_that_is_no_verdict_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer in ('{"verdict": {"marks": []}}', "{", '{"error": "SystemExit", "detail": 1}'):
        lying = tmp_path / "python"
        lying.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{answer}'\n")
        lying.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(lying))
        with pytest.raises(Unprocessable):
            verified(bad_files.write(tmp_path, bad_files.film))


def test_it_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []

    async def run() -> None:
        with bad_files.write(tmp_path, lambda: bad_files.film(frames=120)).open("rb") as stream:
            verifier = Verifier(KEYS, lambda: None)
            await verifier.verify(stream.fileno(), lambda done, parts: told.append((done, parts)))

    asyncio.run(run())
    assert told == [(1, 2), (2, 2)]
