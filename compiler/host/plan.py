"""What a region does, as data: its values, and the calls of kernels in order."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any, Literal

from xdsl.dialects import tensor
from xdsl.dialects.builtin import StringAttr
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Attribute, SSAValue

from dfc.diagnostics import place
from dfc.errors import DfcError
from dfc.passes.analysis.functions import argument_attributes
from dfc.runtime.interpreter.dtypes import dtype_of, shape_of

BLOCK = 16
"""Columns that rows of int8 are padded to a multiple of."""

Kind = Literal["row", "weight", "made"]

Alias = tensor.ExpandShapeOp | tensor.CollapseShapeOp | tensor.CastOp
"""Ops whose result is their operand's memory."""


@dataclass(frozen=True)
class Value:
    """
    One value of a region.

    A `row` or `made` value has `inner` elements per token, in `stride` bytes; a `weight` is result `number` of
    `@weights`, and has `inner` elements in all.
    """

    kind: Kind
    dtype: str
    inner: tuple[int, ...]
    stride: int
    number: int = -1


@dataclass(frozen=True)
class Step:
    """A call of a kernel: the values that it reads and those that it writes, by index."""

    kernel: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """The values of a region, rows and weights in the order of its arguments first, its steps, its results and their elements per token."""

    values: tuple[Value, ...]
    steps: tuple[Step, ...]
    results: tuple[int, ...]
    inner: tuple[tuple[int, ...], ...]

    def of_kind(self, kind: Kind) -> list[int]:
        """The values of a kind, in order."""
        return [n for n, value in enumerate(self.values) if value.kind == kind]

    def to_json(self) -> str:
        """The plan as text."""
        return json.dumps(asdict(self))


def from_json(text: str) -> Plan:
    """A plan from its text."""
    found: dict[str, Any] = json.loads(text)
    values = [
        Value(v["kind"], v["dtype"], tuple(v["inner"]), v["stride"], v["number"])
        for v in found["values"]
    ]
    steps = [
        Step(s["kernel"], tuple(s["reads"]), tuple(s["writes"])) for s in found["steps"]
    ]
    inner = tuple(tuple(each) for each in found["inner"])
    return Plan(tuple(values), tuple(steps), tuple(found["results"]), inner)


def plan_of(entry: FuncOp, functions: Iterable[FuncOp]) -> Plan:
    """The plan of an entry function that only calls kernels and functions that do; `DfcError` for one that does more."""
    return Planner(entry, functions).plan()


class Planner:
    """Numbers the values of an entry function, and of what it calls, as they are made."""

    def __init__(self, entry: FuncOp, functions: Iterable[FuncOp]) -> None:
        self.entry = entry
        self.callers = {f.sym_name.data: f for f in functions if calls_others(f)}
        self.values: list[Value] = []
        self.steps: list[Step] = []
        self.numbers: dict[SSAValue, int] = {}
        self.tokens = 0

    def plan(self) -> Plan:
        """The plan, op by op."""
        rows = argument_attributes(self.entry)
        for argument, row in zip(self.entry.args, rows, strict=True):
            self.argument(argument, row.get("dfc.weight"))
        results = self.body(self.entry)
        inner = tuple(self.inner(value) for value in results)
        numbers = tuple(self.places(results))
        return Plan(tuple(self.values), tuple(self.steps), numbers, inner)

    def body(self, function: FuncOp) -> Sequence[SSAValue]:
        """The steps of a function whose arguments have numbers; what it returns."""
        for op in function.body.block.ops:
            if isinstance(op, CallOp):
                self.call(op)
            elif isinstance(op, ReturnOp):
                return op.operands
            elif isinstance(op, Alias):
                self.numbers[op.results[0]] = self.numbers[op.operands[0]]
            else:
                raise DfcError(f"no native form for {place(op)}")
        return ()

    def call(self, op: CallOp) -> None:
        """A step, or the steps of a function in place of its call."""
        name, reads = op.callee.string_value(), self.places(op.arguments)
        if name not in self.callers:
            for result in op.results:
                self.row(result, "made")
            writes = self.places(op.results)
            self.steps.append(Step(name, tuple(reads), tuple(writes)))
            return
        function = self.callers[name]
        self.numbers |= zip(function.args, reads, strict=True)
        made = self.places(self.body(function))
        self.numbers |= zip(op.results, made, strict=True)

    def argument(self, value: SSAValue, name: Attribute | None) -> None:
        """A row, or a result of `@weights`."""
        if not isinstance(name, StringAttr):
            self.row(value, "row")
            return
        number = int(name.data.rpartition(":")[2])
        kind, inner = dtype_of(value.type).name, shape_of(value.type)
        self.note(value, Value("weight", kind, inner, 0, number))

    def row(self, value: SSAValue, kind: Kind) -> None:
        """A value with so many elements per token."""
        inner, dtype = self.inner(value), dtype_of(value.type)
        width = prod(inner)
        if dtype.name == "int8":
            width = -(-width // BLOCK) * BLOCK
        self.note(value, Value(kind, dtype.name, inner, width * dtype.itemsize))

    def inner(self, value: SSAValue) -> tuple[int, ...]:
        """A value's shape without the tokens, as many as the first row has."""
        shape = shape_of(value.type)
        self.tokens = self.tokens or (shape[0] if shape else 0)
        if self.tokens not in shape[:2]:
            raise DfcError(f"expected rows of {self.tokens} tokens, got {shape}")
        at = shape.index(self.tokens)
        return (*shape[:at], *shape[at + 1 :])

    def note(self, value: SSAValue, what: Value) -> None:
        """Give a value the next number."""
        self.numbers[value] = len(self.values)
        self.values.append(what)

    def places(self, values: Sequence[SSAValue]) -> list[int]:
        """The numbers of some values."""
        return [self.numbers[value] for value in values]


def calls_others(function: FuncOp) -> bool:
    """Whether a function calls any."""
    return any(isinstance(op, CallOp) for op in function.body.block.ops)
