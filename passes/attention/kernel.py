"""Puts the graph of an attention in its place, and a second kernel behind it where the first may not do."""

from __future__ import annotations

from xdsl.builder import Builder
from xdsl.dialects import arith, scf, tensor
from xdsl.dialects.builtin import IndexType, IntegerAttr, StringAttr, i8
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from dfc.dialects import accel, attention, stream
from dfc.passes.analysis.origins import copy_origin, value_name
from dfc.passes.attention.graph import AttentionGraph
from dfc.passes.attention.graph_unified import UnifiedGraph
from dfc.passes.kernels.names import free_name


def own_kernel(op: attention.SdpaOp) -> accel.KernelOp:
    """Put an attention at function level into a kernel of its own."""
    inputs = list(dict.fromkeys(op.operands))
    block = Block(arg_types=[value.type for value in inputs])
    kernel = accel.KernelOp(
        unused_name(op, "attention"),
        inputs,
        Region(block),
        [op.y.type],
        operand_values=[value_name(value) for value in inputs],
        result_values=[value_name(op.y)],
    )
    copy_origin(op, kernel)
    kernel.outputs[0].name_hint = op.y.name_hint
    Rewriter.insert_op(kernel, InsertPoint.before(op))
    op.y.replace_all_uses_with(kernel.outputs[0])
    op.detach()
    for value, argument in zip(inputs, block.args, strict=True):
        argument.name_hint = value.name_hint
        op.operands = [argument if v is value else v for v in op.operands]
    block.add_ops([op, accel.YieldOp(op.y)])
    return kernel


def unused_name(op: Operation, name: str) -> str:
    """The name, or one like it that no kernel of the module has."""
    top = op
    while (parent := top.parent_op()) is not None:
        top = parent
    kernels = (each for each in top.walk() if isinstance(each, accel.KernelOp))
    return free_name(name, {kernel.sym.data for kernel in kernels})


def stream_kernel(kernel: accel.KernelOp, schedule: attention.ScheduleAttr) -> None:
    """Replace the attention of a kernel by its graph."""
    op = attention_of(kernel)
    Rewriter.replace_op(op, AttentionGraph(op, schedule).build())


def unified_kernels(
    kernel: accel.KernelOp, schedule: attention.ScheduleAttr, assumed_max: float
) -> None:
    """
    Two kernels for one: the second, a streaming graph, runs where the first sets its flag.

    The first has the flag as a second result, one i8.
    """
    fallback = kernel.clone()
    name = unused_name(kernel, f"{kernel.sym.data}_fallback")
    fallback.properties["sym"] = StringAttr(name)
    slow = attention.ScheduleAttr(
        "streaming", schedule.order.data, schedule.keys.data, schedule.rows.data
    )
    stream_kernel(fallback, slow)
    op = attention_of(kernel)
    graph = UnifiedGraph(op, schedule, assumed_max).build()
    first = _flagged(kernel, op, graph)
    builder = Builder(InsertPoint.before(kernel))
    builder.insert(first)
    failed = _is_set(first.outputs[1], builder)
    branch = scf.IfOp(
        failed,
        [first.outputs[0].type],
        _yielding(fallback.outputs[0], fallback),
        _yielding(first.outputs[0]),
    )
    copy_origin(op, branch)
    branch.output[0].name_hint = kernel.outputs[0].name_hint
    Rewriter.replace_op(kernel, branch)


def attention_of(kernel: accel.KernelOp) -> attention.SdpaOp:
    """The attention that is all a kernel holds."""
    op = kernel.body.block.first_op
    assert isinstance(op, attention.SdpaOp)
    return op


def _flagged(
    kernel: accel.KernelOp, op: attention.SdpaOp, graph: stream.GraphOp
) -> accel.KernelOp:
    """The kernel with the graph, which takes over its body; what it gives has no name, as it may be wrong."""
    block = kernel.body.detach_block(0)
    for each in list(block.ops):
        block.detach_op(each)
    block.add_ops([graph, accel.YieldOp(*graph.outputs)])
    op.drop_all_references()
    made = accel.KernelOp(
        kernel.sym.data,
        kernel.inputs,
        Region(block),
        [value.type for value in graph.outputs],
    )
    made.attributes |= kernel.attributes
    if kernel.operand_values is not None:
        made.operand_values = kernel.operand_values
    return made


def _is_set(flag: SSAValue, builder: Builder) -> SSAValue:
    """Whether the only element of a tensor of i8 is not 0."""
    first = IntegerAttr(0, IndexType())
    at = builder.insert(arith.ConstantOp(first)).result
    value = builder.insert(tensor.ExtractOp(flag, [at] * 4, i8)).result
    zero = builder.insert(arith.ConstantOp(IntegerAttr(0, i8))).result
    return builder.insert(arith.CmpiOp(value, zero, "ne")).result


def _yielding(value: SSAValue, *ops: Operation) -> Region:
    """A branch that gives a value after some ops."""
    return Region(Block([*ops, scf.YieldOp(value)]))
