"""Writing a folder of files that belong together: the old one stays until the new one is whole."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engines.atomic_file import settle, unwritable
from engines.errors import EngineError


@contextmanager
def replacing(folder: Path, *, known_by: str) -> Iterator[Path]:
    """Gives an empty folder to fill; at the end it takes the place of `folder`.

    Where the block raises, it vanishes and `folder` stays as it was. What a killed process has left
    is cleared away by the next one. `known_by`: the file that every such folder has; another folder
    that is not empty is never replaced. Raises `EngineError` for that, where another process is
    replacing the same folder, and where there is no space or no permission.
    """
    folder = folder.absolute()
    fresh, old = (folder.with_name(f".{folder.name}.{end}") for end in ("part", "old"))
    with _own(fresh, folder):
        try:
            with _told_of(folder):
                _recover(folder, fresh, old)
                _check_replaceable(folder, known_by)
            yield fresh
            with _told_of(folder):
                _exchange(folder, fresh, old)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _own(fresh: Path, folder: Path) -> Iterator[None]:
    """Makes the fresh folder this process's own; the system gives up a dead process's claim."""
    with _told_of(folder):
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir(exist_ok=True)
        descriptor = os.open(fresh, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EngineError(
                f"another process is writing {folder}; wait until it has ended"
            ) from error
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _told_of(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(folder, error) from error


def _recover(folder: Path, fresh: Path, old: Path) -> None:
    """Clears away what a killed process has left."""
    for left in fresh.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    if old.exists() and not folder.exists():  # killed between the two renames
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _check_replaceable(folder: Path, known_by: str) -> None:
    if folder.exists() and not (folder / known_by).is_file() and any(folder.iterdir()):
        raise EngineError(
            f"{folder} holds something else than such a set (no {known_by}) and was left alone;"
            " choose another folder"
        )


def _exchange(folder: Path, fresh: Path, old: Path) -> None:
    settle(fresh)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    settle(folder.parent)
