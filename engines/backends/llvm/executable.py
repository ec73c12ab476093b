"""Code goes in, memory that it can be run from comes out; it can be written or run, never both."""

from __future__ import annotations

import ctypes
import mmap
import os

from engines.errors import UnsupportedNetwork


class Executable:
    """Code in memory, which is given back with this."""

    def __init__(self, content: bytes) -> None:
        """Raises `UnsupportedNetwork` where the system runs nothing that was not in a file."""
        self._memory = mmap.mmap(
            -1, len(content), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, _READ | mmap.PROT_WRITE
        )
        self._memory.write(content)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        """Of its first byte; the beginning of a page."""
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        if protect(self.address, len(content), _READ | mmap.PROT_EXEC):
            why = os.strerror(ctypes.get_errno())
            raise UnsupportedNetwork(f"this system runs no code made by its programs ({why})")


_READ = mmap.PROT_READ
