"""A compiled network: bytes of a picture go in, the network's outputs come out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backends.llvm import machine_code
from engines.backends.llvm.blocks import aligned
from engines.backends.llvm.compiled import CompiledNetwork
from engines.backends.llvm.graph import Graph
from engines.backends.llvm.host import Host
from engines.backends.llvm.plan import Plan, planned
from engines.backends.llvm.program import ENTRY, assembly
from engines.backends.llvm.source import content
from engines.backends.signature import Port
from engines.types import ModelSpec

_MOST_PROGRAMS = 4


class Program:
    """A network's code and weights; shared by all who run it."""

    def __init__(self, file: bytes, processor: Host | None = None) -> None:
        """`processor`: this one unless told. Raises `UnsupportedNetwork`, `EngineError`."""
        graph = Graph(file)
        self.plan: Plan = planned(graph, processor or machine_code.here())
        self.takes: Mapping[str, Port] = {
            graph.input_name: Port((1, *self.plan.picture), np.dtype(np.uint8))
        }
        self.gives: Mapping[str, Port] = {
            name: Port(shape, np.dtype(np.float32))
            for name, (_, shape) in self.plan.outputs.items()
        }
        self.room = self.plan.floats_out
        self.code = machine_code.Code(assembly(self.plan), ENTRY)
        self.weights = aligned(len(self.plan.weights))
        self.weights[:] = np.frombuffer(self.plan.weights, np.uint8)

    def scratch(self) -> NDArray[np.uint8]:
        """Memory for one who runs it."""
        return aligned(self.plan.scratch)

    def fed(self, value: NDArray[Any]) -> NDArray[Any]:
        """The picture's bytes 0…255, which stand for 0…1."""
        return np.ascontiguousarray(value)

    def read(self, found: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """A stretch of what was found."""
        start, shape = self.plan.outputs[name]
        return found[start : start + int(np.prod(shape))].reshape(shape)


def load(spec: ModelSpec) -> CompiledNetwork:
    """A network; its code and weights are those of the others of the same file.

    Raises `UnsupportedNetwork` where it is of another kind, `EngineError` where its file is damaged
    or has other inputs or outputs than the spec says.
    """
    return CompiledNetwork(spec, _program(spec.path, spec.member, spec.sha256))


@lru_cache(maxsize=_MOST_PROGRAMS)
def _program(path: Path, member: str, sha256: str) -> Program:
    return Program(content(ModelSpec(path.name, path, sha256, member)))
