"""LLVM's assembly language, written line by line; a pointer plus bytes is a place in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Value = str
"""The name of a value, or a number."""

Body = Callable[[Value, list[Value]], Sequence[Value]]
"""Takes the counter and the values carried from turn to turn; gives the next turn's."""


class Function:
    """One function under construction; all its arguments are `(type, name)`."""

    def __init__(self, name: str, arguments: Sequence[tuple[str, Value]], *, public: bool = False):
        """`public`: it is called from outside."""
        self.name = name
        self.arguments = tuple(arguments)
        self._public = public
        self._lines: list[str] = []
        self._count = 0
        self._block = "entry"

    def __str__(self) -> str:
        """The whole definition."""
        linkage, attributes = ("", "") if self._public else ("internal ", "noinline ")
        arguments = ", ".join(f"{kind} {name}" for kind, name in self.arguments)
        head = f"define {linkage}void @{self.name}({arguments}) {attributes}nounwind {{\nentry:"
        return "\n".join([head, *self._lines, "  ret void\n}"])

    def let(self, expression: str) -> Value:
        """A new value."""
        self._count += 1
        name = f"%v{self._count}"
        self._lines.append(f"  {name} = {expression}")
        return name

    def do(self, statement: str) -> None:
        """What gives no value."""
        self._lines.append(f"  {statement}")

    def call(self, function: Function, *values: Value) -> None:
        """Calls a function of the same module."""
        kinds = [kind for kind, _ in function.arguments]
        given = ", ".join(f"{kind} {value}" for kind, value in zip(kinds, values, strict=True))
        self.do(f"call void @{function.name}({given})")

    def at(self, pointer: Value, bytes_: int | Value) -> Value:
        """A place so many bytes further on."""
        if bytes_ == 0:
            return pointer
        return self.let(f"getelementptr i8, ptr {pointer}, i64 {bytes_}")

    def times(self, value: Value, factor: int) -> Value:
        """An index times a constant."""
        return self.let(f"mul i64 {value}, {factor}")

    def plus(self, value: Value, other: int | Value) -> Value:
        """An index plus another."""
        return self.let(f"add i64 {value}, {other}")

    def choose(self, condition: Value, one: int | Value, other: int | Value) -> Value:
        """One of two indices."""
        return self.let(f"select i1 {condition}, i64 {one}, i64 {other}")

    def equal(self, value: Value, other: int) -> Value:
        """Whether an index is this one."""
        return self.let(f"icmp eq i64 {value}, {other}")

    def load(self, pointer: Value, lanes: int) -> Value:
        """A vector of floats."""
        return self.let(f"load <{lanes} x float>, ptr {pointer}, align 4")

    def load_halves(self, pointer: Value, lanes: int) -> Value:
        """A vector of half-precision numbers, as floats."""
        narrow = self.let(f"load <{lanes} x half>, ptr {pointer}, align 2")
        return self.let(f"fpext <{lanes} x half> {narrow} to <{lanes} x float>")

    def load_bytes(self, pointer: Value, lanes: int) -> Value:
        """A vector of bytes, as floats."""
        narrow = self.let(f"load <{lanes} x i8>, ptr {pointer}, align 1")
        return self.let(f"uitofp <{lanes} x i8> {narrow} to <{lanes} x float>")

    def store(self, value: Value, pointer: Value, lanes: int) -> None:
        """Writes a vector of floats."""
        self.do(f"store <{lanes} x float> {value}, ptr {pointer}, align 4")

    def spread(self, pointer: Value, lanes: int) -> Value:
        """A vector of the one float at a place."""
        return self.everywhere(self.let(f"load float, ptr {pointer}, align 4"), lanes)

    def everywhere(self, one: Value, lanes: int) -> Value:
        """A vector of one float, again and again."""
        first = self.let(f"insertelement <{lanes} x float> poison, float {one}, i32 0")
        kind = f"<{lanes} x float>"
        return self.let(
            f"shufflevector {kind} {first}, {kind} poison, <{lanes} x i32> zeroinitializer"
        )

    def fma(self, a: Value, b: Value, c: Value, lanes: int) -> Value:
        """`a · b + c`, lane by lane."""
        kind = f"<{lanes} x float>"
        return self.let(f"call {kind} @llvm.fma.v{lanes}f32({kind} {a}, {kind} {b}, {kind} {c})")

    def add(self, a: Value, b: Value, lanes: int) -> Value:
        """`a + b`, lane by lane."""
        return self.let(f"fadd <{lanes} x float> {a}, {b}")

    def scaled(self, a: Value, b: Value, lanes: int) -> Value:
        """`a · b`, lane by lane."""
        return self.let(f"fmul <{lanes} x float> {a}, {b}")

    def pick(
        self, relation: str, a: Value, b: Value, then: Value, other: Value, lanes: int
    ) -> Value:
        """`then` where `a` stands in the relation to `b` (`olt`, `ogt`), else `other`."""
        kind = f"<{lanes} x float>"
        where = self.let(f"fcmp {relation} {kind} {a}, {b}")
        return self.let(f"select <{lanes} x i1> {where}, {kind} {then}, {kind} {other}")

    def when(self, condition: Value, body: Callable[[], None]) -> None:
        """Does the body where the condition holds."""
        then, after = self._label(), self._label()
        self.do(f"br i1 {condition}, label %{then}, label %{after}")
        self._begin(then)
        body()
        self.do(f"br label %{after}")
        self._begin(after)

    def loop(
        self,
        count: int | Value,
        step: int,
        body: Body,
        carried: Sequence[Value] = (),
        kind: str = "",
    ) -> list[Value]:
        """Repeats the body for 0, `step`, … below `count`, which is at least one step.

        `kind`: the type of all that is carried.
        """
        before, head, after = self._block, self._label(), self._label()
        self.do(f"br label %{head}")
        self._begin(head)
        start = len(self._lines)
        self._count += len(carried) + 1
        counter, *inside = [f"%v{self._count - n}" for n in range(len(carried) + 1)]
        result = list(body(counter, inside))
        following = self.plus(counter, step)
        last = self._block
        phis = [f"  {counter} = phi i64 [0, %{before}], [{following}, %{last}]"]
        phis += [
            f"  {name} = phi {kind} [{first}, %{before}], [{again}, %{last}]"
            for name, first, again in zip(inside, carried, result, strict=True)
        ]
        self._lines[start:start] = phis
        more = self.let(f"icmp ult i64 {following}, {count}")
        self.do(f"br i1 {more}, label %{head}, label %{after}")
        self._begin(after)
        return result

    def _label(self) -> str:
        self._count += 1
        return f"b{self._count}"

    def _begin(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._block = label
