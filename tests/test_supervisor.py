"""Processes that begin, speak, die and end; scripted ones, without calls."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest

from live.errors import SettingsError
from live.processes import process, supervisor
from live.processes.supervisor import Supervisor, Worker
from live.settings import Settings

SECRET = re.compile("sk-do-not-tell|5ec2e7")
SECRETS = {"voice": {"openai_key": "sk-do-not-tell"}, "keys": {"mark": "5ec2e7" * 8}}


class Crew:
    """A supervisor of scripted workers, and what it has told."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, plan: str, count: int = 1) -> None:
        self.file = folder / "starts"
        script = str(Path(__file__).with_name("scripted_worker.py"))
        patch.setattr(process, "COMMAND", [sys.executable, "-S", script, plan, str(self.file)])
        patch.setattr(supervisor, "_FIRST_PAUSE_S", 0.05)
        self.ended: list[tuple[str, str]] = []
        self.gone: list[Worker] = []
        self.of = Supervisor(
            Settings.model_validate(SECRETS),
            count,
            on_ended=lambda worker, secret: self.ended.append((worker.name, secret)),
            on_gone=self.gone.append,
        )

    def starts(self) -> list[tuple[str, int]]:
        """Name and process id of everyone who was started."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [(name, pid) for name, pid, _ in map(json.loads, lines)]


def shown_of(pid: int) -> str:
    """What others of the same user see of a process."""
    return "".join(Path(f"/proc/{pid}/{name}").read_text() for name in ("cmdline", "environ"))


Scene = Callable[[Crew], Awaitable[None]]


def play(crew: Crew, scene: Scene, grace_s: float = 0.5) -> None:
    async def run() -> None:
        await crew.of.start()
        try:
            await scene(crew)
        finally:
            await crew.of.stop(grace_s)

    asyncio.run(run())


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  (it is about another process)
            await asyncio.sleep(0.01)


def test_workers_speak_and_end_when_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crew = Crew(tmp_path, monkeypatch, "hold", 2)

    async def scene(crew: Crew) -> None:
        await until(lambda: len(crew.of.workers) == len(crew.ended) == 2)
        assert {worker.name for worker in crew.of.workers} == {"1", "2"}
        for worker in crew.of.workers:
            assert worker.state is not None
            assert (worker.state.calls, worker.state.free, worker.state.cpu_s) == (1, 3, 0.25)
        for _, pid in crew.starts():  # of no interest to whoever lists processes
            assert not SECRET.search(shown_of(pid))

    play(crew, scene)
    assert sorted(crew.ended) == [(n, s) for n in "12" for s in ("a-secret", "the-last")]
    assert crew.gone == []  # nobody was lost
    assert crew.of.workers == []
    for _, pid in crew.starts():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_another_takes_the_place_of_one_that_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    crew = Crew(tmp_path, monkeypatch, "hold", 2)

    async def scene(crew: Crew) -> None:
        await until(lambda: len(crew.of.workers) == 2)
        first, second = sorted(crew.of.workers, key=lambda worker: worker.name)
        os.kill(dict(crew.starts())["1"], signal.SIGKILL)
        await until(lambda: crew.gone)
        assert crew.gone == [first]
        assert list(crew.of.workers) == [second]
        await until(lambda: crew.of.trouble)
        assert "was ended by signal 9" in crew.of.trouble
        await until(lambda: len(crew.of.workers) == 2)
        assert crew.of.trouble == ""

    play(crew, scene)
    assert [name for name, _ in crew.starts()].count("1") == 2
    assert [record.message for record in caplog.records] == [
        "worker was ended by signal 9; another one is started in 0 s"
    ]


def test_one_that_was_told_to_end_by_somebody_else_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "live")
    crew = Crew(tmp_path, monkeypatch, "leave-once")

    async def scene(crew: Crew) -> None:
        await until(lambda: len(crew.starts()) == 2)

    play(crew, scene)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "worker has ended as it was told; another one is started in 0 s")
    ]


def test_who_dies_young_is_replaced_more_and_more_slowly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_LONGEST_PAUSE_S", 0.4)
    crew = Crew(tmp_path, monkeypatch, "die")
    at: list[float] = []
    monkeypatch.setattr(crew.of, "_on_gone", lambda worker: at.append(time.monotonic()))

    async def scene(crew: Crew) -> None:
        await until(lambda: len(at) == 5)

    play(crew, scene)
    pauses = [after - before for before, after in pairwise(at)]
    assert pauses[1] > 0.1
    assert pauses[2] > 0.2
    assert pauses[3] > 0.4
    assert len(crew.starts()) == 5  # and none when told to stop


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        ("hang", "has said nothing for"),
        ("chatter", "cannot be understood"),
        ("endless", "cannot be understood"),
    ],
)
def test_who_gets_stuck_is_ended(
    plan: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "SILENT_S", 0.2)
    crew = Crew(tmp_path, monkeypatch, plan)

    async def scene(crew: Crew) -> None:
        await until(lambda: crew.of.trouble)
        assert why in crew.of.trouble
        assert "status" not in crew.of.trouble
        with pytest.raises(ProcessLookupError):
            os.kill(crew.starts()[0][1], 0)

    play(crew, scene)


def test_a_mistake_of_ours_leaves_no_process_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = Crew(tmp_path, monkeypatch, "hold")
    seen: list[str] = []

    def stumble(worker: Worker, secret: str) -> None:
        seen.append(secret)
        if len(seen) == 1:
            raise KeyError(secret)

    monkeypatch.setattr(crew.of, "_on_ended", stumble)

    async def scene(crew: Crew) -> None:
        await until(lambda: crew.of.trouble)
        assert "mistake of ours (KeyError)" in crew.of.trouble
        assert "a-secret" not in crew.of.trouble
        with pytest.raises(ProcessLookupError):
            os.kill(crew.starts()[0][1], 0)
        await until(lambda: crew.of.workers)

    play(crew, scene)
    assert len(crew.starts()) == 2


def test_who_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_LEAVE_S", 0.1)
    crew = Crew(tmp_path, monkeypatch, "linger")

    async def scene(crew: Crew) -> None:
        await until(lambda: crew.of.workers)

    play(crew, scene, grace_s=0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(crew.starts()[0][1], 0)


def test_sockets_are_nobody_elses_and_gone_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 60)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    crew = Crew(tmp_path, monkeypatch, "hold")
    folders: list[Path] = []

    async def scene(crew: Crew) -> None:
        assert crew.of._folder is not None
        folders.append(crew.of._folder)
        assert crew.of._folder.stat().st_mode & 0o777 == 0o700
        await until(lambda: crew.of.workers)

    play(crew, scene)
    assert not folders[0].exists()
    assert folders[0].parent == Path("/tmp")  # the other's name would be too long
    assert list(deep.iterdir()) == []


def test_no_place_for_sockets_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(prefix: str, dir: str | None) -> str:
        raise OSError("read-only")

    monkeypatch.setattr("tempfile.mkdtemp", none)
    crew = Crew(tmp_path, monkeypatch, "hold")
    with pytest.raises(SettingsError, match=r"TMPDIR.*sessions\.processes = 1"):
        asyncio.run(crew.of.start())
