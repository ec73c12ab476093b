"""A program and memory to run it in go in; a network as all backends give it comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.aside import Aside
from engines.backends import signature
from engines.backends.bound import BoundNetwork
from engines.backends.llvm.blocks import aligned
from engines.backends.llvm.machine_code import Code
from engines.backends.signature import Port
from engines.errors import EngineError
from engines.types import ModelSpec, Network


class Program(Protocol):
    """A network's code and weights; shared by all who run it."""

    takes: Mapping[str, Port]
    gives: Mapping[str, Port]
    code: Code
    weights: NDArray[np.uint8]
    room: int
    """Floats that the code writes."""

    def scratch(self) -> NDArray[np.uint8]:
        """Memory for one who runs it."""

    def fed(self, value: NDArray[Any]) -> NDArray[Any]:
        """What the code reads of the network's input, contiguous."""

    def read(self, found: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """An output of the network, of what the code has written."""


class CompiledNetwork:
    """A program with memory of its own. Not thread-safe; lets go of the GIL while it runs."""

    def __init__(self, spec: ModelSpec, program: Program) -> None:
        """Raises `EngineError` where the network has other inputs or outputs than the spec says."""
        self._name = spec.name
        self._takes = signature.declared(spec.name, program.takes, spec.inputs)
        gives = signature.declared(spec.name, program.gives, spec.outputs)
        self.inputs: Mapping[str, tuple[int, ...]] = signature.shapes(self._takes)
        """Names and shapes, in the order in which they are taken."""
        self.outputs: Mapping[str, tuple[int, ...]] = signature.shapes(gives)
        """Names and shapes, in the order in which they are given."""
        self._program: Program | None = program
        self._scratch = program.scratch()
        self._aside = Aside()

    def bind(self, **constants: NDArray[Any]) -> Network:
        """The same network with these inputs fixed."""
        return BoundNetwork(self, self._name, self._takes, constants)

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Runs the network once; the arrays returned are the caller's to keep.

        Raises `EngineError` for arrays that the network does not take; the next call works.
        """
        program = self._program
        if program is None:
            raise EngineError(f"the network {self._name!r} was closed")
        signature.check(self._name, self._takes, inputs)
        fed = program.fed(inputs[0])
        found = np.empty(program.room, np.float32)
        pointers = (array.ctypes.data for array in (fed, found, program.weights, self._scratch))
        with self._aside():
            program.code.run(*pointers)
        return [program.read(found, name) for name in self.outputs]

    def close(self) -> None:
        """Frees its memory; calling it twice does no harm."""
        self._program = None
        self._scratch = aligned(0)
