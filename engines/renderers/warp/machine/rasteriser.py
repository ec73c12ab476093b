"""The rasteriser as machine code: LLVM assembly of one function, written by formulas.

Of each row that a triangle covers only what lies between its edges is walked, and its values there
are those of a plane through its corners. The nearest of what is drawn stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from engines.backends.llvm.machine_code import Code
from engines.backends.llvm.text import Function, Value
from engines.renderers.warp.machine.formulas import ROUNDING, Number, read, whole

VERTEX = 6
"""Floats of a vertex: x, y, depth, three values."""
BEHIND = 4096.0
"""By so much further away is what is turned over: it only shows where nothing else does."""
_PLANES = 4
_ENTRY = "rasterise"
_SMALLEST = 1e-3  # pixels², of a triangle's area, doubled
_EDGE = 1e-3  # pixels by which triangles overlap, so that rounding leaves no gap between two
_FLOAT, _INDEX = 4, 8  # bytes
_POINTERS = ("%vertices", "%triangles", "%planes", "%sides")


@cache
def rasteriser() -> Code:
    """`run(vertices, triangles, planes, sides)`: four addresses.

    `vertices`: `(n, 6)` float32. `triangles`: `(m, 3)` int64, at least one. `planes`: `(4, s, s)`
    float32, depth and values: drawn into. `sides`: int64 m and s.
    """
    function = Function(_ENTRY, [("ptr", pointer) for pointer in _POINTERS], public=True)
    count = function.let("load i64, ptr %sides")
    side = function.let(f"load i64, ptr {function.at('%sides', _INDEX)}")

    def triangle(number: Value, _: list[Value]) -> list[Value]:
        _Triangle.read(function, number).draw(side)
        return []

    function.loop(count, 1, triangle)
    return Code("\n".join([*ROUNDING, str(function)]), _ENTRY)


@dataclass(frozen=True, slots=True)
class _Edge:
    """A side of a triangle: what is inside lies on its one side in every row."""

    x: Number
    y: Number
    per_row: Number
    begins: Value
    """Whether rows begin here."""
    ends: Value
    """Whether they end here; a level side does neither."""

    def cut(self, row: Number, first: Number, last: Number) -> tuple[Number, Number]:
        """What it leaves of a row from `first` to `last`."""
        at = self.x + self.per_row * (row - self.y)
        return first.most(at).where(self.begins, first), last.least(at).where(self.ends, last)


@dataclass(frozen=True, slots=True)
class _Triangle:
    """Three corners of `VERTEX` numbers each."""

    function: Function
    corners: tuple[list[Number], list[Number], list[Number]]

    @classmethod
    def read(cls, function: Function, number: Value) -> _Triangle:
        place = function.at("%triangles", function.times(number, 3 * _INDEX))

        def corner(which: int) -> list[Number]:
            index = function.let(f"load i64, ptr {function.at(place, which * _INDEX)}")
            vertex = function.at("%vertices", function.times(index, VERTEX * _FLOAT))
            return [read(function, function.at(vertex, n * _FLOAT)) for n in range(VERTEX)]

        return cls(function, (corner(0), corner(1), corner(2)))

    def draw(self, side: Value) -> None:
        (ax, ay, *_), (bx, by, *_), (cx, cy, *_) = self.corners
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        self.function.when(area.rounded("fabs").above(_SMALLEST), lambda: self._rows(area, side))

    def _rows(self, area: Number, side: Value) -> None:
        function, (a, b, c) = self.function, self.corners
        turned = area.below(0.0)
        gradients = [self._gradient(number, area) for number in range(2, VERTEX)]
        depth = (a[2] + BEHIND).where(turned, a[2])
        at_corner = [depth, *a[3:]]
        edges = [self._edge(*ends, turned) for ends in ((a, b), (b, c), (c, a))]
        last = whole(function, side) - 1.0
        top = (a[1].least(b[1]).least(c[1]) - _EDGE).most(0.0).rounded("ceil")
        bottom = (a[1].most(b[1]).most(c[1]) + _EDGE).least(last).rounded("floor")
        left = a[0].least(b[0]).least(c[0])
        right = a[0].most(b[0]).most(c[0])

        def row(number: Value, _: list[Value]) -> list[Value]:
            index = function.plus(top.index(), number)
            y = whole(function, index)
            first, end = left, right
            for edge in edges:
                first, end = edge.cut(y, first, end)
            first = (first - _EDGE).most(0.0).rounded("ceil")
            end = (end + _EDGE).least(last).rounded("floor")
            begin = [
                value + down * (y - a[1]) - across * a[0]
                for value, (across, down) in zip(at_corner, gradients, strict=True)
            ]
            start = function.let(f"mul i64 {index}, {side}")

            def pixel(way: Value, _: list[Value]) -> list[Value]:
                x = first + whole(function, way)
                values = [
                    here + across * x for here, (across, _) in zip(begin, gradients, strict=True)
                ]
                column = function.plus(first.index(), way)
                self._put(function.plus(start, column), values, side)
                return []

            self._counted(first, end, pixel)
            return []

        self._counted(top, bottom, row)

    def _counted(
        self, first: Number, last: Number, body: Callable[[Value, list[Value]], list[Value]]
    ) -> None:
        """Repeats the body for each whole number from the first to the last, if there are any."""
        count = (last - first + 1.0).index()
        some = self.function.let(f"icmp sgt i64 {count}, 0")
        self.function.when(some, lambda: self._repeat(count, body))

    def _repeat(self, count: Value, body: Callable[[Value, list[Value]], list[Value]]) -> None:
        self.function.loop(count, 1, body)

    def _gradient(self, number: int, area: Number) -> tuple[Number, Number]:
        """How much a value changes from pixel to pixel, across and down."""
        a, b, c = self.corners
        u, v = b[number] - a[number], c[number] - a[number]
        across = (u * (c[1] - a[1]) - v * (b[1] - a[1])) / area
        down = (v * (b[0] - a[0]) - u * (c[0] - a[0])) / area
        return across, down

    def _edge(self, one: list[Number], other: list[Number], turned: Value) -> _Edge:
        down = other[1] - one[1]
        falls, rises = down.above(0.0), down.below(0.0)
        either = self.function.let
        return _Edge(
            one[0],
            one[1],
            (other[0] - one[0]) / down,
            begins=either(f"select i1 {turned}, i1 {falls}, i1 {rises}"),
            ends=either(f"select i1 {turned}, i1 {rises}, i1 {falls}"),
        )

    def _put(self, pixel: Value, values: list[Number], side: Value) -> None:
        """Writes a pixel's depth and values where what is there is further away."""
        function = self.function
        plane = function.let(f"mul i64 {side}, {side}")
        step = function.times(plane, _FLOAT)
        places = [function.at("%planes", function.times(pixel, _FLOAT))]
        for _ in range(_PLANES - 1):
            places.append(function.at(places[-1], step))

        def write() -> None:
            for value, place in zip(values, places, strict=True):
                function.do(f"store float {value.name}, ptr {place}, align 4")

        function.when(values[0].below(read(function, places[0])), write)
