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
    with _locked(folder):
        try:
            _recover(folder, fresh, old)
            _check_replaceable(folder, known_by)
            fresh.mkdir()
        except OSError as error:
            raise unwritable(folder, error) from error
        try:
            yield fresh
            _exchange(folder, fresh, old)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the folder's parent, which needs no file for that."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder.parent, os.O_RDONLY)
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EngineError(
                f"another process is writing into {folder.parent}; wait until it has ended"
            ) from error
        yield
    finally:
        os.close(descriptor)


def _recover(folder: Path, fresh: Path, old: Path) -> None:
    """Clears away what a killed process has left."""
    shutil.rmtree(fresh, ignore_errors=True)
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
    try:
        settle(fresh)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
        settle(folder.parent)
    except OSError as error:
        raise unwritable(folder, error) from error
    shutil.rmtree(old, ignore_errors=True)
