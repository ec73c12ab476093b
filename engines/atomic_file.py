"""Writing a file so that nobody ever sees a part of it: bytes in, the whole file or none out."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from engines.errors import EngineError


def write(path: Path, content: bytes, *, private: bool = False) -> None:
    """Writes `content` under another name, brings it to the disk and gives it its name.

    Whatever was called so before stays as it was until then. `private`: nobody else may
    read it. Raises `EngineError` where there is no space or no permission; then nothing is left
    behind.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            if private:
                os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        settle(path.parent)
    except OSError as error:
        raise unwritable(path, error, len(content)) from error
    finally:
        _remove(part)  # still there only where it did not get its name


def settle(folder: Path) -> None:
    """Brings the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError, size: int = 0) -> EngineError:
    """The error of a file or folder that cannot be written, with what to do about it."""
    mend = "see to its folder's rights"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        mend = f"make {size / 1e6:.1f} MB of room" if size else "make room"
    return EngineError(
        f"{path} cannot be written ({error.strerror or error}); {mend}, or choose another folder"
    )


def _remove(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError:  # the folder itself cannot be entered or is read-only: nothing was written
        return
