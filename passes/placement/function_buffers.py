"""
The buffers behind the tensors of a function: which values share one, and how long each lives.

A kernel's result has a buffer of its own. Views share that of their source; a cache that
`attention.kv_write` updates stays in its buffer, unless somebody still needs the old cache. A call's
result is in one of its arguments when the callee gives that argument back, else in a buffer that
the caller hands over as an extra argument. A branch's result stays in the buffer it would be in
without the branch (analysis/branches.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from xdsl.dialects import scf, tensor
from xdsl.dialects.builtin import IntegerAttr, TensorType
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from dfc.dialects import accel, attention
from dfc.dialects.socket import COLLECTIVES
from dfc.passes.analysis.branches import branch_kernels, branch_results, timed
from dfc.passes.analysis.functions import argument_attributes, is_private
from dfc.passes.analysis.graph_places import fail
from dfc.passes.analysis.memory_views import aligned, buffer_bytes
from dfc.passes.analysis.origins import value_name

ALIAS = "tf.aliasing_output"
Reshape = tensor.ExpandShapeOp | tensor.CollapseShapeOp


@dataclass(eq=False)
class Buffer:
    """A buffer, the times it is live (places of ops in the function), and where it is put."""

    name: str
    type: TensorType[Attribute]
    first: int
    last: int
    tier: str = ""
    argument: BlockArgument | None = None
    """The function's argument it is."""
    result: int | None = None
    """The result that it is returned as."""
    pinned: bool = False
    """Whether it has to stay in the host's tier."""
    hint: str | None = None
    """A name for the text."""
    kernels: dict[Operation, None] = field(default_factory=dict[Operation, None])

    @property
    def size(self) -> int:
        """Its bytes."""
        return aligned(buffer_bytes(self.type))


@dataclass
class Signature:
    """How a function gives back its results: for each, the argument it is in, or `None` for an extra one."""

    results: list[int | None]
    updated: set[int]
    """The arguments that it writes."""


class FunctionBuffers:
    """The buffers of one function, whose callees' signatures are known."""

    def __init__(
        self, function: FuncOp, host_tier: str, signatures: Mapping[str, Signature]
    ) -> None:
        self.function = function
        self.host_tier = host_tier
        self.signatures = signatures
        self.ops = list(function.body.block.ops)
        self.time = {op: time for time, op in timed(self.ops)}
        self.kernels = [op for op in self.time if isinstance(op, accel.KernelOp)]
        """The kernels in order, those of branches too."""
        self.buffers: list[Buffer] = []
        self.of: dict[SSAValue, Buffer] = {}
        self.copied: dict[Operation, Buffer] = {}
        """Ops that work on a copy of their operand, and the copy's buffer."""
        self.returned: list[Buffer | None] = []
        """For each result the buffer it is copied to at the end, `None` when it is there already."""
        self._updated: set[int] = set()
        for argument in function.args:
            if isinstance(argument.type, TensorType):
                self._add(argument, f"argument {argument.index}", 0, argument)
        for op in self.ops:
            self._visit(op)

    def signature(self) -> Signature:
        """How the function gives back its results."""
        last = self.ops[-1]
        assert isinstance(last, ReturnOp)
        results: list[int | None] = []
        for value, copy in zip(last.arguments, self.returned, strict=True):
            inside = copy if copy is not None else self.of[value]
            argument = inside.argument
            results.append(None if argument is None else argument.index)
        return Signature(results, self._updated)

    def _add(
        self,
        value: SSAValue,
        name: str,
        time: int,
        argument: BlockArgument | None = None,
    ) -> Buffer:
        kind = cast("TensorType[Attribute]", value.type)
        made = Buffer(name, kind, time, time, self.host_tier, argument)
        made.pinned = argument is not None
        made.hint = value.name_hint
        self.buffers.append(made)
        self.of[value] = made
        return made

    def _use(self, op: Operation) -> None:
        for operand in op.operands:
            if operand in self.of:
                buffer = self.of[operand]
                buffer.last = max(buffer.last, self.time[op])

    def _visit(self, op: Operation) -> None:
        self._use(op)
        if isinstance(op, accel.KernelOp):
            self._kernel(op)
        elif isinstance(op, CallOp):
            self._call(op)
        elif isinstance(op, attention.KvWriteOp):
            self._kv_write(op)
        elif isinstance(op, COLLECTIVES):
            self._collective(op)
        elif isinstance(op, ReturnOp):
            self._return(op)
        elif isinstance(op, Reshape):
            self._reshape(op)
        elif isinstance(op, tensor.ExtractSliceOp):
            self.of[op.result] = self.of[op.source]
        elif isinstance(op, tensor.EmptyOp):
            self._add(op.tensor, "an empty tensor", self.time[op])
        elif isinstance(op, tensor.ExtractOp):
            # the function reads it itself
            self.of[op.tensor].pinned = True
        elif isinstance(op, scf.IfOp):
            self._branch(op)
        elif any(isinstance(v.type, TensorType) for v in (*op.operands, *op.results)):
            fail(
                op,
                f"expected `{op.name}` in a kernel or in `@weights`, got it in a function; run fuse-kernels and hoist-weights",
            )

    def _kernel(self, op: accel.KernelOp) -> None:
        names = [] if op.result_values is None else [n.data for n in op.result_values]
        for index, result in enumerate(op.outputs):
            name = names[index] if names and names[index] else f"{op.sym.data}.{index}"
            self._add(result, name, self.time[op])
        for value in (*op.inputs, *op.outputs):
            if value in self.of:
                self.of[value].kernels[op] = None

    def _collective(self, op: Operation) -> None:
        """What goes between sockets stands with the host on both sides."""
        (result,) = op.results
        self.of[op.operands[0]].pinned = True
        self._add(result, value_name(result) or op.name, self.time[op]).pinned = True

    def _branch(self, op: scf.IfOp) -> None:
        """The kernel in a branch writes over what the branch gives without it."""
        for kernel in branch_kernels(op):
            self._use(kernel)
            self._kernel(kernel)
        for result, new, old in branch_results(op):
            buffer = self.of[result] = self.of[old]
            buffer.last = max(buffer.last, self.time[op])
            buffer.kernels |= self.of[new].kernels
            self.buffers.remove(self.of[new])
            self.of[new] = buffer

    def _call(self, op: CallOp) -> None:
        """Arguments and results of a call stay with the host: one function has one tier per argument."""
        name = op.callee.string_value()
        if name not in self.signatures:
            fail(
                op,
                f"expected a private function of the module to be called, got `@{name}`",
            )
        signature = self.signatures[name]
        for operand in op.arguments:
            if operand in self.of:
                self.of[operand].pinned = True
        for index in signature.updated:
            self._check_update(op, op.arguments[index])
        for result, argument in zip(op.results, signature.results, strict=True):
            if argument is not None:
                self.of[result] = self.of[op.arguments[argument]]
            else:
                name = value_name(result) or f"a result of @{op.callee.string_value()}"
                self._add(result, name, self.time[op]).pinned = True

    def _check_update(self, op: Operation, value: SSAValue) -> None:
        if not self._may_update(op, value):
            fail(
                op,
                f"expected the old value of operand {list(op.operands).index(value)} to have no later use, since the function updates it",
            )
        self._update(value)

    def _update(self, value: SSAValue) -> None:
        argument = self.of[value].argument
        if argument is not None:
            self._updated.add(argument.index)

    def _may_update(self, op: Operation, value: SSAValue) -> bool:
        """Whether a value's buffer may be written at an op: nobody needs what stands there."""
        buffer = self.of[value]
        if buffer.argument is not None and not self._is_state(buffer.argument):
            return False
        if sum(self.of.get(operand) is buffer for operand in op.operands) > 1:
            return False
        stale = [other for other, home in self.of.items() if home is buffer]
        return not any(
            use.operation is not op and self._time(use.operation) > self.time[op]
            for other in stale
            for use in other.uses
        )

    def _time(self, op: Operation) -> int:
        while op not in self.time:
            parent = op.parent_op()
            assert parent is not None
            op = parent
        return self.time[op]

    def _is_state(self, argument: BlockArgument) -> bool:
        """Whether an argument may be updated: a called function's, or one that a result takes the place of."""
        if is_private(self.function):
            return True
        rows = self.function.arg_attrs
        return rows is not None and ALIAS in rows.data[argument.index].data

    def _kv_write(self, op: attention.KvWriteOp) -> None:
        if self._may_update(op, op.cache):
            self._update(op.cache)
            self.of[op.result] = self.of[op.cache]
        else:
            copy = self._add(
                op.result, value_name(op.result) or "a cache", self.time[op]
            )
            self.copied[op] = copy
        self.of[op.cache].last = max(self.of[op.cache].last, self.time[op])

    def _reshape(self, op: Reshape) -> None:
        if is_contiguous(op.src):
            self.of[op.result] = self.of[op.src]
            return
        copy = self._add(op.result, value_name(op.result) or "a slice", self.time[op])
        copy.type = cast("TensorType[Attribute]", op.src.type)
        self.copied[op] = copy

    def _return(self, op: ReturnOp) -> None:
        end = self.time[op]
        taken: set[Buffer] = set()
        states = self._states()
        for index, value in enumerate(op.arguments):
            buffer = self.of[value]
            buffer.last = end
            state = states.get(index)
            target = self._returned_in(index, value, buffer, state, taken)
            taken.add(buffer if target is None else target)
            self.returned.append(target)

    def _states(self) -> dict[int, BlockArgument]:
        """The arguments whose new value is a result, by result."""
        found: dict[int, BlockArgument] = {}
        attributes = argument_attributes(self.function)
        for argument, own in zip(self.function.args, attributes, strict=True):
            alias = own.get(ALIAS)
            if isinstance(alias, IntegerAttr):
                found[cast("IntegerAttr", alias).value.data] = argument
        return found

    def _returned_in(
        self,
        index: int,
        value: SSAValue,
        buffer: Buffer,
        state: BlockArgument | None,
        taken: set[Buffer],
    ) -> Buffer | None:
        """The buffer that a result is copied to; `None` when it can be given as it is."""
        whole = value.type == buffer.type
        if buffer.argument is not None and buffer.argument == state and whole:
            return None
        if state is not None:
            self._update(state)
            return self.of[state]
        private = is_private(self.function)
        if buffer.argument is not None and private and whole:
            return None
        free = buffer.argument is None and buffer not in taken
        if free and is_contiguous(value) and _is_reshaped(value):
            buffer.pinned, buffer.result = True, index
            return None
        kind = cast("TensorType[Attribute]", value.type)
        end = len(self.ops) - 1
        copy = Buffer(
            f"result {index}", kind, end, end, self.host_tier, pinned=True, result=index
        )
        self.buffers.append(copy)
        return copy


def _is_reshaped(value: SSAValue) -> bool:
    """Whether a value is all of its buffer, perhaps in another shape."""
    while isinstance(value.owner, Reshape):
        value = value.owner.src
    return not isinstance(value.owner, tensor.ExtractSliceOp)


def is_contiguous(value: SSAValue) -> bool:
    """Whether a value's elements follow each other in its buffer."""
    while isinstance(value.owner, Reshape):
        value = value.owner.src
    if not isinstance(value.owner, tensor.ExtractSliceOp):
        return True
    cut = value.owner
    sizes = cut.static_sizes.get_values()
    full = cast("TensorType[Attribute]", cut.source.type).get_shape()
    seen_part = False
    for size, extent in reversed(list(zip(sizes, full, strict=True))):
        if seen_part and size > 1:
            return False
        seen_part = seen_part or size != extent
    return is_contiguous(cut.source)
