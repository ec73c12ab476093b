"""Machine code: made once, kept for this user's next processes, made anew where in doubt."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.backends.llvm import machine_code, processor
from engines.backends.llvm.executable import Executable
from engines.backends.llvm.linking import linked
from engines.backends.llvm.processor import Processor, told
from engines.errors import EngineError, UnsupportedNetwork

pytest.importorskip("llvmlite")

from engines.backends.llvm import compiling

TWICE = """
@two = private unnamed_addr constant [2 x float] [float 2.0, float 3.0], align 4
define private fastcc float @times(float %x, i64 %i) noinline {
  %at = getelementptr [2 x float], ptr @two, i64 0, i64 %i
  %by = load float, ptr %at
  %y = fmul float %x, %by
  ret float %y
}
define void @scale(ptr %in, ptr %out, ptr %which, ptr %unused) {
  %x = load float, ptr %in
  %i = load i64, ptr %which
  %y = call fastcc float @times(float %x, i64 %i)
  %z = fadd float %y, 0.125
  store float %z, ptr %out
  ret void
}
"""
LINKS = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="x86-64 Linux only"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where code is kept here; not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "visavis" / "code"


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was given to LLVM."""
    seen: list[str] = []
    right = compiling.compiled

    def counted(assembly: str) -> bytes:
        seen.append(assembly)
        return right(assembly)

    monkeypatch.setattr(compiling, "compiled", counted)
    return seen


def scaled(code: machine_code.Code, number: float, by: int) -> float:
    given_, found = np.array([number], np.float32), np.zeros(1, np.float32)
    which = np.array([by])
    code.run(*(array.ctypes.data for array in (given_, found, which, which)))
    return float(found[0])


def check() -> None:
    code = machine_code.Code(TWICE, "scale")
    assert [scaled(code, 5.0, by) for by in (0, 1)] == [10.125, 15.125]


def the_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@LINKS
def test_it_is_made_once_and_kept_for_this_user_alone(
    folder: Path, compilations: list[str]
) -> None:
    check()
    check()
    assert compilations == [TWICE]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert the_file(folder).stat().st_mode & 0o777 == 0o600


@LINKS
def test_what_is_kept_needs_no_llvm() -> None:
    check()
    script = (
        "import sys; sys.modules['llvmlite'] = None\n"
        "from engines.backends.llvm.machine_code import Code\n"
        "Code(sys.stdin.read(), 'scale')"
    )
    subprocess.run([sys.executable, "-c", script], input=TWICE, text=True, check=True)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _changed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


def _writable(path: Path) -> None:
    path.chmod(0o620)


def _in_an_open_folder(path: Path) -> None:
    path.parent.chmod(0o770)


def _linked_to(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _anothers(path: Path) -> None:
    try:
        os.chown(path, 65534, -1)
    except PermissionError:
        pytest.skip("only root can give a file away")


def _in_anothers_folder(path: Path) -> None:
    _anothers(path.parent)


@LINKS
@pytest.mark.parametrize(
    "spoil",
    [_cut, _changed, _writable, _in_an_open_folder, _linked_to, _anothers, _in_anothers_folder],
)
def test_what_is_damaged_or_may_be_anothers_is_not_run(
    folder: Path, compilations: list[str], spoil: Callable[[Path], None]
) -> None:
    check()
    spoil(the_file(folder))
    check()
    assert len(compilations) == 2


@LINKS
def test_another_processor_or_compiler_gets_code_of_its_own(
    folder: Path, compilations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check()
    here = processor.processor()
    others = (
        here._replace(kind="another"),
        here._replace(features=here.features - {"avx2"}),
        here._replace(machine="another"),
    )
    for other in others:
        monkeypatch.setattr(machine_code, "processor", lambda other=other: other)
        check()
    monkeypatch.setattr(machine_code, "version", lambda _: "0.0")
    check()
    assert len(compilations) == len(list(folder.iterdir())) == 5


@LINKS
def test_processes_that_write_at_once_leave_each_other_alone(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    key = machine_code._key(TWICE, "scale")
    parts = [folder / f".{key.digest}.code.{name}.part" for name in ("now", "yesterday")]
    for part in parts:
        part.write_bytes(b"half")
    os.utime(parts[1], (1, 1))
    check()
    assert [part.exists() for part in parts] == [True, False]


def test_where_nothing_can_be_kept_it_is_made_each_time(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.parents[1].mkdir()
    folder.parent.write_bytes(b"")
    check()
    assert "not kept" in caplog.text


def test_another_system_uses_llvms_own_loader(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "compiled", lambda _: b"\xcf\xfa\xed\xfe" + bytes(100))
    check()
    assert not folder.exists()


@LINKS
def test_code_is_never_writable_while_it_can_be_run() -> None:
    memory = Executable(b"\xc3")
    lines = Path("/proc/self/maps").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{memory.address:x}-"))
    assert line.split()[1] == "r-xp"


@LINKS
@pytest.mark.parametrize(
    "assembly",
    [
        "declare void @exit(i32) define void @scale() { call void @exit(i32 0) ret void }",
        "@kept = global i32 1 define void @scale() { store i32 2, ptr @kept ret void }",
        "define void @other() { ret void }",
    ],
    ids=["calls out", "writes", "has another name"],
)
def test_code_that_needs_more_than_itself_is_not_linked(assembly: str) -> None:
    with pytest.raises(UnsupportedNetwork):
        linked(compiling.compiled(assembly), "scale")


@given(st.data())
@settings(deadline=None, max_examples=50)
def test_no_damaged_object_does_more_than_be_refused(data: st.DataObject) -> None:
    whole = _object()
    at = data.draw(st.integers(0, len(whole)))
    damaged = (
        whole[:at] + data.draw(st.binary(max_size=12)) + whole[at + data.draw(st.integers(0, 12)) :]
    )
    try:
        linked(damaged, "scale")
    except EngineError:
        return


_OBJECTS: list[bytes] = []


def _object() -> bytes:
    if not _OBJECTS:
        _OBJECTS.append(compiling.compiled(TWICE))
    return _OBJECTS[0]


def test_the_system_tells_the_processor_as_llvm_does() -> None:
    here = processor.processor()
    asked = processor._asked()
    assert here.machine == asked.machine
    for feature in ("avx2", "fma", "avx512f", "f16c"):
        assert (feature in here.features) == (feature in asked.features)


CPUINFO = (
    "processor\t: 0\nvendor_id\t: V\ncpu family\t: 6\nmodel\t\t: 1\nstepping\t: 2\n"
    "flags\t\t: fma avx2\n\n"
)


def test_the_first_processor_is_read() -> None:
    found = told((CPUINFO + CPUINFO.replace("avx2", "none")).splitlines(keepends=True))
    assert found is not None
    assert found[1:] == ("V 6 1 2", frozenset({"fma", "avx2"}))
    assert isinstance(found, Processor)


@pytest.mark.parametrize("missing", ["vendor_id", "model\t", "stepping", "flags"])
def test_a_system_that_does_not_tell_all_is_not_believed(missing: str) -> None:
    assert told(CPUINFO.replace(missing, "something").splitlines(keepends=True)) is None
