"""A compiled network: bytes of a picture go in, the network's outputs come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.aside import Aside
from engines.backends import signature
from engines.backends.bound import BoundNetwork
from engines.backends.llvm import machine_code
from engines.backends.llvm.blocks import aligned
from engines.backends.llvm.graph import Graph
from engines.backends.llvm.host import Host
from engines.backends.llvm.plan import Plan, planned
from engines.backends.llvm.program import ENTRY, assembly
from engines.backends.llvm.source import content
from engines.backends.signature import Port
from engines.errors import EngineError
from engines.types import ModelSpec, Network

_MOST_PROGRAMS = 4


class Program:
    """A network's code and weights; shared by all who run it."""

    def __init__(self, file: bytes, processor: Host | None = None) -> None:
        """`processor`: this one unless told. Raises `UnsupportedNetwork`, `EngineError`."""
        graph = Graph(file)
        self.plan: Plan = planned(graph, processor or machine_code.here())
        self.input_name = graph.input_name
        self.code = machine_code.Code(assembly(self.plan), ENTRY)
        self.weights = aligned(len(self.plan.weights))
        self.weights[:] = np.frombuffer(self.plan.weights, np.uint8)


class LlvmNetwork:
    """A program with memory of its own. Not thread-safe; lets go of the GIL while it runs."""

    def __init__(self, spec: ModelSpec, program: Program) -> None:
        """Raises `EngineError` where the network has other inputs or outputs than the spec says."""
        self._name, self._plan, plan = spec.name, program.plan, program.plan
        found = {program.input_name: Port((1, *plan.picture), np.dtype(np.uint8))}
        self._takes = signature.declared(spec.name, found, spec.inputs)
        gives = {
            name: Port(shape, np.dtype(np.float32)) for name, (_, shape) in plan.outputs.items()
        }
        self._gives = signature.declared(spec.name, gives, spec.outputs)
        self.inputs: Mapping[str, tuple[int, ...]] = signature.shapes(self._takes)
        """Names and shapes, in the order in which they are taken."""
        self.outputs: Mapping[str, tuple[int, ...]] = signature.shapes(self._gives)
        """Names and shapes, in the order in which they are given."""
        self._program: Program | None = program
        self._scratch = aligned(plan.scratch)
        self._aside = Aside()

    def bind(self, **constants: NDArray[Any]) -> Network:
        """The same network with these inputs fixed."""
        return BoundNetwork(self, self._name, self._takes, constants)

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Runs the network once on bytes 0…255, which stand for 0…1.

        The arrays returned are the caller's to keep. Raises `EngineError` for arrays that the
        network does not take; the next call works.
        """
        program = self._program
        if program is None:
            raise EngineError(f"the network {self._name!r} was closed")
        signature.check(self._name, self._takes, inputs)
        picture = np.ascontiguousarray(inputs[0])
        found = np.empty(self._plan.floats_out, np.float32)
        pointers = (array.ctypes.data for array in (picture, found, program.weights, self._scratch))
        with self._aside():
            program.code.run(*pointers)
        return [self._output(found, name) for name in self._gives]

    def close(self) -> None:
        """Frees its memory; calling it twice does no harm."""
        self._program = None
        self._scratch = aligned(0)

    def _output(self, found: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        start, shape = self._plan.outputs[name]
        return found[start : start + int(np.prod(shape))].reshape(shape)


def load(spec: ModelSpec) -> LlvmNetwork:
    """A network; its code and weights are those of the others of the same file.

    Raises `UnsupportedNetwork` where it is of another kind, `EngineError` where its file is damaged
    or has other inputs or outputs than the spec says.
    """
    return LlvmNetwork(spec, _program(spec.path, spec.member, spec.sha256))


@lru_cache(maxsize=_MOST_PROGRAMS)
def _program(path: Path, member: str, sha256: str) -> Program:
    return Program(content(ModelSpec(path.name, path, sha256, member)))
