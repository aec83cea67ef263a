"""Arguments into the modelled memories before a program starts, results out of them when it ends."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from typing_extensions import TypeIs
from xdsl.dialects.builtin import IntegerAttr, MemRefType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute

from dfc.dialects import stream, tier
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import dtype_of, shape_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.hook import Value
from dfc.runtime.interpreter.memory import View
from dfc.runtime.interpreter.naming import strings
from dfc.runtime.interpreter.order import Step

ALIGNMENT = 64
"""Arguments that have no `tier.offset` start at multiples of this many bytes."""


def argument_attribute(function: FuncOp, index: int, name: str) -> Attribute | None:
    """An attribute of an argument."""
    if function.arg_attrs is None:
        return None
    return function.arg_attrs.data[index].data.get(name)


def is_memref(kind: Attribute) -> "TypeIs[MemRefType[Attribute]]":
    """Whether a value of this type is a buffer."""
    return isinstance(kind, MemRefType)


def placed_ends(evaluator: Evaluator) -> Iterator[tuple[str, int]]:
    """Tier and end of everything the module places."""
    for op in evaluator.module.walk():
        if isinstance(op, tier.AllocOp) and op.offset_bytes is not None:
            kind = op.buffer.type
            size = prod(shape_of(kind)) * dtype_of(kind).itemsize
            yield tier.tier_of(op.buffer), op.offset_bytes.value.data + size
        elif isinstance(op, stream.FifoOp) and op.tier and op.offset_bytes:
            token = stream.stream_type(op.out).token
            size = (
                op.depth.value.data * prod(shape_of(token)) * dtype_of(token).itemsize
            )
            yield op.tier.data, op.offset_bytes.value.data + size


class Loader:
    """Places the arguments of an entry function that are buffers."""

    def __init__(self, evaluator: Evaluator, function: FuncOp) -> None:
        self.evaluator = evaluator
        self.function = function
        self.ends: dict[str, int] = {}

    def load(self, values: Sequence[Value]) -> list[Any]:
        """The values, those of buffers as views of memory that holds them."""
        kinds = self.function.function_type.inputs.data
        if any(is_memref(kind) for kind in kinds):
            for name, end in placed_ends(self.evaluator):
                self.ends[name] = max(self.ends.get(name, 0), end)
            for index, kind in enumerate(kinds):
                self._keep_clear(index, kind)
        return [
            self._loaded(i, *pair)
            for i, pair in enumerate(zip(kinds, values, strict=True))
        ]

    def _offset(self, index: int) -> int | None:
        found = argument_attribute(self.function, index, "tier.offset")
        return found.value.data if isinstance(found, IntegerAttr) else None

    def _keep_clear(self, index: int, kind: Attribute) -> None:
        offset = self._offset(index)
        if offset is not None and is_memref(kind):
            where = self._tier(kind)
            end = offset + prod(shape_of(kind)) * dtype_of(kind).itemsize
            self.ends[where] = max(self.ends.get(where, 0), end)

    def _tier(self, kind: Attribute) -> str:
        space = strings(getattr(kind, "memory_space", None))
        if not space:
            raise ExecutionError(f"expected an argument in a tier, got `{kind}`")
        return space[0]

    def _loaded(self, index: int, kind: Attribute, value: Any) -> Any:
        if not is_memref(kind):
            return value
        where, offset = self._tier(kind), self._offset(index)
        if offset is None:
            offset = -(-self.ends.get(where, 0) // ALIGNMENT) * ALIGNMENT
            self.ends[where] = offset + value.nbytes
        name = f"argument {index} of `@{self.function.sym_name.data}`"
        machine = self.evaluator.machine
        weight = argument_attribute(self.function, index, "dfc.weight") is not None
        view = machine.allocate(
            name, where, offset, value.shape, dtype_of(kind), constant=weight
        )
        machine.load(view, value)
        return view

    def read_back(self, results: Sequence[Any]) -> tuple[Any, ...]:
        """The results, buffers as arrays; the program must have waited for what it returns."""
        last = self.function.body.block.last_op
        assert last is not None
        evaluator = self.evaluator
        step = Step(last, evaluator.place)
        if evaluator.ordered:
            step = evaluator.machine.order.now(last, evaluator.place)
        return tuple(
            evaluator.machine.read(value, step) if isinstance(value, View) else value
            for value in results
        )
