"""The cache of engines: what is kept is what was built, or it is built anew."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.backends.manifest import packed, unpacked
from engines.backends.tensorrt import cache as module
from engines.backends.tensorrt.cache import EngineCache
from engines.backends.tensorrt.key import Key
from engines.errors import BuildCancelled, UnsupportedNetwork

KEY = Key(
    onnx="a" * 64,
    package="tensorrt_rtx",
    version="1.7.1.116",
    capabilities=("SM89",),
    driver="580.95.05",
    precision="as typed, no TF32",
    shapes={"picture": (1, 3, 256, 256)},
    workspace=1 << 30,
)
OTHERS = (
    replace(KEY, onnx="b" * 64),
    replace(KEY, package="tensorrt"),
    replace(KEY, version="1.7.2.1"),
    replace(KEY, capabilities=("SM86",)),
    replace(KEY, capabilities=("SM86", "SM89")),
    replace(KEY, driver="570.0"),
    replace(KEY, precision="TF32"),
    replace(KEY, shapes={"picture": (1, 3, 512, 512)}),
    replace(KEY, workspace=1 << 31),
)
PLAN = bytes(range(256)) * 40
WAIT_S = 60


class Counting:
    """A build that counts."""

    def __init__(self, plan: bytes = PLAN) -> None:
        self.plan = plan
        self.count = 0

    def __call__(self) -> bytes:
        self.count += 1
        return self.plan


def refuses() -> bytes:
    raise AssertionError("it was kept, and is built again")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_is_built_once_and_kept_across_processes(tmp_path: Path) -> None:
    build = Counting()
    assert EngineCache(tmp_path).plan(KEY, build, name="net") == PLAN
    assert EngineCache(tmp_path).plan(KEY, refuses, name="net") == PLAN
    assert build.count == 1
    assert files(tmp_path) == [f"{KEY.digest}.engine"]
    assert (tmp_path / f"{KEY.digest}.engine").read_bytes().partition(b"\n")[2] == PLAN


def test_every_part_of_the_key_asks_for_another_engine(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    for number, key in enumerate((KEY, *OTHERS)):
        plan = b"plan %d" % number
        assert cache.plan(key, Counting(plan), name="net") == plan
    for number, key in enumerate((KEY, *OTHERS)):
        assert cache.plan(key, refuses, name="net") == b"plan %d" % number


def damaged() -> dict[str, bytes]:
    whole = packed(KEY, PLAN)
    line = whole.index(b"\n")
    flipped = bytearray(whole)
    flipped[line + 77] ^= 1
    return {
        "empty": b"",
        "truncated": whole[:-1],
        "cut in the manifest": whole[: line // 2],
        "longer": whole + b"\0",
        "one bit": bytes(flipped),
        "no manifest": PLAN,
        "another plan": whole[: line + 1] + PLAN[::-1],
        "another format": whole.replace(b"engine 1", b"engine 2"),
        **{f"of {number}": packed(other, PLAN) for number, other in enumerate(OTHERS)},
    }


@pytest.mark.parametrize("content", damaged().values(), ids=damaged().keys())
def test_what_is_damaged_foreign_or_stale_is_built_anew(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / f"{KEY.digest}.engine").write_bytes(content)
    build = Counting(b"new")
    cache = EngineCache(tmp_path)
    assert cache.plan(KEY, build, name="net") == b"new"
    assert build.count == 1
    assert "built anew" in caplog.text
    assert cache.plan(KEY, refuses, name="net") == b"new"


@given(st.binary(max_size=600))
@settings(deadline=None)
def test_no_bytes_at_all_are_taken_for_an_engine(content: bytes) -> None:
    assert isinstance(unpacked(BytesIO(content), KEY), str)


@given(st.data())
@settings(deadline=None)
def test_an_engine_with_any_change_is_not_taken(data: st.DataObject) -> None:
    whole = packed(KEY, b"a plan of a few bytes")
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    changed = whole[:start] + data.draw(st.binary(max_size=12)) + whole[end:]
    found = unpacked(BytesIO(changed), KEY)
    assert isinstance(found, str) == (changed != whole)


@pytest.mark.parametrize("size", [-1, 0, True, None, 1.5, "10240", [], 1 << 60])
def test_no_manifest_without_a_true_size_is_taken(size: object) -> None:
    said = json.loads(packed(KEY, PLAN).partition(b"\n")[0])
    line = json.dumps({**said, "bytes": size}, sort_keys=True, separators=(",", ":")).encode()
    assert unpacked(BytesIO(line + b"\n" + PLAN), KEY) == "its manifest says no size"


def test_a_manifest_of_a_thousand_brackets_is_refused() -> None:
    assert isinstance(unpacked(BytesIO(b"[" * 60_000 + b"\n"), KEY), str)


def test_a_build_that_fails_leaves_nothing_and_lets_the_next_one_try(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)

    def fails() -> bytes:
        raise UnsupportedNetwork("no")

    with pytest.raises(UnsupportedNetwork):
        cache.plan(KEY, fails, name="net")
    assert files(tmp_path) == []
    assert cache.plan(KEY, Counting(), name="net") == PLAN


def test_those_used_longest_ago_are_removed_beyond_the_limit(tmp_path: Path) -> None:
    size = len(packed(KEY, PLAN))
    cache = EngineCache(tmp_path, limit=3 * size + size // 2)
    for number, key in enumerate(OTHERS[:3]):
        cache.plan(key, Counting(), name="net")
        os.utime(tmp_path / f"{key.digest}.engine", (number + 1, number + 1))
    cache.plan(OTHERS[0], refuses, name="net")  # used: now the second is the oldest
    cache.plan(KEY, Counting(), name="net")
    assert files(tmp_path) == sorted(f"{key.digest}.engine" for key in (KEY, OTHERS[0], OTHERS[2]))


def test_the_newest_stays_even_where_it_alone_is_beyond_the_limit(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path, limit=10)
    cache.plan(OTHERS[0], Counting(), name="net")
    cache.plan(KEY, Counting(), name="net")
    assert files(tmp_path) == [f"{KEY.digest}.engine"]


def test_a_folder_that_cannot_be_made_costs_the_keeping_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = EngineCache(tmp_path / "file" / "engines")
    build = Counting()
    assert cache.plan(KEY, build, name="net") == PLAN
    assert cache.plan(KEY, build, name="net") == PLAN
    assert build.count == 2
    assert "this process only" in caplog.text


def test_no_space_costs_the_keeping_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("engines.atomic_file.os.fsync", full)
    assert EngineCache(tmp_path).plan(KEY, Counting(), name="net") == PLAN
    assert files(tmp_path) == []
    assert "not kept" in caplog.text
    assert "No space left" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's rights")
def test_no_permission_costs_the_keeping_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        folder.chmod(folder.stat().st_mode | 0o011)
    done = run(
        f"""
        import os
        os.setuid(65534)
        plan = EngineCache(Path({str(tmp_path)!r})).plan(KEY, lambda: b"built", name="net")
        assert plan == b"built"
        """
    )
    out, err = done.communicate(timeout=WAIT_S)
    assert (done.returncode, files(tmp_path)) == (0, []), out + err
    assert "Permission denied" in err


def test_a_read_only_folder_of_engines_serves(tmp_path: Path) -> None:
    EngineCache(tmp_path).plan(KEY, Counting(), name="net")

    class NoLock(EngineCache):
        def _locked(self, *_: object) -> None:  # type: ignore[override]
            raise AssertionError("what is kept needs no lock")

    assert NoLock(tmp_path).plan(KEY, refuses, name="net") == PLAN


def run(script: str) -> subprocess.Popen[str]:
    head = f"""
    import sys, time
    from pathlib import Path
    from engines.backends.tensorrt.cache import EngineCache
    from engines.backends.tensorrt.key import Key
    KEY = {KEY!r}
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


SLOW = """
def build():
    Path({marks!r}, sys.argv[0] + str(time.monotonic_ns())).touch()
    time.sleep({seconds})
    return b"slowly built"
plan = EngineCache(Path({folder!r})).plan(KEY, build, name="net")
assert plan == b"slowly built"
"""


def test_of_two_processes_one_builds_and_the_other_waits_and_says_so(tmp_path: Path) -> None:
    folder, marks = tmp_path / "engines", tmp_path / "marks"
    marks.mkdir()
    script = SLOW.format(marks=str(marks), folder=str(folder), seconds=1.5)
    both = [run(script), run(script)]
    told = [process.communicate(timeout=WAIT_S)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert len(files(marks)) == 1
    assert files(folder) == [f"{KEY.digest}.engine"]
    assert sum("waiting for another process" in text for text in told) <= 1


def test_a_killed_builder_lets_the_next_one_build(tmp_path: Path) -> None:
    folder, marks = tmp_path / "engines", tmp_path / "marks"
    marks.mkdir()
    killed = run(SLOW.format(marks=str(marks), folder=str(folder), seconds=600))
    until(lambda: bool(files(marks)))
    waiting = run(SLOW.format(marks=str(marks), folder=str(folder), seconds=0))
    assert waiting.stderr is not None
    assert "waiting for another process" in waiting.stderr.readline()
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(WAIT_S) == -signal.SIGKILL
    killed.communicate()
    out, err = waiting.communicate(timeout=WAIT_S)
    assert waiting.returncode == 0, out + err
    assert len(files(marks)) == 2
    assert files(folder) == [f"{KEY.digest}.engine"]


def test_what_a_killed_writer_left_is_removed_and_never_loaded(tmp_path: Path) -> None:
    killed = run(
        f"""
        import os
        def stop(descriptor):
            print("writing", flush=True)
            time.sleep(600)
        os.fsync = stop
        EngineCache(Path({str(tmp_path)!r})).plan(KEY, lambda: b"half", name="net")
        """
    )
    assert killed.stdout is not None
    assert killed.stdout.readline() == "writing\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=WAIT_S)
    left = files(tmp_path)
    assert len(left) == 2  # a part under another name, and a lock that nobody holds
    assert f"{KEY.digest}.engine" not in left
    assert EngineCache(tmp_path).plan(KEY, Counting(), name="net") == PLAN
    assert files(tmp_path) == [f"{KEY.digest}.engine"]


def test_many_threads_at_once_build_once(tmp_path: Path) -> None:
    build, got = Counting(), []

    def slowly() -> bytes:
        time.sleep(0.2)
        return build()

    def ask() -> None:
        got.append(EngineCache(tmp_path).plan(KEY, slowly, name="net"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [PLAN] * 8
    assert build.count == 1
    assert files(tmp_path) == [f"{KEY.digest}.engine"]


def test_the_wait_can_be_cancelled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cancelled, building, go_on = threading.Event(), threading.Event(), threading.Event()

    def slowly() -> bytes:
        building.set()
        assert go_on.wait(WAIT_S)
        return PLAN

    first = threading.Thread(
        target=EngineCache(tmp_path).plan, args=(KEY, slowly), kwargs={"name": "net"}
    )
    first.start()
    assert building.wait(WAIT_S)
    threading.Timer(0.3, cancelled.set).start()
    with pytest.raises(BuildCancelled):
        EngineCache(tmp_path).plan(KEY, refuses, name="net", cancelled=cancelled)
    go_on.set()
    first.join()
    assert "waiting for another process" in capsys.readouterr().err


def test_the_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = module.default_folder()
    assert folder == tmp_path / "visavis" / "engines"
    EngineCache().plan(KEY, Counting(), name="net")
    assert folder.stat().st_mode & 0o077 == 0
