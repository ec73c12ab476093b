"""A compiled mixer: landmarks go in, blendshapes come out."""

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
from engines.backends.llvm.mixer import Mixer, planned
from engines.backends.llvm.program import ENTRY
from engines.backends.llvm.source import content
from engines.backends.signature import Port
from engines.types import ModelSpec

_MOST_PROGRAMS = 4


class MixerProgram:
    """A mixer's code and weights; shared by all who run it."""

    def __init__(self, file: bytes, processor: Host | None = None) -> None:
        """`processor`: this one unless told. Raises `UnsupportedNetwork`, `EngineError`."""
        graph = Graph(file)
        float32 = np.dtype(np.float32)
        self.plan: Mixer = planned(graph, processor or machine_code.here())
        self.takes: Mapping[str, Port] = {graph.input_name: Port(graph.shape(graph.input), float32)}
        self.gives: Mapping[str, Port] = {
            name: Port(graph.shape(tensor), float32) for name, tensor in graph.outputs.items()
        }
        self.room = self.plan.answers_room
        self.code = machine_code.Code(self.plan.assembly, ENTRY)
        self.weights = aligned(len(self.plan.weights))
        self.weights[:] = np.frombuffer(self.plan.weights, np.uint8)

    def scratch(self) -> NDArray[np.uint8]:
        """Memory for one who runs it."""
        block = aligned(self.plan.scratch)
        for place, floats in self.plan.ones:
            block[place : place + floats * 4].view(np.float32)[:] = 1
        return block

    def fed(self, value: NDArray[Any]) -> NDArray[Any]:
        """The tokens of the landmarks."""
        return _embedded(self.plan, value[0])

    def read(self, found: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """The only output: the logistic function of what was found."""
        # Far from 0 it is 0 or 1 to the last digit.
        return np.asarray(1 / (1 + np.exp(-np.clip(found[: self.plan.answers], -80, 80))))


def load(spec: ModelSpec) -> CompiledNetwork:
    """A network; its code and weights are those of the others of the same file.

    Raises as `engines.backends.llvm.network.load`.
    """
    return CompiledNetwork(spec, _program(spec.path, spec.member, spec.sha256))


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
