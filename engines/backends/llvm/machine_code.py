"""LLVM assembly goes in, machine code for this processor comes out (llvmlite)."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm

from engines.backends.llvm.host import Host, host
from engines.errors import EngineError

_LEVEL = 1
"""Of LLVM's optimisation: the assembly is as it should be, higher ones take longer for nothing."""

Run = Callable[[int, int, int, int], None]
"""The function's four pointers; lets go of the GIL while it runs."""


class Code:
    """A function's machine code, which lives as long as this."""

    def __init__(self, assembly: str, entry: str) -> None:
        """`entry`: the function's name. Raises `EngineError` where LLVM refuses the assembly."""
        try:
            module = llvm.parse_assembly(assembly)
            module.verify()
        except RuntimeError as error:
            raise EngineError(f"LLVM refuses the code of the network ({error})") from error
        self._engine = llvm.create_mcjit_compiler(module, _target())
        self._engine.finalize_object()
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)
        self.run: Run = kind(self._engine.get_function_address(entry))


def here() -> Host:
    """This processor; raises `UnsupportedNetwork` where it is too simple."""
    return host(platform.machine(), llvm.get_host_cpu_features())


def processor() -> str:
    """Its name, as LLVM has it."""
    return str(llvm.get_host_cpu_name())


def _target() -> Any:
    """A compiler for this processor; the engine that is given it owns it."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=_LEVEL,
        jit=True,
    )
