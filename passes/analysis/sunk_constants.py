"""Constant tensors of a function, put where they can be made: into the bodies that use them, or a kernel of their own."""

from __future__ import annotations

from xdsl.builder import Builder
from xdsl.dialects import arith
from xdsl.dialects.builtin import ArrayAttr, StringAttr, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Region
from xdsl.rewriter import InsertPoint, Rewriter

from dfc.dialects import accel
from dfc.passes.analysis.origins import copy_origin, value_name
from dfc.passes.kernels.loops import UNIT
from dfc.runtime.machine import Target


def sink_constants(function: FuncOp, target: Target) -> None:
    """Leave no constant tensor outside kernels, where it would need a buffer that nothing fills."""
    for op in list(function.body.block.ops):
        if isinstance(op, arith.ConstantOp) and isinstance(op.result.type, TensorType):
            for use in list(op.result.uses):
                if isinstance(use.operation, accel.KernelOp):
                    _sink(use.operation, op)
            if op.result.uses:
                _wrap(op, target)
            else:
                Rewriter.erase_op(op)


def _sink(kernel: accel.KernelOp, op: arith.ConstantOp) -> None:
    """Make a constant in a kernel's body instead of handing it in."""
    inputs = list(kernel.inputs)
    block = kernel.body.block
    first = block.first_op
    assert first is not None
    copy = Builder(InsertPoint.before(first)).insert(op.clone())
    for index in reversed([i for i, v in enumerate(inputs) if v is op.result]):
        block.args[index].replace_all_uses_with(copy.result)
        block.erase_arg(block.args[index])
    kept = [i for i, value in enumerate(inputs) if value is not op.result]
    names = kernel.operand_values
    made = accel.KernelOp(
        kernel.sym.data,
        [inputs[i] for i in kept],
        kernel.detach_region(kernel.body),
        [result.type for result in kernel.outputs],
    )
    if names is not None:
        made.properties["operand_values"] = ArrayAttr(names.data[i] for i in kept)
    if kernel.result_values is not None:
        made.properties["result_values"] = kernel.result_values
    made.attributes |= kernel.attributes
    for before, after in zip(kernel.outputs, made.outputs, strict=True):
        after.name_hint = before.name_hint
    Rewriter.replace_op(kernel, made)


def _wrap(op: arith.ConstantOp, target: Target) -> None:
    """A kernel whose result is a constant, for what is returned or handed to a function."""
    inner = op.clone()
    inner.attributes[UNIT] = StringAttr(_unit_at_home(target))
    block = Block([inner])
    block.add_op(accel.YieldOp(inner.result))
    made = accel.KernelOp(
        "constant",
        [],
        Region(block),
        [op.result.type],
        result_values=[value_name(op.result)],
    )
    made.outputs[0].name_hint = op.result.name_hint
    copy_origin(op, made)
    Rewriter.replace_op(op, made)


def _unit_at_home(target: Target) -> str:
    """A unit in the host's memory, else the first."""
    for name, unit in target.unit.items():
        if unit.data_tier == target.host_tier:
            return name
    return next(iter(target.unit))
