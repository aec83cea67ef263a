"""Rewrites one function from tensors to the memrefs of its placement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects import memref, scf, tensor
from xdsl.dialects.builtin import ArrayAttr, StringAttr, TensorType
from xdsl.dialects.func import CallOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

from dfc.dialects import accel, attention, stream, tier
from dfc.dialects.socket import COLLECTIVES
from dfc.dialects.utils import shape
from dfc.passes.analysis.block_arguments import append_arguments, erase_arguments
from dfc.passes.analysis.branches import branch_kernels, branch_results
from dfc.passes.analysis.exchanges import exchange
from dfc.passes.analysis.functions import (
    argument_attributes,
    is_private,
    set_argument_attributes,
    update_type,
)
from dfc.passes.analysis.graph_places import fail
from dfc.passes.analysis.memory_views import Indices, memref_type
from dfc.passes.analysis.memref_views import reshaped, sliced, unreshaped
from dfc.passes.fabric.graph import placed_graph
from dfc.passes.placement.function_buffers import (
    Buffer,
    FunctionBuffers,
    Reshape,
    Signature,
)
from dfc.passes.placement.placed_graph import PlacedGraph
from dfc.passes.placement.tier_choice import Placement, graph_in


class PlacedBuilder:
    """Rewrites the function whose buffers were found and placed."""

    def __init__(
        self,
        found: FunctionBuffers,
        placement: Placement,
        signatures: Mapping[str, Signature],
    ) -> None:
        self.found = found
        self.placement = placement
        self.signatures = signatures
        self.function = found.function
        self.block = found.function.body.block
        self.memrefs: dict[Buffer, SSAValue] = {}
        self.values: dict[SSAValue, SSAValue] = {}
        first = self.block.first_op
        assert first is not None
        self.builder = Builder(InsertPoint.before(first))

    def build(self) -> None:
        """Rewrite arguments, then every op, then drop what stood there."""
        attributes = argument_attributes(self.function)
        old_arguments = list(self.block.args)
        kinds = [self._kind_of(argument) for argument in old_arguments]
        made = append_arguments(self.block, kinds)
        for old, new in zip(old_arguments, made, strict=True):
            self._replace(old, new)
        self._allocate()
        for op in self.found.ops:
            self.builder = Builder(InsertPoint.before(op))
            self._rewrite(op)
        for op in reversed(self.found.ops):
            if self._is_replaced(op):
                op.detach()
                op.erase()
        erase_arguments(self.block, range(len(old_arguments)))
        extra = len(self.block.args) - len(attributes)
        set_argument_attributes(
            self.function, [*attributes, *({} for _ in range(extra))]
        )
        update_type(self.function)

    def _kind_of(self, argument: SSAValue) -> Attribute:
        """The type of an argument of the placed function."""
        if not isinstance(argument.type, TensorType):
            return argument.type
        buffer = self.found.of[argument]
        return memref_type(buffer.type, buffer.tier)

    def _replace(self, argument: SSAValue, new: SSAValue) -> None:
        """A buffer stands for a tensor from now on, other arguments for themselves."""
        if not isinstance(argument.type, TensorType):
            argument.replace_all_uses_with(new)
            return
        new.name_hint = argument.name_hint
        self.memrefs[self.found.of[argument]] = self.values[argument] = new

    def _allocate(self) -> None:
        """Allocations; for a called function, an extra argument for each result that needs one."""
        for buffer in self.found.buffers:
            if buffer in self.placement.buffers:
                kind = memref_type(buffer.type, buffer.tier)
                made = tier.AllocOp(kind, self.placement.buffers[buffer])
                self.memrefs[buffer] = self.builder.insert(made).buffer
                made.buffer.name_hint = buffer.hint
        if not is_private(self.function):
            return
        last = self.found.ops[-1]
        handed = {b.result: b for b in self.found.buffers if b.result is not None}
        for index in sorted(handed):
            value = last.operands[index]
            kind = cast("TensorType[Attribute]", value.type)
            made = memref_type(kind, self.found.host_tier)
            argument = self.block.insert_arg(made, len(self.block.args))
            inside = handed[index]
            self.memrefs[inside] = (
                argument
                if self.found.of[value] is not inside
                else self._behind(value, argument)
            )

    def _behind(self, value: SSAValue, memref: SSAValue) -> SSAValue:
        """The buffer whose reshaped form is returned in `memref`."""
        while isinstance(value.owner, Reshape) and value.owner not in self.found.copied:
            memref = unreshaped(value.owner, memref, self.builder)
            value = value.owner.src
        return memref

    def _is_replaced(self, op: Operation) -> bool:
        values = (*op.operands, *op.results)
        return isinstance(op, ReturnOp | CallOp | accel.KernelOp) or any(
            isinstance(value.type, TensorType) for value in values
        )

    def _rewrite(self, op: Operation) -> None:
        if isinstance(op, accel.KernelOp):
            self._kernel(op)
        elif isinstance(op, CallOp):
            self._call(op)
        elif isinstance(op, attention.KvWriteOp):
            self._kv_write(op)
        elif isinstance(op, COLLECTIVES):
            source, (result,) = self.values[op.operands[0]], op.results
            self.values[result] = self.memrefs[self.found.of[result]]
            made = exchange(op, source, self.values[result])
            self.builder.insert(made).attributes |= op.attributes
        elif isinstance(op, tensor.EmptyOp):
            self.values[op.tensor] = self.memrefs[self.found.of[op.tensor]]
        elif isinstance(op, tensor.ExtractSliceOp):
            self.values[op.result] = sliced(op, self.values[op.source], self.builder)
        elif isinstance(op, Reshape):
            source = self.values[op.src]
            if op in self.found.copied:
                source = self._copied(op, source)
            self.values[op.result] = reshaped(op, source, self.builder)
        elif isinstance(op, tensor.ExtractOp):
            value = memref.LoadOp.get(self.values[op.tensor], op.indices)
            op.result.replace_all_uses_with(self.builder.insert(value).res)
        elif isinstance(op, scf.IfOp):
            self._branch(op)
        elif isinstance(op, ReturnOp):
            self._return(op)

    def _branch(self, op: scf.IfOp) -> None:
        """A branch that gives nothing: its kernel writes to the buffer of what it gave."""
        outside, then = self.builder, Block()
        self.builder = Builder(InsertPoint.at_end(then))
        for kernel in branch_kernels(op):
            self._kernel(kernel)
        self.builder.insert(scf.YieldOp())
        self.builder = outside
        made = scf.IfOp(op.cond, [], Region(then), Region(Block([scf.YieldOp()])))
        self.builder.insert(made)
        for result, _, old in branch_results(op):
            self.values[result] = self.values[old]

    def _copied(self, op: Operation, source: SSAValue) -> SSAValue:
        """A copy of what an op works on."""
        target = self.memrefs[self.found.copied[op]]
        self._copy(op, source, target)
        return target

    def _copy(self, op: Operation, source: SSAValue, target: SSAValue) -> None:
        made = self.builder.insert(tier.CopyOp(source, target))
        made.attributes |= op.attributes

    def _kv_write(self, op: attention.KvWriteOp) -> None:
        cache = self.values[op.cache]
        if op in self.found.copied:
            cache = self._copied(op, cache)
        at = Indices(self.builder, self.builder)
        part = at.part(cache, [0, 0, op.position, 0], shape(op.new))
        self._copy(op, self.values[op.new], part)
        self.values[op.result] = cache

    def _call(self, op: CallOp) -> None:
        name = op.callee.string_value()
        extra: list[SSAValue] = []
        for result, argument in zip(
            op.results, self.signatures[name].results, strict=True
        ):
            if argument is not None:
                self.values[result] = self.values[op.arguments[argument]]
            else:
                self.values[result] = self.memrefs[self.found.of[result]]
                extra.append(self.values[result])
        operands = [self.values.get(value, value) for value in op.arguments]
        made = self.builder.insert(CallOp(name, [*operands, *extra], []))
        made.attributes |= op.attributes

    def _return(self, op: ReturnOp) -> None:
        """Copy what is not where it is returned, into the arguments it takes the place of at last."""
        pairs = list(zip(op.arguments, self.found.returned, strict=True))
        written: set[Buffer] = set()
        for value, target in sorted(pairs, key=_is_state):
            if target is None:
                continue
            if self.found.of[value] in written:
                fail(
                    op,
                    "expected new states that are not each other's old ones; return a copy",
                )
            self._copy(op, self.values[value], self.memrefs[target])
            written.add(target)
        results = [
            self.values[value] if target is None else self.memrefs[target]
            for value, target in pairs
        ]
        called = is_private(self.function)
        self.builder.insert(ReturnOp(*([] if called else results)))

    def _kernel(self, op: accel.KernelOp) -> None:
        inputs = [self.values.get(value, value) for value in op.inputs]
        outs = [self.memrefs[self.found.of[result]] for result in op.outputs]
        self.values |= dict(zip(op.outputs, outs, strict=True))
        block = Block(arg_types=[value.type for value in (*inputs, *outs)])
        arguments = list(block.args)
        names = [value.name_hint for value in (*op.body.block.args, *op.outputs)]
        for argument, name in zip(arguments, names, strict=True):
            argument.name_hint = name
        buffers = dict(zip(op.body.block.args, arguments[: len(inputs)], strict=True))
        targets = _targets(op, arguments[len(inputs) :])
        block.add_op(
            self._graph(op, cast("dict[SSAValue, SSAValue]", buffers), targets)
        )
        made = accel.KernelOp(
            op.sym.data,
            inputs,
            Region(block),
            outs=outs,
            operand_values=_names(op.operand_values),
            result_values=_names(op.result_values),
        )
        made.attributes |= op.attributes
        self.builder.insert(made)

    def _graph(
        self,
        op: accel.KernelOp,
        buffers: dict[SSAValue, SSAValue],
        targets: dict[SSAValue, SSAValue],
    ) -> stream.GraphOp:
        """A kernel's graph on buffers: as planned, or as it is where a unit holds it as a whole."""
        graph = graph_in(op)
        if op in self.placement.held:
            return placed_graph(graph, buffers, targets)
        plan = self.placement.edges[op]
        return PlacedGraph(plan, self.placement.fifos, buffers, targets).build(graph)


def _is_state(pair: tuple[SSAValue, Buffer | None]) -> bool:
    """Whether a result is copied to an argument."""
    return pair[1] is not None and pair[1].argument is not None


def _names(values: ArrayAttr[StringAttr] | None) -> list[str] | None:
    if values is None:
        return None
    return [name.data for name in values]


def _targets(op: accel.KernelOp, outs: Sequence[SSAValue]) -> dict[SSAValue, SSAValue]:
    """The buffer that each write of a kernel's graph goes to."""
    last = op.body.block.last_op
    graph = graph_in(op)
    inner = graph.body.block.last_op
    assert last is not None
    assert inner is not None
    written = dict(zip(graph.outputs, inner.operands, strict=True))
    return {
        written[value]: out  # pyright: ignore[reportArgumentType]
        for value, out in zip(last.operands, outs, strict=True)
    }
