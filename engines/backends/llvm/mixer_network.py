"""A compiled mixer: landmarks go in, blendshapes come out."""

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
from engines.backends.llvm.mixer import Mixer, planned
from engines.backends.llvm.program import ENTRY
from engines.backends.llvm.source import content
from engines.backends.signature import Port
from engines.errors import EngineError
from engines.types import ModelSpec, Network

_MOST_PROGRAMS = 4


class MixerProgram:
    """A mixer's code and weights; shared by all who run it."""

    def __init__(self, file: bytes, processor: Host | None = None) -> None:
        """`processor`: this one unless told. Raises `UnsupportedNetwork`, `EngineError`."""
        graph = Graph(file)
        float32 = np.dtype(np.float32)
        self.plan: Mixer = planned(graph, processor or machine_code.here())
        self.takes = {graph.input_name: Port(graph.shape(graph.input), float32)}
        self.gives = {
            name: Port(graph.shape(tensor), float32) for name, tensor in graph.outputs.items()
        }
        self.code = machine_code.Code(self.plan.assembly, ENTRY)
        self.weights = aligned(len(self.plan.weights))
        self.weights[:] = np.frombuffer(self.plan.weights, np.uint8)

    def scratch(self) -> NDArray[np.uint8]:
        """Memory for one who runs it."""
        block = aligned(self.plan.scratch)
        for place, floats in self.plan.ones:
            block[place : place + floats * 4].view(np.float32)[:] = 1
        return block


class MixerNetwork:
    """A mixer with memory of its own. Not thread-safe; lets go of the GIL while it runs."""

    def __init__(self, spec: ModelSpec, program: MixerProgram) -> None:
        """Raises `EngineError` where the network has other inputs or outputs than the spec says."""
        self._name = spec.name
        self._takes = signature.declared(spec.name, program.takes, spec.inputs)
        gives = signature.declared(spec.name, program.gives, spec.outputs)
        self.inputs: Mapping[str, tuple[int, ...]] = signature.shapes(self._takes)
        """Names and shapes, in the order in which they are taken."""
        self.outputs: Mapping[str, tuple[int, ...]] = signature.shapes(gives)
        """Names and shapes, in the order in which they are given."""
        self._program: MixerProgram | None = program
        self._scratch = program.scratch()
        self._aside = Aside()

    def bind(self, **constants: NDArray[Any]) -> Network:
        """The same network with these inputs fixed."""
        return BoundNetwork(self, self._name, self._takes, constants)

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Runs the network once; the array returned is the caller's to keep.

        Raises `EngineError` for arrays that the network does not take; the next call works.
        """
        program = self._program
        if program is None:
            raise EngineError(f"the network {self._name!r} was closed")
        signature.check(self._name, self._takes, inputs)
        tokens = _embedded(program.plan, inputs[0][0])
        found = np.empty(program.plan.answers_room, np.float32)
        pointers = (array.ctypes.data for array in (tokens, found, program.weights, self._scratch))
        with self._aside():
            program.code.run(*pointers)
        # Far from 0 the logistic function is 0 or 1 to the last digit.
        answers = np.clip(found[: program.plan.answers], -80, 80)
        return [1 / (1 + np.exp(-answers))]

    def close(self) -> None:
        """Frees its memory; calling it twice does no harm."""
        self._program = None
        self._scratch = aligned(0)


def load(spec: ModelSpec) -> MixerNetwork:
    """A network; its code and weights are those of the others of the same file.

    Raises as `engines.backends.llvm.network.load`.
    """
    return MixerNetwork(spec, _program(spec.path, spec.member, spec.sha256))


@lru_cache(maxsize=_MOST_PROGRAMS)
def _program(path: Path, member: str, sha256: str) -> MixerProgram:
    return MixerProgram(content(ModelSpec(path.name, path, sha256, member)))


def _embedded(plan: Mixer, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(rows, width)`: the tokens of `(n, 2)` landmarks in any unit."""
    how = plan.embedding
    centred = points - points.mean(axis=0)
    size = np.sqrt(np.square(centred).sum(axis=1)).mean()
    places = how.first @ (centred * (how.scale / size)) + how.first_bias[:, None]
    tokens = np.zeros((plan.rows, plan.width), np.float32)
    tokens[0] = how.leading
    tokens[1 : 1 + len(places)] = places @ how.second.T + how.second_bias
    return tokens
