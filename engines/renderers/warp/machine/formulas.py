"""Formulas that become LLVM assembly: numbers, and rows of numbers, of float32."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from engines.backends.llvm.text import Function, Value

LANES = 16
"""Of a row; LLVM divides it where the processor's registers hold fewer."""
_ROW = f"<{LANES} x float>"
ROUNDING = [
    *(f"declare float @llvm.{name}.f32(float)" for name in ("ceil", "floor", "fabs")),
    f"declare {_ROW} @llvm.floor.v{LANES}f32({_ROW})",
]
"""What the assembly of a module with formulas begins with."""


@dataclass(frozen=True, slots=True)
class Number:
    """A float32, or a row of them, in the making."""

    function: Function
    name: Value
    kind: str = "float"

    def __add__(self, other: Number | float) -> Number:
        """Their sum."""
        return self._made("fadd", other)

    def __sub__(self, other: Number | float) -> Number:
        """What is left."""
        return self._made("fsub", other)

    def __mul__(self, other: Number | float) -> Number:
        """Their product."""
        return self._made("fmul", other)

    def __truediv__(self, other: Number | float) -> Number:
        """Their ratio."""
        return self._made("fdiv", other)

    def below(self, other: Number | float) -> Value:
        """Whether it is less."""
        return self.function.let(f"fcmp olt {self.kind} {self.name}, {self._named(other)}")

    def above(self, other: Number | float) -> Value:
        """Whether it is more."""
        return self.function.let(f"fcmp ogt {self.kind} {self.name}, {self._named(other)}")

    def least(self, other: Number | float) -> Number:
        """The lesser of two."""
        return self.where(self.below(other), other)

    def most(self, other: Number | float) -> Number:
        """The greater of two."""
        return self.where(self.above(other), other)

    def where(self, condition: Value, other: Number | float) -> Number:
        """This where the condition holds, else the other."""
        condition_kind = self.kind.replace("float", "i1")
        chosen = f"{self.kind} {self.name}, {self.kind} {self._named(other)}"
        return self._new(f"select {condition_kind} {condition}, {chosen}")

    def rounded(self, way: str) -> Number:
        """`ceil`, `floor` or `fabs` of it."""
        suffix = "f32" if self.kind == "float" else f"v{LANES}f32"
        return self._new(f"call {self.kind} @llvm.{way}.{suffix}({self.kind} {self.name})")

    def toward(self, other: Number, share: Number) -> Number:
        """The way to another, as far as the share says."""
        return self + (other - self) * share

    def index(self) -> Value:
        """A whole number of 64 bits."""
        return self.function.let(f"fptosi float {self.name} to i64")

    def row(self) -> Number:
        """The same number `LANES` times."""
        one = f"insertelement {_ROW} poison, float {self.name}, i32 0"
        zeros = f"<{LANES} x i32> zeroinitializer"
        first = self.function.let(one)
        spread = f"shufflevector {_ROW} {first}, {_ROW} poison, {zeros}"
        return Number(self.function, self.function.let(spread), _ROW)

    def _made(self, operation: str, other: Number | float) -> Number:
        return self._new(f"{operation} {self.kind} {self.name}, {self._named(other)}")

    def _new(self, instruction: str) -> Number:
        return Number(self.function, self.function.let(instruction), self.kind)

    def _named(self, value: Number | float) -> Value:
        if isinstance(value, Number):
            return value.name
        return _constant(value) if self.kind == "float" else _constants([value] * LANES)


def read(function: Function, pointer: Value) -> Number:
    """The float at a place."""
    return Number(function, function.let(f"load float, ptr {pointer}, align 4"))


def read_row(function: Function, pointer: Value) -> Number:
    """The floats from a place on."""
    return Number(function, function.let(f"load {_ROW}, ptr {pointer}, align 4"), _ROW)


def whole(function: Function, index: Value) -> Number:
    """A whole number of 64 bits as a float."""
    return Number(function, function.let(f"sitofp i64 {index} to float"))


def row_of(function: Function, whole_numbers: Value, kind: str) -> Number:
    """A row of unsigned whole numbers as floats; `kind`: of one, such as `i8`."""
    made = f"uitofp <{LANES} x {kind}> {whole_numbers} to {_ROW}"
    return Number(function, function.let(made), _ROW)


def constant_row(function: Function, values: Sequence[float]) -> Number:
    """`LANES` constants."""
    return Number(function, _constants(values), _ROW)


def _constants(values: Sequence[float]) -> Value:
    return f"<{', '.join(f'float {_constant(value)}' for value in values)}>"


def _constant(value: float) -> Value:
    """LLVM takes a float's constant as the double of the same value."""
    single = struct.unpack("f", struct.pack("f", value))[0]
    return f"0x{struct.pack('>d', single).hex()}"
