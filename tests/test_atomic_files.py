"""Files and folders are replaced whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from engines import atomic_file, atomic_folder
from engines.errors import EngineError

CARD = "card.json"


def contents(folder: Path) -> dict[str, str]:
    return {
        str(each.relative_to(folder)): each.read_text()
        for each in folder.rglob("*")
        if each.is_file()
    }


def put(folder: Path, text: str) -> None:
    with atomic_folder.replacing(folder, known_by=CARD) as fresh:
        (fresh / CARD).write_text(text)


def interrupted(folder: Path) -> None:
    with atomic_folder.replacing(folder, known_by=CARD) as fresh:
        assert contents(fresh) == {}
        (fresh / CARD).write_text("half")
        raise KeyboardInterrupt


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    atomic_file.write(path, b"one")
    atomic_file.write(path, b"two")
    assert contents(tmp_path) == {"net.onnx": "two"}
    assert path.stat().st_mode & 0o444 == 0o444 & ~_umask()


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_the_old_file_stays_where_there_is_no_room(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.onnx"
    atomic_file.write(path, b"one")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os if call == "fsync" else Path, call, full)
    with pytest.raises(EngineError, match=r"net\.onnx cannot be written .No space.*2\.0 MB"):
        atomic_file.write(path, b"t" * 2_000_000)
    assert contents(tmp_path) == {"net.onnx": "one"}


def test_a_folder_that_may_not_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", forbidden)
    monkeypatch.setattr(Path, "mkdir", forbidden)
    with pytest.raises(EngineError, match=r"Permission denied.*rights"):
        atomic_file.write(tmp_path / "net.onnx", b"one")
    with pytest.raises(EngineError, match=r"Permission denied.*rights"):
        put(tmp_path / "set", "one")


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "set"
    put(folder, "one")
    (folder / "more.onnx").write_text("of the old set")
    put(folder, "two")
    assert contents(tmp_path) == {"models/set/card.json": "two"}


def test_the_old_folder_stays_where_the_new_one_fails(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    put(folder, "one")
    with pytest.raises(KeyboardInterrupt):
        interrupted(folder)
    assert contents(tmp_path) == {"set/card.json": "one"}


@pytest.mark.parametrize("at", ["filling", "between the renames", "clearing"])
def test_what_a_killed_process_has_left_is_cleared_away(tmp_path: Path, at: str) -> None:
    folder, old = tmp_path / "set", tmp_path / ".set.old"
    put(folder, "one")
    if at == "filling":
        (tmp_path / ".set.part").mkdir()
        (tmp_path / ".set.part" / "half.onnx").write_text("ha")
    elif at == "between the renames":
        folder.rename(old)
    else:
        old.mkdir()
        (old / CARD).write_text("zero")
    with pytest.raises(KeyboardInterrupt):
        interrupted(folder)
    assert contents(tmp_path) == {"set/card.json": "one"}


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letters.txt").write_text("dear")
    with pytest.raises(EngineError, match="left alone"):
        put(tmp_path / "home", "one")
    assert contents(tmp_path) == {"home/letters.txt": "dear"}


def test_two_processes_do_not_write_the_same_folder(tmp_path: Path) -> None:
    with atomic_folder.replacing(tmp_path / "set", known_by=CARD) as fresh:
        (fresh / CARD).write_text("one")
        with pytest.raises(EngineError, match="another process"):
            put(tmp_path / "set", "two")
        put(tmp_path / "other", "three")
    assert contents(tmp_path) == {"set/card.json": "one", "other/card.json": "three"}
