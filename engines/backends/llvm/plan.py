"""A graph goes in, what runs it comes out: steps, the layout of its memory, its packed weights.

Understood are networks like MediaPipe's face mesh: a strided convolution, then bottlenecks with a
depthwise convolution (He et al., arXiv:1512.03385; Howard et al., arXiv:1704.04861), some of which
halve the picture, and matrices over all that is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engines.backends.llvm.graph import Graph, Operation
from engines.backends.llvm.host import Host, Tile
from engines.backends.llvm.kernels import FLOAT, Added, Dense, Depthwise
from engines.backends.llvm.memory import Memory, Packed
from engines.errors import UnsupportedNetwork

_HEAD_VECTORS = 8
_SAME, _VALID = 0, 1  # the schema's words for margins of zeros, and for none
_MEND = "run it by litert"
_BLOCK = ("CONV_2D", "PRELU", "DEPTHWISE_CONV_2D", "CONV_2D", "ADD", "PRELU")


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix and where its numbers lie among the weights, in bytes."""

    kernel: Dense
    matrix: int
    bias: int
    slopes: int = 0


@dataclass(frozen=True, slots=True)
class Stem:
    """The first convolution: three by three pixels of three bytes, every second one."""

    width: int
    height: int
    """Of the result."""
    product: Product
    rows: tuple[int, int, int]
    """Scratch for three rows of the picture, as floats with a margin."""
    into: int


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """Fewer channels, three by three pixels of each, more channels, added to what was before."""

    width: int
    height: int
    """Of the result."""
    narrow: Product
    depthwise: Depthwise
    weights: int
    bias: int
    wide: Product
    source: int
    source_row: int
    """Bytes of the source from a row of the result to the next."""
    into: int
    middle: int
    """Scratch for rows of few channels, with a margin of a pixel."""
    kept: int
    """How many of these rows are kept."""
    line: int
    """Scratch for as many rows without margin; one where only three are kept."""

    @property
    def padded_row(self) -> int:
        """Bytes of a row with its margin."""
        return (self.width + 2) * self.depthwise.channels * FLOAT


@dataclass(frozen=True, slots=True)
class Head:
    """One matrix over all that is left; the outputs lie behind each other in its result."""

    product: Product
    source: int


@dataclass(slots=True)
class Plan:
    """What to compute, in order, and in which memory."""

    picture: tuple[int, int, int]
    """Height, width, channels of the input, in bytes 0…255."""
    outputs: Mapping[str, tuple[int, tuple[int, ...]]]
    """By name: the first float and the shape."""
    floats_out: int
    steps: list[Stem | Bottleneck | Head]
    zeros: int
    """Scratch that nothing is written to, long enough for any row."""
    scratch: int
    """Bytes; they have to be zero before the first run."""
    weights: bytes = field(repr=False)


_ROWS_AT_ONCE = 256  # pixels: pictures of so many are done in one go, larger ones row by row


class _Planner:
    def __init__(self, graph: Graph, host: Host) -> None:
        self._graph, self._host = graph, host
        self._scratch, self._packed = Memory(), Packed()
        self._longest = 0
        shape = graph.shape(graph.input)
        if len(shape) != 4:
            raise UnsupportedNetwork(f"the network takes {shape}, not a picture; {_MEND}")
        _, self._height, self._width, self._channels = shape
        self._at = 0

    def plan(self) -> Plan:
        operations = self._graph.operations
        picture = (self._height, self._width, self._channels)
        steps: list[Stem | Bottleneck | Head] = [self._stem(*operations[:2])]
        rest = operations[2:]
        while (length := _length_of_block(rest)) is not None:
            steps.append(self._bottleneck([node for node in rest[:length] if node.kind in _BLOCK]))
            rest = rest[length:]
        head, outputs, floats_out = self._head(rest)
        steps.append(head)
        zeros = self._scratch.take(self._longest)
        return Plan(
            picture, outputs, floats_out, steps, zeros, self._scratch.size, self._packed.content
        )

    def _stem(self, convolution: Operation, slopes: Operation) -> Stem:
        _expect(convolution, "CONV_2D", padding=_SAME, strideW=2, strideH=2)
        _expect(slopes, "PRELU")
        weights = self._graph.constant(convolution.inputs[1])
        channels, *shape = weights.shape
        if shape != [3, 3, 3] or self._width % 32 or self._height % 2:
            raise _unsupported("CONV_2D", "of this size")
        row = (self._width + 1) * 3
        self._longest = max(self._longest, row)
        self._height, self._width = self._height // 2, self._width // 2
        self._channels = channels
        kernel = Dense(self._host.tile(self._width, channels), (9, 9, 9), 6, channels)
        product = self._product(
            kernel, weights.reshape(channels, 27), convolution.inputs[2], slopes.inputs[1]
        )
        rows = tuple(self._scratch.take(row) for _ in range(3))
        self._at = self._scratch.take(self._height * self._width * channels)
        return Stem(self._width, self._height, product, (rows[0], rows[1], rows[2]), self._at)

    def _bottleneck(self, nodes: Sequence[Operation]) -> Bottleneck:
        narrow, first_slopes, deep, wide, _, last_slopes = nodes
        _expect(deep, "DEPTHWISE_CONV_2D", padding=_SAME, strideW=1, strideH=1, depthMultiplier=1)
        _expect(wide, "CONV_2D", strideW=1, strideH=1)
        before, matrix = self._channels, self._graph.constant(narrow.inputs[1])
        channels, side = matrix.shape[0], matrix.shape[1]
        halves = side == 2
        _expect(narrow, "CONV_2D", padding=_VALID, strideW=side, strideH=side)
        if halves:
            self._height, self._width = self._height // 2, self._width // 2
        host, width, height = self._host, self._width, self._height
        runs, stride = ((2 * before, 2 * before), 2 * before) if halves else ((before,), before)
        into_few = Dense(host.tile(width, channels), runs, stride, channels)
        grown = self._graph.constant(wide.inputs[1])
        self._channels = grown.shape[0]
        into_many = Dense(
            host.tile(width, self._channels),
            (channels,),
            channels,
            self._channels,
            Added.LARGEST if halves else Added.BEFORE,
            before if halves else 0,
        )
        source = self._at
        if halves:
            self._at = self._scratch.take(height * width * self._channels)
        kept = 3 if width * height > _ROWS_AT_ONCE else height
        padded = (width + 2) * channels
        self._longest = max(self._longest, padded)
        lines = (1 if kept == 3 else kept) * width * channels
        return Bottleneck(
            width,
            height,
            self._product(
                into_few, matrix.reshape(channels, -1), narrow.inputs[2], first_slopes.inputs[1]
            ),
            Depthwise(width, channels, host),
            self._packed.keep(self._graph.constant(deep.inputs[1])),
            self._packed.keep(self._graph.constant(deep.inputs[2])),
            self._product(
                into_many, grown.reshape(self._channels, -1), wide.inputs[2], last_slopes.inputs[1]
            ),
            source,
            (4 if halves else 1) * width * before * FLOAT,
            self._at,
            self._scratch.share(kept * padded, "middle", width, channels, kept),
            kept,
            self._scratch.share(lines, "line", width, channels, kept),
        )

    def _head(
        self, nodes: Sequence[Operation]
    ) -> tuple[Head, dict[str, tuple[int, tuple[int, ...]]], int]:
        made = {node.outputs[0]: node for node in nodes if node.kind == "CONV_2D"}
        length = self._height * self._width * self._channels
        matrices, biases, outputs, start = [], [], {}, 0
        for name, tensor in self._graph.outputs.items():
            if tensor not in made:
                continue  # of no interest to anybody who names the outputs that are
            _expect(made[tensor], "CONV_2D", padding=_VALID, strideW=1, strideH=1)
            matrix = self._graph.constant(made[tensor].inputs[1])
            if matrix[0].size != length:
                raise _unsupported("CONV_2D", "over a part of what is left")
            matrices.append(matrix.reshape(-1, length))
            biases.append(self._graph.constant(made[tensor].inputs[2]))
            outputs[name] = (start, self._graph.shape(tensor))
            start += len(matrix)
        if not outputs:
            raise _unsupported("CONV_2D", "nowhere at the end")
        tile = Tile(1, _HEAD_VECTORS, self._host.lanes)
        count = -(-start // tile.channels) * tile.channels
        kernel = Dense(tile, (length,), length, count, activated=False, halves=self._host.halves)
        product = Product(
            kernel,
            self._packed.matrix(
                np.pad(np.concatenate(matrices), ((0, count - start), (0, 0))), kernel
            ),
            self._packed.keep(np.pad(np.concatenate(biases), (0, count - start))),
        )
        return Head(product, self._at), outputs, count

    def _product(
        self, kernel: Dense, matrix: NDArray[np.float32], bias: int, slopes: int
    ) -> Product:
        """`matrix`: `(result, source)`."""
        return Product(
            kernel,
            self._packed.matrix(matrix, kernel),
            self._packed.keep(self._graph.constant(bias)),
            self._packed.keep(self._graph.constant(slopes)),
        )


def planned(graph: Graph, host: Host) -> Plan:
    """The plan of a network; raises `UnsupportedNetwork` where it is of another kind."""
    return _Planner(graph, host).plan()


def _length_of_block(nodes: Sequence[Operation]) -> int | None:
    """How many of the operations make up the bottleneck that they begin with."""
    for kinds in (
        _BLOCK,
        (_BLOCK[0], "MAX_POOL_2D", *_BLOCK[1:]),
        (_BLOCK[0], "MAX_POOL_2D", "PAD", *_BLOCK[1:]),
    ):
        if tuple(node.kind for node in nodes[: len(kinds)]) == kinds:
            return len(kinds)
    return None


def _expect(node: Operation, kind: str, **options: int) -> None:
    options |= {"fusedActivationFunction": 0} if kind != "PRELU" else {}
    if node.kind != kind:
        raise _unsupported(node.kind, f"where {kind} was expected")
    for name, value in options.items():
        if node.options.get(name, value) != value:
            raise _unsupported(kind, f"with {name} {node.options[name]}")


def _unsupported(kind: str, how: str) -> UnsupportedNetwork:
    return UnsupportedNetwork(f"the network has a {kind} {how}, which is not translated; {_MEND}")
