"""A plan goes in, the assembly of one function comes out that runs the whole network.

`run(picture, outputs, weights, scratch)`: pointers to bytes, floats, and what the plan says. Rows
are handed from kernel to kernel while they are in the nearest cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from engines.backends.llvm.kernels import FLOAT, Widened
from engines.backends.llvm.plan import Bottleneck, Head, Plan, Product, Stem
from engines.backends.llvm.text import Body, Function, Value

ENTRY = "run"
_DECLARED = [
    f"declare {result} @llvm.{name}.v{lanes}f32({', '.join(given)})"
    for lanes in (4, 8, 16)
    for vector in (f"<{lanes} x float>",)
    for name, result, given in (
        ("fma", vector, [vector] * 3),
        ("vector.reduce.fadd", "float", ["float", vector]),
    )
] + ["declare float @llvm.sqrt.f32(float)"]
POINTERS = ("%picture", "%outputs", "%weights", "%scratch")


class Kernel(Protocol):
    """A hashable description of a loop."""

    def function(self, name: str) -> Function:
        """Its code."""


class Kernels:
    """The loops that a program calls, each written once."""

    def __init__(self) -> None:
        """None yet."""
        self._functions: dict[Kernel, Function] = {}

    def __call__(self, kernel: Kernel) -> Function:
        """The function to call."""
        if kernel not in self._functions:
            self._functions[kernel] = kernel.function(f"kernel{len(self._functions)}")
        return self._functions[kernel]

    def assembly(self, run: Function) -> str:
        """The whole module, with what calls them."""
        return "\n".join([*_DECLARED, *map(str, self._functions.values()), str(run)])


def assembly(plan: Plan) -> str:
    """LLVM assembly of the network."""
    return _Program(plan).text


class _Program:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._kernel = Kernels()
        self._run = Function(ENTRY, [("ptr", pointer) for pointer in POINTERS], public=True)
        for step in plan.steps:
            match step:
                case Stem():
                    self._stem(step)
                case Bottleneck():
                    self._bottleneck(step)
                case Head():
                    self._head(step)
        self.text = self._kernel.assembly(self._run)

    def _scratch(self, place: int | Value) -> Value:
        return self._run.at("%scratch", place)

    def _weights(self, place: int) -> Value:
        return self._run.at("%weights", place)

    def _multiply(self, product: Product, count: int, into: Value, *sources: Value) -> None:
        numbers = (product.matrix, product.bias, product.slopes)
        self._run.call(
            self._kernel(product.kernel), str(count), into, *map(self._weights, numbers), *sources
        )

    def _stem(self, stem: Stem) -> None:
        f, (_, width, colours) = self._run, self._plan.picture
        widened = self._kernel(Widened(width * colours, 1 / 255))
        even, odd, next_even = stem.rows

        def row(number: Value, into: int | Value) -> None:
            f.call(widened, f.at("%picture", f.times(number, width * colours)), self._scratch(into))

        row("0", even)

        def rows(y: Value, _: list[Value]) -> list[Value]:
            first = f.times(y, 2)
            # What is below one row of the result is above the next: two places take turns.
            turn = f.equal(f.let(f"and i64 {y}, 1"), 0)
            above, below = f.choose(turn, even, next_even), f.choose(turn, next_even, even)
            row(f.plus(first, 1), odd)
            last = f.equal(y, stem.height - 1)
            inside = f.let(f"xor i1 {last}, true")
            f.when(inside, lambda: row(f.plus(first, 2), below))
            into = f.plus(f.times(y, stem.width * stem.product.kernel.channels * FLOAT), stem.into)
            sources = above, str(odd), f.choose(last, self._plan.zeros, below)
            self._multiply(
                stem.product, stem.width, self._scratch(into), *map(self._scratch, sources)
            )
            return []

        f.loop(stem.height, 1, rows)

    def _bottleneck(self, step: Bottleneck) -> None:
        f, height = self._run, step.height
        lines = _Lines(self._run, step)

        def narrow(y: Value) -> None:
            into = f.plus(lines.middle(y), step.depthwise.channels * FLOAT)
            self._multiply(step.narrow, step.width, self._scratch(into), *self._sources(step, y))

        def depthwise(y: Value) -> None:
            zeros = self._plan.zeros
            above = f.choose(f.equal(y, 0), zeros, lines.middle(f.plus(y, step.kept - 1)))
            below = f.choose(f.equal(y, height - 1), zeros, lines.middle(f.plus(y, 1)))
            rows = map(self._scratch, (above, lines.middle(y), below))
            kernel = self._kernel(step.depthwise)
            weights = map(self._weights, (step.weights, step.bias))
            f.call(kernel, self._scratch(lines.line(y)), *weights, *rows)

        def wide(y: Value) -> None:
            row = step.width * step.wide.kernel.channels * FLOAT
            into = self._scratch(f.plus(f.times(y, row), step.into))
            pooled = self._sources(step, y) if step.wide.kernel.pooled else []
            self._multiply(step.wide, step.width, into, *pooled, self._scratch(lines.line(y)))

        if step.kept == height:
            for part in (narrow, depthwise, wide):
                f.loop(height, 1, _each(part))
            return
        narrow("0")

        def row(y: Value, _: list[Value]) -> list[Value]:
            below = f.plus(y, 1)
            f.when(f.let(f"icmp ult i64 {below}, {height}"), lambda: narrow(below))
            depthwise(y)
            wide(y)
            return []

        f.loop(height, 1, row)

    def _sources(self, step: Bottleneck, y: Value) -> list[Value]:
        """The row of the source, or the two, that a row of the result covers."""
        first = self._scratch(self._run.plus(self._run.times(y, step.source_row), step.source))
        rows = len(step.narrow.kernel.runs)
        return [self._run.at(first, step.source_row // rows * number) for number in range(rows)]

    def _head(self, head: Head) -> None:
        self._multiply(head.product, 1, "%outputs", self._scratch(head.source))


class _Lines:
    """Where a bottleneck's rows are kept while they are needed."""

    def __init__(self, run: Function, step: Bottleneck) -> None:
        self._run, self._step = run, step

    def middle(self, y: Value) -> Value:
        """The place of a row of few channels; as many as are kept take turns."""
        turn = self._run.let(f"urem i64 {y}, {self._step.kept}")
        return self._run.plus(self._run.times(turn, self._step.padded_row), self._step.middle)

    def line(self, y: Value) -> Value:
        """The place of the same row after the depthwise convolution."""
        step = self._step
        if step.kept != step.height:
            return str(step.line)
        row = step.width * step.depthwise.channels * FLOAT
        return self._run.plus(self._run.times(y, row), step.line)


def _each(part: Callable[[Value], None]) -> Body:
    def body(y: Value, _: list[Value]) -> list[Value]:
        part(y)
        return []

    return body
