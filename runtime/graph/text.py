"""MLIR text, op by op: what the engine's code generator writes with."""

from collections.abc import Callable, Sequence

Value = str
"""The name of an i64 value in the text."""


class Text:
    """A function body under construction; `state` is the name of its pointer to words."""

    def __init__(self, state: str = "%state") -> None:
        self.state = state
        self.lines: list[str] = []
        self.constants: dict[int, Value] = {}
        self.count = 0

    def name(self) -> Value:
        """A new name."""
        self.count += 1
        return f"%{self.count}"

    def add(self, line: str) -> None:
        """A line without a result."""
        self.lines.append(line)

    def op(self, text: str) -> Value:
        """An op with one result."""
        name = self.name()
        self.lines.append(f"{name} = {text}")
        return name

    def constant(self, number: int) -> Value:
        """A number; all of them stand at the beginning."""
        if number not in self.constants:
            self.constants[number] = f"%c{len(self.constants)}"
        return self.constants[number]

    def value(self, number: "int | Value") -> Value:
        """A number or a value as a value."""
        return self.constant(number) if isinstance(number, int) else number

    def binary(self, op: str, a: "int | Value", b: "int | Value") -> Value:
        """An op of two numbers."""
        return self.op(f"arith.{op} {self.value(a)}, {self.value(b)} : i64")

    def sum(self, a: "int | Value", b: "int | Value") -> Value:
        """a + b; nothing when a number is 0."""
        if 0 in (a, b):
            return self.value(b if a == 0 else a)
        return self.binary("addi", a, b)

    def less(self, a: "int | Value", b: "int | Value") -> Value:
        """The difference."""
        return self.binary("subi", a, b)

    def compare(self, how: str, a: "int | Value", b: "int | Value") -> Value:
        """A comparison, an i1."""
        return self.op(f"arith.cmpi {how}, {self.value(a)}, {self.value(b)} : i64")

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """One of two values."""
        return self.op(f"arith.select {condition}, {a}, {b} : i64")

    def pointer(self, word: "int | Value") -> Value:
        """Where a word of the state is."""
        if isinstance(word, int):
            return self.op(
                f"llvm.getelementptr {self.state}[{word}] : (!llvm.ptr) -> !llvm.ptr, i64"
            )
        return self.op(
            f"llvm.getelementptr {self.state}[{word}] : (!llvm.ptr, i64) -> !llvm.ptr, i64"
        )

    def load(self, word: "int | Value") -> Value:
        """A word of the state."""
        return self.op(f"llvm.load {self.pointer(word)} : !llvm.ptr -> i64")

    def store(self, value: Value, word: "int | Value") -> None:
        """Write a word of the state."""
        self.add(f"llvm.store {value}, {self.pointer(word)} : i64, !llvm.ptr")

    def repeat(
        self,
        count: Value,
        carried: Sequence[Value],
        body: Callable[[list[Value]], list[Value]],
    ) -> list[Value]:
        """A loop of `count` rounds: what it carries, from one round to the next."""
        before = [self.name() for _ in carried]
        zero, one = self.constant(0), self.constant(1)
        head = f"scf.for {self.name()} = {zero} to {count} step {one}"
        if not carried:
            self.add(f"{head} : i64 {{")
            body([])
            self.add("}")
            return []
        starts = ", ".join(f"{b} = {c}" for b, c in zip(before, carried, strict=True))
        kinds = ", ".join("i64" for _ in carried)
        name = self.name()
        self.add(
            f"{name}:{len(carried)} = {head} iter_args({starts}) -> ({kinds}) : i64 {{"
        )
        self.add(f"scf.yield {', '.join(body(before))} : {kinds}")
        self.add("}")
        return [f"{name}#{at}" for at in range(len(carried))]

    def search(self, start: Value, holds: Callable[[Value], Value], step: int) -> Value:
        """The first number from `start` on, in steps, for which a condition does not hold."""
        name, at, then = self.name(), self.name(), self.name()
        self.add(f"{name} = scf.while ({at} = {start}) : (i64) -> i64 {{")
        self.add(f"scf.condition({holds(at)}) {at} : i64")
        self.add(f"}} do {{\n^bb0({then}: i64):")
        self.add(f"scf.yield {self.sum(then, step)} : i64\n}}")
        return name

    def each(self, count: int, body: Callable[[Value], None]) -> None:
        """A loop over the numbers below `count`."""
        number = self.name()
        zero, one, end = (self.constant(n) for n in (0, 1, count))
        self.add(f"scf.for {number} = {zero} to {end} step {one} : i64 {{")
        body(number)
        self.add("}")

    def function(self, rounds: Value) -> str:
        """The function `@NAME`: a pointer to the state and a number of rounds."""
        numbers = [
            f"{value} = arith.constant {number} : i64"
            for number, value in self.constants.items()
        ]
        body = "\n".join([*numbers, *self.lines])
        return (
            f"func.func @NAME({self.state}: !llvm.ptr, {rounds}: i64) {{\n"
            f"{body}\nfunc.return\n}}"
        )
