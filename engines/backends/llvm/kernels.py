"""The loops that a network is made of, fused: LLVM assembly for one row of pixels each.

Pictures lie channel by channel within a pixel (NHWC), so a register holds neighbouring channels of
one pixel, and a pixel's own values are spread over all lanes one after another.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

import numpy as np

from engines.backends.llvm.host import Host, Tile
from engines.backends.llvm.text import Function, Value

FLOAT = 4  # bytes
HALF = 2
_UNROLLED = (9, 4, 2, 1)
_ROWS = ("%above", "%below")
_THREE = ("%above", "%same", "%below")
_BYTES_AT_ONCE = 16


class Added(Enum):
    """What is added to a product."""

    NOTHING = "nothing"
    BEFORE = "before"
    """What stood where the result is written."""
    LARGEST = "largest"
    """The largest of the four pixels that a pixel of half the size covers."""


@dataclass(frozen=True, slots=True)
class Dense:
    """A product with a matrix for each pixel of a row: a convolution without overlap."""

    tile: Tile
    runs: tuple[int, ...]
    """How many floats each of the pieces of memory contributes to one pixel of the result."""
    stride: int
    """Floats from a pixel's first value to the next one's, in each of the pieces."""
    channels: int
    """Of the result."""
    added: Added = Added.NOTHING
    pooled: int = 0
    """Channels of what `LARGEST` is taken of; the result's others have nothing added."""
    activated: bool = True
    halves: bool = False
    """The matrix is in half precision."""

    def function(self, name: str) -> Function:
        """Takes the number of pixels, the result, matrix, bias, slopes, and the pieces.

        Before the pieces, for `LARGEST`: the two rows of which it is taken.
        """
        pieces = [f"%piece{number}" for number in range(len(self.runs))]
        rows = list(_ROWS) if self.added is Added.LARGEST else []
        pointers = ["%into", "%matrix", "%bias", "%slopes", *rows, *pieces]
        f = Function(name, [("i64", "%count"), *(("ptr", pointer) for pointer in pointers)])
        f.loop("%count", self.tile.pixels, lambda first, _: self._tiles(f, first))
        return f

    def _tiles(self, f: Function, first: Value) -> list[Value]:
        into = f.at("%into", f.times(first, self.channels * FLOAT))
        pieces = [
            f.at(f"%piece{number}", f.times(first, self.stride * FLOAT))
            for number in range(len(self.runs))
        ]
        rows = []
        if self.added is Added.LARGEST:
            further = f.times(first, 2 * self.pooled * FLOAT)
            rows = [f.at(row, further) for row in _ROWS]
        for start in range(0, self.channels, self.tile.channels):
            for number, product in enumerate(self._products(f, start, pieces)):
                pixel, vector = divmod(number, self.tile.vectors)
                channel = start + vector * self.tile.lanes
                place = f.at(into, (pixel * self.channels + channel) * FLOAT)
                total = product
                if self.added is Added.BEFORE:
                    total = f.add(product, f.load(place, self.tile.lanes), self.tile.lanes)
                elif rows and channel < self.pooled:
                    total = self._with_largest(f, product, rows, 2 * pixel, channel)
                f.store(self._bent(f, total, channel), place, self.tile.lanes)
        return []

    def _products(self, f: Function, start: int, pieces: list[Value]) -> list[Value]:
        """The sums of one tile's channels, pixel by pixel."""
        tile, size = self.tile, HALF if self.halves else FLOAT
        kind = f"<{tile.lanes} x float>"
        bias = [
            f.load(f.at("%bias", (start + vector * tile.lanes) * FLOAT), tile.lanes)
            for vector in range(tile.vectors)
        ]
        sums = bias * tile.pixels
        row = start * sum(self.runs) * size
        for piece, run in zip(pieces, self.runs, strict=True):
            unrolled = next(number for number in _UNROLLED if not run % number)
            matrix = f.at("%matrix", row)

            def body(
                k: Value,
                carried: list[Value],
                piece: Value = piece,
                matrix: Value = matrix,
                unrolled: int = unrolled,
            ) -> list[Value]:
                values = f.at(piece, f.times(k, FLOAT))
                weights = f.at(matrix, f.times(k, tile.channels * size))
                for step in range(unrolled):
                    carried = self._multiply(f, carried, step, values, weights)
                return carried

            sums = f.loop(run, unrolled, body, sums, kind)
            row += run * tile.channels * size
        return sums

    def _multiply(
        self, f: Function, sums: list[Value], step: int, values: Value, weights: Value
    ) -> list[Value]:
        tile = self.tile
        load, size = (f.load_halves, HALF) if self.halves else (f.load, FLOAT)
        row = [
            load(f.at(weights, (step * tile.channels + vector * tile.lanes) * size), tile.lanes)
            for vector in range(tile.vectors)
        ]
        result = []
        for pixel in range(tile.pixels):
            value = f.spread(f.at(values, (pixel * self.stride + step) * FLOAT), tile.lanes)
            for vector, weight in enumerate(row):
                total = sums[pixel * tile.vectors + vector]
                result.append(f.fma(value, weight, total, tile.lanes))
        return result

    def _with_largest(
        self, f: Function, total: Value, rows: list[Value], pixel: int, channel: int
    ) -> Value:
        lanes = self.tile.lanes
        first, *others = [
            f.load(f.at(row, ((pixel + step) * self.pooled + channel) * FLOAT), lanes)
            for row in rows
            for step in (0, 1)
        ]
        for other in others:
            first = f.pick("ogt", other, first, other, first, lanes)
        return f.add(total, first, lanes)

    def _bent(self, f: Function, total: Value, channel: int) -> Value:
        """Below zero, the sum times its channel's slope."""
        if not self.activated:
            return total
        lanes = self.tile.lanes
        slope = f.load(f.at("%slopes", channel * FLOAT), lanes)
        bent = f.scaled(total, slope, lanes)
        return f.pick("olt", total, "zeroinitializer", bent, total, lanes)


@dataclass(frozen=True, slots=True)
class Depthwise:
    """Three by three pixels of each channel by itself; the rows have a pixel of margin."""

    width: int
    channels: int
    host: Host

    def function(self, name: str) -> Function:
        """Takes the result, weights, bias, and the row above, the same one and the one below."""
        f = Function(
            name, [("ptr", pointer) for pointer in ("%into", "%weights", "%bias", *_THREE)]
        )
        lanes = min(self.host.lanes, self.channels)
        f.loop(self.channels, lanes, lambda channel, _: self._columns(f, channel, lanes))
        return f

    def _columns(self, f: Function, channel: Value, lanes: int) -> list[Value]:
        """All pixels of a few channels: their weights stay in registers."""
        across = f.times(channel, FLOAT)
        own = f.at("%weights", across)
        weights = [f.load(f.at(own, tap * self.channels * FLOAT), lanes) for tap in range(9)]
        bias = f.load(f.at("%bias", across), lanes)
        into, *rows = [f.at(pointer, across) for pointer in ("%into", *_THREE)]
        pixels = min(self.width, 4 if self.host.registers >= 32 else 2)

        def some(x: Value, _: list[Value]) -> list[Value]:
            sums = [bias] * pixels
            further = f.times(x, self.channels * FLOAT)
            for row, taps in zip(rows, (weights[:3], weights[3:6], weights[6:]), strict=True):
                near = f.at(row, further)
                seen = [
                    f.load(f.at(near, step * self.channels * FLOAT), lanes)
                    for step in range(pixels + 2)
                ]
                for pixel in range(pixels):
                    for tap, weight in enumerate(taps):
                        sums[pixel] = f.fma(seen[pixel + tap], weight, sums[pixel], lanes)
            place = f.at(into, further)
            for pixel, total in enumerate(sums):
                f.store(total, f.at(place, pixel * self.channels * FLOAT), lanes)
            return []

        f.loop(self.width, pixels, some)
        return []


@dataclass(frozen=True, slots=True)
class Widened:
    """Bytes as floats, times a factor."""

    count: int
    """A multiple of 16."""
    factor: float

    def function(self, name: str) -> Function:
        """Takes the bytes and the floats."""
        f = Function(name, [("ptr", "%bytes"), ("ptr", "%floats")])
        lanes = _BYTES_AT_ONCE
        factor = "<" + ", ".join([f"float {_number(self.factor)}"] * lanes) + ">"

        def some(first: Value, _: list[Value]) -> list[Value]:
            values = f.load_bytes(f.at("%bytes", first), lanes)
            place = f.at("%floats", f.times(first, FLOAT))
            f.store(f.scaled(values, factor, lanes), place, lanes)
            return []

        f.loop(self.count, lanes, some)
        return f


@dataclass(frozen=True, slots=True)
class Normalised:
    """Each row less its mean, over its standard deviation, times a factor for each channel."""

    channels: int
    epsilon: float
    """Added to the variance."""
    lanes: int

    def function(self, name: str) -> Function:
        """Takes the number of rows, the result, the rows and the factors."""
        pointers = ("%into", "%rows", "%factors")
        f = Function(name, [("i64", "%count"), *(("ptr", pointer) for pointer in pointers)])
        places = range(0, self.channels * FLOAT, self.lanes * FLOAT)
        share = _number(1 / self.channels)

        def row(number: Value, _: list[Value]) -> list[Value]:
            further = f.times(number, self.channels * FLOAT)
            into, source = f.at("%into", further), f.at("%rows", further)
            values = [f.load(f.at(source, place), self.lanes) for place in places]
            mean = f.let(f"fmul float {self._sum(f, values)}, {share}")
            centre = f.everywhere(mean, self.lanes)
            kind = f"<{self.lanes} x float>"
            apart = [f.let(f"fsub {kind} {value}, {centre}") for value in values]
            squares = [f.scaled(value, value, self.lanes) for value in apart]
            variance = f.let(f"fmul float {self._sum(f, squares)}, {share}")
            safe = f.let(f"fadd float {variance}, {_number(self.epsilon)}")
            deviation = f.let(f"call float @llvm.sqrt.f32(float {safe})")
            inverse = f.everywhere(f.let(f"fdiv float 1.0, {deviation}"), self.lanes)
            for place, value in zip(places, apart, strict=True):
                factor = f.load(f.at("%factors", place), self.lanes)
                factor = f.scaled(factor, inverse, self.lanes)
                f.store(f.scaled(value, factor, self.lanes), f.at(into, place), self.lanes)
            return []

        f.loop("%count", 1, row)
        return f

    def _sum(self, f: Function, values: list[Value]) -> Value:
        total, *others = values
        for other in others:
            total = f.add(total, other, self.lanes)
        kind = f"<{self.lanes} x float>"
        name = f"@llvm.vector.reduce.fadd.v{self.lanes}f32"
        return f.let(f"call reassoc float {name}(float 0.0, {kind} {total})")


def _number(value: float) -> Value:
    """A float32 as an assembler takes it: the sixteen digits of the double that is equal to it."""
    (digits,) = struct.unpack(">Q", struct.pack(">d", float(np.float32(value))))
    return f"0x{digits:016X}"
