"""A model's operations and bytes, counted on its tensor level: products with weights, attention, and the rest."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction

from xdsl.dialects import func
from xdsl.dialects.builtin import IndexType, ModuleOp
from xdsl.ir import Operation, SSAValue

from dfc.dialects import attention, ternary
from dfc.dialects.utils import element
from dfc.runtime.machine import Target
from dfc.runtime.machine.structure import (
    contraction_of,
    count,
    element_bytes,
    value_bytes,
)
from dfc.runtime.machine.work import (
    VIEWS,
    is_free,
    read_bytes,
    span_of,
    work_of,
)


@dataclass(frozen=True)
class Work:
    """
    Operations (a multiply-accumulate is two) and bytes.

    `linear_flops` are products with a weight, two per element of the weight and row of the other
    operand; `parameters` counts these elements. `weight_bytes` is what is read of weights,
    `cache_bytes` what is read and written of a key-value cache: these have to move.
    `activation_bytes` move too when every op reads its operands and writes its results.
    """

    linear_flops: int = 0
    attention_flops: int = 0
    other_flops: int = 0
    parameters: int = 0
    weight_bytes: Fraction = Fraction()
    cache_bytes: int = 0
    activation_bytes: int = 0

    def __add__(self, other: "Work") -> "Work":
        """Both together."""
        return Work(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(self))
        )

    @property
    def flops(self) -> int:
        """All operations."""
        return self.linear_flops + self.attention_flops + self.other_flops

    @property
    def compulsory_bytes(self) -> float:
        """What has to move: weights and cache."""
        return float(self.weight_bytes + self.cache_bytes)


def work_in(module: ModuleOp, entry: str, position: int, target: Target) -> Work:
    """The work of one call of an entry function at tensor level, with every position this one."""
    functions = {
        op.sym_name.data: op for op in module.ops if isinstance(op, func.FuncOp)
    }
    attributes = functions[entry].arg_attrs
    weights = frozenset(
        index
        for index, table in enumerate(attributes or ())
        if "dfc.weight" in table.data
    )
    return _Walk(functions, position, target).function(entry, weights)


class _Walk:
    """Work of functions, each once per set of arguments that are weights."""

    def __init__(
        self, functions: Mapping[str, func.FuncOp], position: int, target: Target
    ) -> None:
        self.functions, self.position, self.target = functions, position, target
        self.known: dict[tuple[str, frozenset[int]], Work] = {}

    def controls(self, value: SSAValue) -> int | None:
        """Every index is the position."""
        return self.position if isinstance(value.type, IndexType) else None

    def function(self, name: str, weights: frozenset[int]) -> Work:
        """A function's ops and calls, and what it reads of its weights."""
        if (name, weights) not in self.known:
            block = self.functions[name].body.block
            own: set[SSAValue] = {block.args[index] for index in weights}
            total = sum((self.weight(value) for value in own), Work())
            for op in block.ops:
                total += (
                    self.call(op, own)
                    if isinstance(op, func.CallOp)
                    else self.op(op, own)
                )
            self.known[name, weights] = total
        return self.known[name, weights]

    def call(self, op: func.CallOp, weights: set[SSAValue]) -> Work:
        """A call; weights stay weights in the callee."""
        passed = (i for i, value in enumerate(op.arguments) if root(value) in weights)
        return self.function(op.callee.root_reference.data, frozenset(passed))

    def weight(self, value: SSAValue) -> Work:
        """What a function itself reads of a weight; what it passes on counts in the callee."""
        if any(isinstance(use.operation, func.CallOp) for use in value.uses):
            return Work()
        if isinstance(element(value), ternary.TritType):
            return Work(
                weight_bytes=count(value) * trit_bytes(self.target, users(value))
            )
        return Work(weight_bytes=Fraction(read_bytes(value, self.controls)))

    def op(self, op: Operation, weights: set[SSAValue]) -> Work:
        """One op's operations, and the bytes it moves besides weights."""
        if is_free(op) or op.name == "func.return":
            return Work()
        work = work_of(op, self.controls)
        macs, elements = sum(work.macs.values()), sum(work.elements.values())
        product = contraction_of(op)
        if isinstance(op, attention.SdpaOp):
            return Work(
                attention_flops=2 * macs,
                other_flops=elements,
                cache_bytes=self.cache(op),
                activation_bytes=self.moved(op, weights),
            )
        if isinstance(op, attention.KvWriteOp):
            return Work(other_flops=elements, cache_bytes=value_bytes(op.new))
        moved = self.moved(op, weights)
        linear = [value for value in op.operands if root(value) in weights]
        if product is None or not linear or product.k == 1:
            return Work(other_flops=2 * macs + elements, activation_bytes=moved)
        parameters = count(linear[0])
        return Work(2 * macs, 0, elements, parameters, activation_bytes=moved)

    def cache(self, op: attention.SdpaOp) -> int:
        """Bytes read of keys and values that stand in a cache."""
        if op.position is None:
            return 0
        span = span_of(op, self.controls)
        row = span.depth * element_bytes(element(op.k))
        return 2 * span.key_heads * span.length * row

    def moved(self, op: Operation, weights: set[SSAValue]) -> int:
        """Bytes of an op's operands and results that are neither weights nor a cache."""
        skipped: set[SSAValue] = set()
        if isinstance(op, attention.SdpaOp) and op.position is not None:
            skipped = {op.k, op.v}
        read = {v for v in op.operands if root(v) not in weights and v not in skipped}
        return sum(value_bytes(value) for value in (*read, *op.results))


def root(value: SSAValue) -> SSAValue:
    """The value that a value is, or is a view of."""
    while isinstance(value.owner, Operation) and value.owner.name in VIEWS:
        value = value.owner.operands[0]
    return value


def users(value: SSAValue) -> Iterable[Operation]:
    """The ops that use a value, through its views too."""
    for use in value.uses:
        if use.operation.name in VIEWS:
            yield from users(use.operation.results[0])
        else:
            yield use.operation


def trit_bytes(target: Target, ops: Iterable[Operation]) -> Fraction:
    """Bytes of a trit as the unit that runs these ops packs it: `trits1in2` is a quarter of a byte."""
    ops = list(ops)
    units = target.unit.values()
    unit = next((u for u in units if all(u.supports(op) for op in ops)), None)
    packing = "trits1in2" if unit is None else unit.packing
    found = re.match(r"trits(\d+)in(\d+)", packing)
    assert found is not None
    return Fraction(int(found[2]), 8 * int(found[1]))
