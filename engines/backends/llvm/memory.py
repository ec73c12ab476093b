"""Where a program's numbers lie: sizes and arrays go in, places in bytes come out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.backends.llvm.kernels import FLOAT, Dense

_LINE = 64  # bytes that caches keep together


class Memory:
    """Hands out pieces of one block of memory."""

    def __init__(self) -> None:
        """Empty."""
        self.size = 0
        self._shared: dict[tuple[object, ...], int] = {}

    def take(self, floats: int) -> int:
        """A piece of its own."""
        place = self.size
        self.size += -(-floats * FLOAT // _LINE) * _LINE
        return place

    def share(self, floats: int, *key: object) -> int:
        """The same piece for the same key; for what nobody needs after the step."""
        if key not in self._shared:
            self._shared[key] = self.take(floats)
        return self._shared[key]


class Packed:
    """Weights behind each other, as kernels read them."""

    def __init__(self) -> None:
        """Empty."""
        self._parts: list[bytes] = []
        self._length = 0

    @property
    def content(self) -> bytes:
        """All of them."""
        return b"".join(self._parts)

    def matrix(self, matrix: NDArray[np.float32], kernel: Dense) -> int:
        """`(result, source)`, tile by tile."""
        tiles = matrix.reshape(-1, kernel.tile.channels, matrix.shape[1]).transpose(0, 2, 1)
        return self.keep(tiles.astype(np.float16) if kernel.halves else tiles)

    def keep(self, values: NDArray[np.floating]) -> int:
        """As they are."""
        content = np.ascontiguousarray(values).tobytes()
        content += bytes(-len(content) % _LINE)
        place = self._length
        self._parts.append(content)
        self._length += len(content)
        return place
