"""Memory that machine code works on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ALIGNED = 64  # bytes


def aligned(size: int) -> NDArray[np.uint8]:
    """Zeros that begin where a vector may be read at once."""
    whole = np.zeros(size + _ALIGNED, np.uint8)
    start = -whole.ctypes.data % _ALIGNED
    return whole[start : start + size]
