"""Takes the right to open sockets from the calling thread and from every thread it starts.

A seccomp filter (Linux, x86-64), for a library that would phone home. It needs no privileges,
cannot be undone, and leaves the process's other threads alone.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import sys

from engines.errors import EngineError

# <linux/audit.h>, <asm/unistd_64.h>, <linux/prctl.h>, <linux/seccomp.h>, <linux/bpf_common.h>
_ARCH_X86_64 = 0xC000003E
_X32_BIT = 0x40000000
_SYS_SOCKET, _SYS_IO_URING_SETUP = 41, 425
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 22, 38, 2
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_OFFSET_NUMBER, _OFFSET_ARCH = 0, 4


class _Instruction(ctypes.Structure):
    """`struct sock_filter`."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


# Jumps count the instructions to skip. A call by another architecture's numbers is refused whole,
# and so is io_uring, which opens sockets without the socket call.
_FILTER = (
    (_LOAD, 0, 0, _OFFSET_ARCH),
    (_JUMP_EQUAL, 0, 5, _ARCH_X86_64),
    (_LOAD, 0, 0, _OFFSET_NUMBER),
    (_JUMP_AT_LEAST, 3, 0, _X32_BIT),
    (_JUMP_EQUAL, 2, 0, _SYS_SOCKET),
    (_JUMP_EQUAL, 1, 0, _SYS_IO_URING_SETUP),
    (_RETURN, 0, 0, _ALLOW),
    (_RETURN, 0, 0, _REFUSE),
)


def deny_sockets() -> None:
    """From here on `socket()` fails with `EACCES` in this thread and in those it starts.

    Raises `EngineError` where the system cannot do that.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise EngineError(
            f"sockets cannot be denied on {platform.system()} {platform.machine()}, only on Linux"
            " x86-64, and without that mediapipe would report to its maker; use the tracker"
            " 'litert', which runs the same networks"
        )
    instructions = (_Instruction * len(_FILTER))(*(_Instruction(*line) for line in _FILTER))
    program = _Program(len(_FILTER), instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    if (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        or libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program)) != 0
    ):
        raise EngineError(
            f"this system does not let a thread give up its sockets"
            f" ({errno.errorcode.get(ctypes.get_errno(), 'unknown')}); use the tracker 'litert'"
        )
