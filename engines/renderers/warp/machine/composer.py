"""What makes the picture of map, texture and plate, as machine code: one pass, a row at a time.

Each pixel is looked up between four of the texture, lit, and laid over the plate before anything of
it is written to memory.
"""

from __future__ import annotations

from functools import cache

from engines.backends.llvm.machine_code import Code
from engines.backends.llvm.text import Function, Value
from engines.renderers.warp.machine.formulas import (
    LANES,
    ROUNDING,
    Number,
    constant_row,
    read,
    read_row,
    row_of,
    whole,
)

_ENTRY = "compose"
_POINTERS = ("%texture", "%maps", "%picture", "%numbers")
_INTS = f"<{LANES} x i32>"
_BYTES = f"<{LANES} x i8>"
_PLACES = f"<{LANES} x ptr>"
_GATHER = f"@llvm.masked.gather.v{LANES}i32.v{LANES}p0"
_MASK = f"<{LANES} x i1>"
_ALL = f"<{', '.join(['i1 true'] * LANES)}>"


LARGEST_MAP = 512
"""Pixels of a map's side."""
_PLANES = 3
_LINE = LARGEST_MAP + 2 * LANES
"""Floats of a line of the map: it goes on beyond its ends as it ends."""


@cache
def composer(step: int) -> Code:
    """`run(texture, maps, picture, numbers)`: four addresses.

    `step`: pixels of the picture for each of the map: 1, 2, 4, 8 or 16. `texture`: `(t, t, 4)`
    uint8, colours multiplied by the matte. `maps`: `(3, m, m)` float32, column and row of the
    texture, and light. `picture`: `(h, w, 3)` uint8, w a multiple of `LANES`: drawn over.
    `numbers`: int64 h, w, t, m, and `(m, 2)`: for each row of the map the first column of the
    picture, a multiple of `LANES`, and how many times `LANES` columns there are.
    """
    function = Function(_ENTRY, [("ptr", pointer) for pointer in _POINTERS], public=True)
    _Composer(function, step).write()
    declared = f"declare {_INTS} {_GATHER}({_PLACES}, i32, {_MASK}, {_INTS})"
    return Code("\n".join([*ROUNDING, declared, str(function)]), _ENTRY)


class _Composer:
    def __init__(self, function: Function, step: int) -> None:
        self._function, self._step = function, step
        self._height, self._width, self._side, self._rows = (
            function.let(f"load i64, ptr {function.at('%numbers', 8 * number)}")
            for number in range(4)
        )
        self._spans = function.at("%numbers", 32)
        self._plane = self._times(self._times(self._rows, self._rows), "4")
        self._furthest = (whole(function, self._side) - 2.0).row()
        self._last_row = (whole(function, self._side) - 1.0).row()
        self._line = function.let(f"alloca [{_PLANES * _LINE} x float], align 64")

    def write(self) -> None:
        """Every row of the picture."""
        self._function.loop(self._height, 1, self._row)

    def _row(self, row: Value, _: list[Value]) -> list[Value]:
        function = self._function
        nearest = function.let(f"udiv i64 {row}, {self._step}")
        span = function.at(self._spans, function.times(nearest, 16))
        left = function.let(f"load i64, ptr {span}")
        count = function.let(f"load i64, ptr {function.at(span, 8)}")
        start = self._times(row, self._width)

        def pixels(number: Value, _: list[Value]) -> list[Value]:
            column = function.plus(left, function.times(number, LANES))
            x, y, light = (self._mapped(column, plane) for plane in range(_PLANES))
            pixel = function.let(f"add i64 {start}, {column}")
            self._put(
                function.at("%picture", function.times(pixel, 3)), self._looked_up(x, y), light
            )
            return []

        def draw() -> None:
            self._read_line(row)
            function.loop(count, 1, pixels)

        function.when(function.let(f"icmp sgt i64 {count}, 0"), draw)
        return []

    def _read_line(self, row: Value) -> None:
        """What the map has for a row of the picture, between two of its own."""
        function = self._function
        # pixels have their centres half a pixel from their edges, those of the map too
        at = ((whole(function, row) + 0.5) * (1 / self._step) - 0.5).most(0.0)
        above = at.rounded("floor")
        share = (at - above).row()
        below = (above + 1.0).least(whole(function, self._rows) - 1.0)
        first, other = (
            function.at("%maps", self._times(self._times(line.index(), self._rows), "4"))
            for line in (above, below)
        )
        end = function.plus(self._rows, -LANES)

        def piece(column: Value, _: list[Value]) -> list[Value]:
            inside = function.let(f"icmp slt i64 {column}, {end}")
            place = function.times(function.choose(inside, column, end), 4)
            for plane in range(_PLANES):
                offset = function.let(f"add i64 {place}, {self._times(self._plane, str(plane))}")
                here, next_ = (
                    read_row(function, function.at(one, offset)) for one in (first, other)
                )
                self._keep(here.toward(next_, share), plane, place, LANES)
            return []

        function.loop(self._rows, LANES, piece)
        last = function.times(function.plus(self._rows, -1), 4)
        for plane in range(_PLANES):
            for ends, offset in (("0", 0), (last, LANES + 1)):
                value = read(function, function.at(self._lines(plane, LANES), ends))
                self._keep(value.row(), plane, ends if offset else "0", offset)

    def _lines(self, plane: int, column: int) -> Value:
        return self._function.at(self._line, 4 * (plane * _LINE + column))

    def _keep(self, values: Number, plane: int, place: Value, column: int) -> None:
        self._function.store(
            values.name, self._function.at(self._lines(plane, column), place), LANES
        )

    def _times(self, one: Value, other: Value) -> Value:
        return self._function.let(f"mul i64 {one}, {other}")

    def _mapped(self, column: Value, plane: int) -> Number:
        """A line's values at some columns of the picture, between two of its own."""
        function = self._function
        step = self._step
        shifted = LANES - 1 if step > 1 else LANES
        cell = function.let(f"udiv i64 {column}, {step}")
        line = function.at(self._lines(plane, shifted), function.times(cell, 4))
        values = read_row(function, line)
        at = [(lane + 0.5) / step - 0.5 + (step > 1) for lane in range(LANES)]
        here = self._picked(values, [int(place) for place in at])
        if step == 1:
            return here
        beside = self._picked(values, [int(place) + 1 for place in at])
        return here.toward(beside, constant_row(function, [place % 1 for place in at]))

    def _picked(self, values: Number, lanes: list[int]) -> Number:
        order = ", ".join(f"i32 {lane}" for lane in lanes)
        picked = (
            f"shufflevector {values.kind} {values.name}, {values.kind} poison,"
            f" <{LANES} x i32> <{order}>"
        )
        return Number(self._function, self._function.let(picked), values.kind)

    def _looked_up(self, x: Number, y: Number) -> list[Number]:
        """Four channels of the texture between its pixels; beyond its edges it goes on as there."""
        x, y = (place.most(0.0).least(self._last_row) for place in (x, y))
        left = x.rounded("floor").least(self._furthest)
        top = y.rounded("floor").least(self._furthest)
        across, down = x - left, y - top
        function = self._function
        column, row = (
            function.let(f"fptosi <{LANES} x float> {place.name} to {_INTS}")
            for place in (left, top)
        )
        side = whole(function, self._side).row()
        wide = function.let(f"fptosi <{LANES} x float> {side.name} to {_INTS}")
        pixel = function.let(f"mul {_INTS} {row}, {wide}")
        pixel = function.let(f"add {_INTS} {pixel}, {column}")
        next_row = function.let(f"add {_INTS} {pixel}, {wide}")
        taken = [self._gathered(base, which) for which in (pixel, next_row) for base in ("0", "4")]
        channels = []
        for channel in range(4):
            one, beside, under, across_from = (self._channel(of, channel) for of in taken)
            upper = one.toward(beside, across)
            channels.append(upper.toward(under.toward(across_from, across), down))
        return channels

    def _gathered(self, base: Value, pixel: Value) -> Value:
        function = self._function
        texture = function.at("%texture", base)
        places = function.let(f"getelementptr i32, ptr {texture}, {_INTS} {pixel}")
        return function.let(
            f"call {_INTS} {_GATHER}({_PLACES} {places}, i32 4, {_MASK} {_ALL}, {_INTS} poison)"
        )

    def _channel(self, pixels: Value, channel: int) -> Number:
        function = self._function
        if channel:
            by = f"<{', '.join([f'i32 {8 * channel}'] * LANES)}>"
            pixels = function.let(f"lshr {_INTS} {pixels}, {by}")
        if channel < 3:
            mask = f"<{', '.join(['i32 255'] * LANES)}>"
            pixels = function.let(f"and {_INTS} {pixels}, {mask}")
        return Number(
            function,
            function.let(f"sitofp {_INTS} {pixels} to <{LANES} x float>"),
            f"<{LANES} x float>",
        )

    def _put(self, place: Value, looked_up: list[Number], light: Number) -> None:
        """Lays lit colours over what the picture has there."""
        function = self._function
        *colours, matte = looked_up
        rest = (matte * (-1.0 / 255)) + 1.0
        triple = f"<{3 * LANES} x i8>"
        behind = function.let(f"load {triple}, ptr {place}, align 1")
        shown = []
        for channel, colour in enumerate(colours):
            picks = ", ".join(f"i32 {3 * lane + channel}" for lane in range(LANES))
            chosen = function.let(
                f"shufflevector {triple} {behind}, {triple} poison, <{LANES} x i32> <{picks}>"
            )
            value = colour * light + row_of(function, chosen, "i8") * rest + 0.5
            value = value.least(255.0)
            shown.append(function.let(f"fptoui <{LANES} x float> {value.name} to {_BYTES}"))
        half = ", ".join(f"i32 {lane}" for lane in range(2 * LANES))
        pair = f"<{2 * LANES} x i8>"
        two = function.let(
            f"shufflevector {_BYTES} {shown[0]}, {_BYTES} {shown[1]}, <{2 * LANES} x i32> <{half}>"
        )
        filled = ", ".join(
            f"i32 {lane}" if lane < LANES else "i32 poison" for lane in range(2 * LANES)
        )
        third = function.let(
            f"shufflevector {_BYTES} {shown[2]}, {_BYTES} poison, <{2 * LANES} x i32> <{filled}>"
        )
        order = ", ".join(
            f"i32 {lane + channel * LANES}" for lane in range(LANES) for channel in range(3)
        )
        woven = function.let(
            f"shufflevector {pair} {two}, {pair} {third}, <{3 * LANES} x i32> <{order}>"
        )
        function.do(f"store {triple} {woven}, ptr {place}, align 1")
