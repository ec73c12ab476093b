"""The avatars that came with the program: nobody's faces, so nobody is asked for them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import cv2
import numpy as np

from engines import avatars
from engines.types import Rgb
from live.consent.fingerprint import fingerprint
from live.consent.record import Basis, Mode, Purpose, Record

_SINCE = datetime(2026, 1, 1, tzinfo=UTC)
ENDLESS = datetime(9999, 12, 31, tzinfo=UTC)
"""Until when the record of nobody's face is valid."""


@lru_cache(maxsize=64)
def consent(avatar: str) -> Record:
    """What stands in place of a signed record; raises `ChangedAvatar`, `KeyError`."""
    contents = avatars.contents(avatar)
    return Record(
        f"built-in-{avatar}",
        f"built-in-{avatar}",
        fingerprint(_decoded(contents.portrait)),
        frozenset(Purpose),
        frozenset(Mode),
        _SINCE,
        ENDLESS,
        Basis(contents.record.kind),
        contents.record.consent,
        {},
        "Visavis",
        _SINCE,
    )


def _decoded(portrait: bytes) -> Rgb:
    picture = cv2.imdecode(np.frombuffer(portrait, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert picture is not None  # the hash of its file is pinned
    return np.ascontiguousarray(picture, np.uint8)
