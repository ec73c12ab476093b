"""Names of files in, checked ones out; what is written appears under its name only when whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from live.errors import Unprocessable


def check_source(source: Path) -> None:
    """Raises `Unprocessable` where there is no such file."""
    if not source.is_file():
        raise Unprocessable(f"there is no file {source}; name a recording")


def check_target(target: Path, suffix: str = "", *, source: Path | None = None) -> None:
    """Raises `Unprocessable` where a result cannot be written to this name."""
    if suffix and target.suffix.lower() != suffix:
        raise Unprocessable(f"{target} does not end in {suffix}; that is what is written")
    if not target.parent.is_dir():
        raise Unprocessable(f"the folder {target.parent} does not exist; make it first")
    if target.is_dir():
        raise Unprocessable(f"{target} is a folder; name a file in it")
    if source is not None and target.exists() and target.samefile(source):
        raise Unprocessable(f"{target} is the input itself; write to another file")


@contextmanager
def complete_or_absent(target: Path) -> Iterator[Path]:
    """A name to write under beside `target`, which takes its place when all went well."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        part = Path(folder) / target.name
        yield part
        part.replace(target)
