"""How much of a device's memory our networks take: counted, or refused, before it is allocated."""

from __future__ import annotations

import threading

from engines.backends.tensorrt.cuda import Cuda
from engines.errors import DeviceFull

_SHARE = 0.9
"""Of what was free when the first network came."""
_RESERVE = 256 << 20
"""Bytes left to the driver, its compiler and what TensorRT allocates beside what it says."""


class DeviceMemory:
    """The account of one device; thread-safe."""

    def __init__(self, cuda: Cuda, *, share: float = _SHARE, reserve: int = _RESERVE) -> None:
        """`share` of what is free now, less `reserve` bytes, is what can be claimed."""
        self._cuda = cuda
        self._reserve = reserve
        self._lock = threading.Lock()
        self.limit = max(0, int(cuda.free_memory()[0] * share) - reserve)
        """Bytes that can be claimed in all."""
        self.claimed = 0
        """Bytes that are."""

    def claim(self, size: int, what: str) -> Claim:
        """Room for `size` bytes, which are then to be allocated; raises `DeviceFull`."""
        with self._lock:
            left = self.left()
            if size > left:
                raise DeviceFull(
                    f"the device has no room for {what}: {_mb(size)} are needed,"
                    f" {_mb(left)} are left of {_mb(self.limit)}; end a session, or other"
                    " programs that use it"
                )
            self.claimed += size
        return Claim(self, size)

    def free(self) -> int:
        """Bytes of the device that nobody uses, other programs included."""
        return self._cuda.free_memory()[0]

    def left(self) -> int:
        """Bytes that can still be claimed."""
        return max(0, min(self.limit - self.claimed, self.free() - self._reserve))

    def give_back(self, size: int) -> None:
        """Ends a claim."""
        with self._lock:
            self.claimed -= size


class Claim:
    """A part of the account."""

    def __init__(self, memory: DeviceMemory, size: int) -> None:
        """`size` bytes, counted already."""
        self._memory = memory
        self._size = size

    def close(self) -> None:
        """Gives it back; calling it twice does no harm."""
        size, self._size = self._size, 0
        self._memory.give_back(size)


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
