"""A mixer network goes in, the assembly that runs it and its packed weights come out.

MediaPipe's blendshapes are found by an MLP-Mixer (Tolstikhin et al., arXiv:2105.01601): a picture's
landmarks become tokens of 64 numbers, which are mixed across tokens and across their numbers in
turn. What the answer does not depend on is left out: of the last block it is the first token alone.

A bias across tokens is a column more of the weights and a row of ones more of what they multiply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engines.backends.llvm.graph import Graph
from engines.backends.llvm.host import Host, Tile
from engines.backends.llvm.kernels import FLOAT, Added, Dense, Normalised
from engines.backends.llvm.memory import Memory, Packed
from engines.backends.llvm.program import ENTRY, POINTERS, Kernels
from engines.backends.llvm.text import Function, Value
from engines.errors import UnsupportedNetwork

_TOGETHER = 4  # rows of a tile: counts of rows are rounded up to it
_BLOCKS = 4


@dataclass(frozen=True, slots=True)
class Embedding:
    """From landmarks to tokens, `second @ (first @ points + first_bias).T + second_bias`."""

    first: NDArray[np.float32]
    first_bias: NDArray[np.float32]
    second: NDArray[np.float32]
    second_bias: NDArray[np.float32]
    leading: NDArray[np.float32]
    """The token before all others."""
    scale: np.float32
    """Of the points, once they are centred and of mean length 1."""


@dataclass(slots=True)
class Mixer:
    """What runs the network."""

    embedding: Embedding
    assembly: str
    rows: int
    """Of the tokens that it works on in place; those behind the last token are zero."""
    width: int
    """Of a token."""
    answers: int
    answers_room: int
    """Floats that the answers are written to, before the logistic function."""
    scratch: int
    """Bytes; zero before the first run but for `ones`."""
    ones: Sequence[tuple[int, int]]
    """Places of rows of ones in the scratch, in bytes, and their floats."""
    weights: bytes = field(repr=False)


def planned(graph: Graph, host: Host) -> Mixer:
    """Raises `UnsupportedNetwork` where the network is of another kind."""
    return _Planner(graph, host).plan()


class _Planner:
    def __init__(self, graph: Graph, host: Host) -> None:
        dense = [node for node in graph.operations if node.kind == "CONV_2D"]
        self._matrices = [
            (graph.constant(node.inputs[1]).squeeze((1, 2)), graph.constant(node.inputs[2]))
            for node in dense
            if graph.shape(node.inputs[1])[1:3] == (1, 1)
        ]
        scaled = [node for node in graph.operations if node.kind == "MUL"]
        self._factors = [
            graph.constant(node.inputs[1]) for node in scaled if graph.is_stored(node.inputs[1])
        ]
        leading = [node.inputs[0] for node in graph.operations if node.kind == "CONCATENATION"]
        if len(self._matrices) != 3 + 4 * _BLOCKS or len(self._factors) != 1 + 2 * _BLOCKS:
            raise _unsupported()
        if len(leading) != 1 or not graph.is_stored(leading[0]):
            raise _unsupported()
        (first, first_bias), (second, second_bias) = self._matrices[:2]
        token = graph.constant(leading[0]).reshape(-1)
        self._embedding = Embedding(
            first, first_bias, second, second_bias, token, self._factors[0].reshape(-1)[0]
        )
        self._epsilon = self._stored_addend(graph)
        self._tokens, self._width = len(first) + 1, len(second)
        self._host = host
        self._scratch, self._packed, self._kernels = Memory(), Packed(), Kernels()
        self._run = Function(ENTRY, [("ptr", pointer) for pointer in POINTERS], public=True)

    def _stored_addend(self, graph: Graph) -> float:
        found = {
            float(graph.constant(node.inputs[1]).reshape(-1)[0])
            for node in graph.operations
            if node.kind == "ADD" and graph.is_stored(node.inputs[1])
        }
        if len(found) != 1:
            raise _unsupported()
        return found.pop()

    def plan(self) -> Mixer:
        rows, width = _rounded(self._tokens), self._width
        hidden = self._matrices[2][0].shape[0]
        wide = self._matrices[4][0].shape[0]
        self._no_bias = self._packed.keep(np.zeros(max(width, wide), np.float32))
        self._calm = self._scratch.take(rows * width)
        self._mixed = self._scratch.take(_rounded(hidden + 1) * width)
        self._grown = self._scratch.take(rows * wide)
        for block in range(_BLOCKS):
            self._block(block, last=block == _BLOCKS - 1)
        matrix, bias = self._matrices[-1]
        tile = Tile(1, min(4, width // self._host.lanes), self._host.lanes)
        room = -(-len(matrix) // tile.channels) * tile.channels
        padding = room - len(matrix)
        head = Dense(tile, (width,), width, room, activated=False)
        self._multiply(
            head,
            1,
            "%outputs",
            self._weights(self._packed.matrix(np.pad(matrix, ((0, padding), (0, 0))), head)),
            self._packed.keep(np.pad(bias, (0, padding))),
            "%picture",
        )
        row = width * FLOAT
        return Mixer(
            self._embedding,
            self._kernels.assembly(self._run),
            rows,
            width,
            len(matrix),
            room,
            self._scratch.size,
            [
                (self._calm + self._tokens * row, width),
                (self._mixed + hidden * row, width),
            ],
            self._packed.content,
        )

    def _block(self, number: int, *, last: bool) -> None:
        start = 2 + 4 * number
        across, back, wider, narrower = self._matrices[start : start + 4]
        width, tokens = self._width, 1 if last else self._tokens
        rows = _rounded(tokens)
        if across[0].shape[1] != self._tokens or wider[0].shape[1] != width:
            raise _unsupported()
        self._normalise(self._factors[1 + 2 * number], self._tokens)
        self._across(across, len(across[0]), self._mixed, self._calm, activated=True)
        self._across(back, tokens, None, self._mixed, activated=False)
        self._normalise(self._factors[2 + 2 * number], tokens)
        self._along(wider, rows, self._scratch_at(self._grown), self._scratch_at(self._calm))
        self._along(narrower, rows, "%picture", self._scratch_at(self._grown))

    def _normalise(self, factors: NDArray[np.float32], tokens: int) -> None:
        kernel = Normalised(self._width, self._epsilon, self._host.lanes)
        into, weights = self._scratch_at(self._calm), self._weights(self._packed.keep(factors))
        self._run.call(self._kernels(kernel), str(tokens), into, "%picture", weights)

    def _across(
        self,
        layer: tuple[NDArray[np.float32], NDArray[np.float32]],
        rows: int,
        into: int | None,
        source: int,
        *,
        activated: bool,
    ) -> None:
        """The weights are the pixels, the tokens the matrix. `into`: added to them unless told."""
        matrix, bias = layer
        matrix = np.column_stack([matrix[:rows], bias[:rows]])
        padding = _rounded(len(matrix)) - len(matrix), _rounded(matrix.shape[1]) - matrix.shape[1]
        matrix = np.pad(matrix, ((0, padding[0]), (0, padding[1])))
        lanes = self._host.lanes
        pixels = next(count for count in (4, 2, 1) if count * self._width // lanes <= self._sums)
        kernel = Dense(
            Tile(pixels, self._width // lanes, lanes),
            (matrix.shape[1],),
            matrix.shape[1],
            self._width,
            Added.BEFORE if into is None else Added.NOTHING,
            activated=activated,
        )
        target = "%picture" if into is None else self._scratch_at(into)
        weights = self._weights(self._packed.keep(matrix))
        self._multiply(
            kernel, len(matrix), target, self._scratch_at(source), self._no_bias, weights
        )

    @property
    def _sums(self) -> int:
        """Sums that stay in registers."""
        return max(8, self._host.registers // 2)

    def _along(
        self,
        layer: tuple[NDArray[np.float32], NDArray[np.float32]],
        rows: int,
        into: Value,
        source: Value,
    ) -> None:
        matrix, bias = layer
        count, length = matrix.shape
        grows = into != "%picture"
        tile = self._host.tile(rows, count)
        kernel = Dense(
            tile,
            (length,),
            length,
            count,
            Added.NOTHING if grows else Added.BEFORE,
            activated=grows,
        )
        place = self._weights(self._packed.matrix(matrix, kernel))
        self._multiply(kernel, rows, into, place, self._packed.keep(bias), source)

    def _multiply(
        self, kernel: Dense, rows: int, into: Value, matrix: Value, bias: int, source: Value
    ) -> None:
        # Below zero, the slope of what is activated is none at all.
        slopes = self._weights(self._no_bias)
        self._run.call(
            self._kernels(kernel), str(rows), into, matrix, self._weights(bias), slopes, source
        )

    def _scratch_at(self, place: int) -> Value:
        return self._run.at("%scratch", place)

    def _weights(self, place: int) -> Value:
        return self._run.at("%weights", place)


def _rounded(rows: int) -> int:
    return -(-rows // _TOGETHER) * _TOGETHER


def _unsupported() -> UnsupportedNetwork:
    return UnsupportedNetwork("the network is no mixer of the known kind; run it by litert")
