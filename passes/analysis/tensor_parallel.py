"""
One function of a program that several sockets share: which values each of them holds a part of.

A value is whole, the same on all sockets, or split along a dimension, one part per socket. Ops
follow their operands along the loops in which dimensions move together (analysis/op_loops.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects.builtin import (
    DenseArrayBase,
    IntegerAttr,
    StringAttr,
    SymbolRefAttr,
    TensorType,
    i16,
    i32,
    i64,
)
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.dialects.shard import AllReduceOp, ReductionKind, ReductionKindAttr
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from dfc.dialects import socket
from dfc.dialects.attention import KvWriteOp
from dfc.dialects.socket import DIM
from dfc.dialects.utils import shape
from dfc.passes.analysis.functions import (
    argument_attributes,
    erase_unused,
    is_private,
    result_attributes,
    set_argument_attributes,
    set_result_attributes,
    update_type,
)
from dfc.passes.analysis.op_loops import Loop, loops_of
from dfc.passes.analysis.origins import ORIGIN, origin_of
from dfc.passes.analysis.resize import Shapes, copy_ops
from dfc.passes.analysis.tensor_forms import number
from dfc.passes.kernels.fusion_graph import inputs_of, is_cheap
from dfc.passes.placement.function_buffers import ALIAS
from dfc.runtime.machine.structure import contraction_of


@dataclass
class Shares:
    """The arguments and results of a function that are split, and along which dimension."""

    arguments: dict[int, int] = field(default_factory=dict[int, int])
    results: dict[int, int] = field(default_factory=dict[int, int])


class FunctionSharder:
    """
    Rewrites one function for one of `sockets` sockets of the grid `grid`.

    `free` are the arguments that may be split: weights and states with one use. `callees` says
    what is split at the calls.
    """

    def __init__(
        self,
        function: FuncOp,
        sockets: int,
        grid: str,
        free: frozenset[int],
        callees: Mapping[str, Shares],
    ) -> None:
        self.function, self.sockets, self.grid = function, sockets, grid
        self.callees = callees
        self.shares = Shares()
        self.free: set[SSAValue] = {a for a in function.args if a.index in free}
        self.dims: dict[SSAValue, int] = {}
        """Split values of the old body, and their dimension."""
        self.values: dict[SSAValue, SSAValue] = {}
        """Values of the new body by those of the old."""
        self.gathered: dict[SSAValue, SSAValue] = {}
        self.builder = Builder(InsertPoint.at_end(function.body.block))

    def share(self) -> Shares:
        """Rewrite the function; what of its arguments and results is split."""
        old = list(self.function.body.block.ops)
        self.builder = Builder(InsertPoint.before(old[0]))
        for op in old:
            self._rewrite(op)
        for op in reversed(old):
            op.detach()
            op.erase()
        erase_unused(self.function)
        for index, dim in self.shares.arguments.items():
            argument = self.function.body.block.args[index]
            kind = self._part_type(argument, dim)
            Rewriter.replace_value_with_new_type(argument, kind)
        update_type(self.function)
        if not is_private(self.function):
            self._mark()
        return self.shares

    def _mark(self) -> None:
        """Say of an entry's arguments and results which are split."""
        rows = argument_attributes(self.function)
        for index, dim in self.shares.arguments.items():
            rows[index][DIM] = IntegerAttr(dim, i64)
        set_argument_attributes(self.function, rows)
        results = result_attributes(self.function)
        for index, dim in self.shares.results.items():
            results[index][DIM] = IntegerAttr(dim, i64)
        set_result_attributes(self.function, results)

    def _rewrite(self, op: Operation) -> None:
        if isinstance(op, CallOp):
            self._call(op)
        elif isinstance(op, ReturnOp):
            self._return(op)
        else:
            loop = self._loop(op)
            self._copy(op, loop)
            if loop is not None and loop.kind == "reduction":
                self._sum(op)

    def _loop(self, op: Operation) -> Loop | None:
        """The loop of an op that is shared; `None` when every socket does all of it."""
        split = [value for value in inputs_of(op) if value in self.dims]
        product = isinstance(op, LinalgStructuredOperation) and bool(contraction_of(op))
        if not split and not product:
            return None
        loops = [loop for loop in loops_of(op) if self._can_share(op, loop)]
        for value in split:
            for loop in loops:
                if any(
                    (s.value, s.dim) == (value, self.dims[value]) for s in loop.slots
                ):
                    return loop
        return self._columns(loops) if product else None

    def _columns(self, loops: Sequence[Loop]) -> Loop | None:
        """The columns of a product with a weight that may be split."""
        for loop in loops:
            columns = loop.kind == "parallel"
            if columns and any(slot.value in self.free for slot in loop.slots):
                return loop
        return None

    def _can_share(self, op: Operation, loop: Loop) -> bool:
        """Whether all that a loop walks along is there in equal parts, or can be."""
        if loop.kind == "whole" or not loop.slots:
            return False
        inputs = set(inputs_of(op))
        return all(
            shape(slot.value)[slot.dim] % (self.sockets * slot.step) == 0
            and (slot.value not in inputs or self._can_split(slot.value, slot.dim))
            for slot in loop.slots
        ) and (loop.kind == "parallel" or _sums_from_zero(op))

    def _can_split(self, value: SSAValue, dim: int) -> bool:
        if value in self.dims:
            return self.dims[value] == dim
        owner = value.owner
        return value in self.free or (isinstance(owner, Operation) and is_cheap(owner))

    def _copy(self, op: Operation, loop: Loop | None) -> None:
        """The op on what it needs of its operands: parts along the loop, the rest whole."""
        dims = {} if loop is None else {slot.value: slot.dim for slot in loop.slots}
        inputs = inputs_of(op)
        near = {v: self._form(v, dims.get(v)) for v in inputs}
        copy_ops([op], near, self._shapes(dims), self.builder)
        self.values |= {result: near[result] for result in op.results}
        self.dims |= {r: dims[r] for r in op.results if r in dims}

    def _shapes(self, dims: Mapping[SSAValue, int]) -> Shapes:
        """The shapes of the values of an op of which those in `dims` are split."""

        def shapes(value: SSAValue) -> tuple[int, ...]:
            dim = dims.get(value)
            return shape(value) if dim is None else self._part(shape(value), dim)

        return shapes

    def _part(self, sizes: Sequence[int], dim: int) -> tuple[int, ...]:
        return (*sizes[:dim], sizes[dim] // self.sockets, *sizes[dim + 1 :])

    def _form(self, value: SSAValue, dim: int | None) -> SSAValue:
        """A value as it is needed: whole, or each socket's part along a dimension."""
        if self.dims.get(value) == dim:
            return self.values.get(value, value)
        if dim is None:
            return self._gather(value)
        if value in self.free:
            return self._cut(value, dim)
        return self._cheap(value, dim)

    def _gather(self, value: SSAValue) -> SSAValue:
        """All parts of a split value, on every socket."""
        if value not in self.gathered:
            part, dim = self.values.get(value, value), self.dims[value]
            made = socket.AllGatherOp(part, self.grid, dim, value.type)
            self._name(made, value, "all_gather")
            self.gathered[value] = self.builder.insert(made).y
        return self.gathered[value]

    def _cut(self, value: SSAValue, dim: int) -> SSAValue:
        """An argument of which each socket gets its part."""
        assert isinstance(value, BlockArgument)
        self.free.remove(value)
        self.dims[value] = self.shares.arguments[value.index] = dim
        return value

    def _cheap(self, value: SSAValue, dim: int) -> SSAValue:
        """A socket's part of an empty tensor or of a constant, made anew."""
        owner = value.owner
        assert isinstance(owner, Operation)
        loops = (loop.slots for loop in loops_of(owner))
        slots = next(
            s for s in loops if any((x.value, x.dim) == (value, dim) for x in s)
        )
        dims = {slot.value: slot.dim for slot in slots}
        near = {v: self._form(v, dims.get(v)) for v in inputs_of(owner)}
        copy_ops([owner], near, self._shapes(dims), self.builder)
        return near[value]

    def _sum(self, op: Operation) -> None:
        """The sum over all sockets of what each made of its part."""
        (result,) = op.results
        properties = {"grid": SymbolRefAttr(self.grid)}
        made = AllReduceOp.create(
            operands=[self.values[result]],
            result_types=[result.type],
            properties={**properties, **SUM},
        )
        self._name(made, result, "all_reduce")
        self.values[result] = self.builder.insert(made).results[0]

    def _name(self, made: Operation, value: SSAValue, what: str) -> None:
        owner = value.owner
        if isinstance(owner, Operation) and (origin := origin_of(owner)):
            made.attributes[ORIGIN] = StringAttr(f"{origin}#{what}")

    def _call(self, op: CallOp) -> None:
        """A call of a function that is rewritten already."""
        shares = self.callees[op.callee.string_value()]
        operands = [
            self._form(value, shares.arguments.get(index))
            for index, value in enumerate(op.arguments)
        ]
        kinds = [
            self._part_type(result, shares.results[index])
            if index in shares.results
            else result.type
            for index, result in enumerate(op.results)
        ]
        made = self.builder.insert(CallOp(op.callee, operands, kinds))
        made.attributes |= op.attributes
        for index, (old, new) in enumerate(zip(op.results, made.results, strict=True)):
            new.name_hint = old.name_hint
            self.values[old] = new
            if index in shares.results:
                self.dims[old] = shares.results[index]

    def _return(self, op: ReturnOp) -> None:
        """States stay split, all else is whole on every socket."""
        given: list[SSAValue] = []
        for index, value in enumerate(op.arguments):
            dim = self.dims.get(value)
            if dim is not None and self._is_state(index, value, dim):
                self.shares.results[index] = dim
                given.append(self.values.get(value, value))
            else:
                given.append(self._form(value, None))
        made = self.builder.insert(ReturnOp(*given))
        made.attributes |= op.attributes

    def _is_state(self, index: int, value: SSAValue, dim: int) -> bool:
        """Whether a result is the new value of a state that is split in the same way."""
        if is_private(self.function):
            return isinstance(value.owner, KvWriteOp | CallOp)
        rows = argument_attributes(self.function)
        return any(
            rows[argument].get(ALIAS) == IntegerAttr(index, i32) and dim == own
            for argument, own in self.shares.arguments.items()
        )

    def _part_type(self, value: SSAValue, dim: int) -> Attribute:
        kind = cast("TensorType[Attribute]", value.type)
        return TensorType(
            kind.element_type, self._part(shape(value), dim), kind.encoding
        )


SUM: dict[str, Attribute] = {
    "grid_axes": DenseArrayBase.from_list(i16, []),
    "reduction": ReductionKindAttr(ReductionKind.SUM),
}


def _sums_from_zero(op: Operation) -> bool:
    """Whether an op is a product whose sum starts from zero, so that parts of it add up."""
    if not isinstance(op, LinalgStructuredOperation) or contraction_of(op) is None:
        return False
    return number(op.outputs[0]) == 0
