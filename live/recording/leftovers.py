"""A folder in, out of it what a server that was killed has left: films without an end."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(r"\.\d{4}-\d\d-\d\d-([0-9a-f]{12})\.mp4\..+")
"""As `live.offline.files.complete_or_absent` names what is not whole yet."""
_OLD_S = 3600.0
"""Another server may write here: a film that grows is touched every second."""


def remove_leftovers(folder: Path) -> Iterator[str]:
    """Removes them one by one, and gives the public ids of their calls."""
    for part in sorted(folder.iterdir()):
        found = _NAME.fullmatch(part.name)
        if found is None:
            continue
        with suppress(OSError):  # it was finished meanwhile, or is not ours
            if _touched(part) < time.time() - _OLD_S:
                shutil.rmtree(part)
                yield found[1]


def _touched(part: Path) -> float:
    """When it was changed last, seconds since 1970."""
    return max(each.stat().st_mtime for each in (part, *part.iterdir()))
