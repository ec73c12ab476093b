"""LLVM assembly goes in, an object file for this processor comes out (llvmlite).

To import it loads LLVM, which takes 60 MB and as many milliseconds.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm

from engines.backends.llvm.machine_code import LEVEL
from engines.errors import EngineError


def compiled(assembly: str) -> bytes:
    """An object file whose code may lie anywhere; raises `EngineError` for what LLVM refuses."""
    target = _target(reloc="pic", codemodel="small")
    return bytes(target.emit_object(_module(assembly)))


class Loaded:
    """The same by LLVM's own loader, for systems whose object files we do not read."""

    def __init__(self, assembly: str, entry: str) -> None:
        """`entry`: the function's name. Raises `EngineError` for what LLVM refuses."""
        self._engine = llvm.create_mcjit_compiler(_module(assembly), _target(jit=True))
        self._engine.finalize_object()
        self.address = int(self._engine.get_function_address(entry))


def _module(assembly: str) -> Any:
    try:
        module = llvm.parse_assembly(assembly)
        module.verify()
    except RuntimeError as error:
        raise EngineError(f"LLVM refuses the code of the network ({error})") from error
    return module


def _target(**how: Any) -> Any:
    """A compiler for this processor; the engine that is given it owns it."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=LEVEL,
        **how,
    )
