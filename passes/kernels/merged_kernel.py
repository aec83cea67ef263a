"""Kernels that multiply the same quantised activations, and the one kernel that they become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import Block, BlockArgument, Operation, Region, SSAValue

from dfc.dialects import accel
from dfc.passes.analysis.block_order import depends_on_itself
from dfc.passes.analysis.dimension_classes import analyse
from dfc.passes.analysis.origins import origins_of, set_origins
from dfc.passes.kernels.building import UNIT
from dfc.passes.kernels.fusion_graph import FusionGraph, inputs_of
from dfc.passes.kernels.legality import find_shortage, tier_bytes
from dfc.runtime.machine import Target
from dfc.runtime.machine.structure import contraction_of


def activations(kernel: accel.KernelOp) -> SSAValue | None:
    """What the int8 product of a fused kernel multiplies, as the function has it; None where there is no such product."""
    for op in kernel.body.block.ops:
        product = contraction_of(op)
        if product is not None and product.dtype == "i8":
            left = op.operands[0]
            if not isinstance(left, BlockArgument):
                return None
            return kernel.inputs[left.index]
    return None


def units_of(kernel: accel.KernelOp) -> frozenset[str]:
    """The units that a fused kernel's ops run on."""
    names = (op.attributes.get(UNIT) for op in kernel.body.block.ops)
    return frozenset(name.data for name in names if isinstance(name, StringAttr))


def independent(kernels: Sequence[accel.KernelOp]) -> bool:
    """Whether none of some kernels of a block needs what another makes, by whatever way."""
    inside = set[Operation](kernels)
    direct = (value.owner for kernel in kernels for value in inputs_of(kernel))
    return not inside.intersection(
        owner for owner in direct if isinstance(owner, Operation)
    ) and not depends_on_itself(kernels)


def fit_beside(kernels: Sequence[accel.KernelOp], target: Target) -> bool:
    """
    Whether the weights of all products fit in the target's memories whole, beside the smallest tiles of tokens.

    The tokens are then the only loop that all products share, and none walks along the columns of another.
    """
    made = merged(kernels, "")
    block = made.body.block
    graph = FusionGraph(block)
    group = tuple(graph.work)
    units = {op: target.unit[_unit(op)] for op in group}
    classes = analyse(op for op in block.ops if not isinstance(op, accel.YieldOp))
    tile: dict[int, int] = {}
    for op in graph.anchors:
        index, scale = classes.class_of(op.operands[0], 0)
        rows = units[op].tile_multiples(op).get("m", 1)
        tile[index] = max(tile.get(index, 1), -(-rows // scale))

    def token(value: SSAValue) -> tuple[int, ...]:
        return classes.tile_shape(value, tile)

    short = find_shortage(tier_bytes(group, graph, token, units), target)
    made.erase()
    return short is None


def _unit(op: Operation) -> str:
    name = op.attributes[UNIT]
    assert isinstance(name, StringAttr)
    return name.data


def merged(kernels: Sequence[accel.KernelOp], name: str) -> accel.KernelOp:
    """One kernel with the bodies of several, one after the other; its results are theirs in order."""
    inputs = list(dict.fromkeys(v for kernel in kernels for v in kernel.inputs))
    block = Block(arg_types=[value.type for value in inputs])
    results: list[SSAValue] = []
    for kernel in kernels:
        results += _copy_body(kernel, dict(zip(inputs, block.args, strict=True)), block)
    block.add_op(accel.YieldOp(*results))
    made = accel.KernelOp(name, inputs, Region(block), [v.type for v in results])
    names = dict[SSAValue, StringAttr]()
    for kernel in kernels:
        if kernel.operand_values is not None:
            names |= zip(kernel.inputs, kernel.operand_values.data, strict=True)
    if names:
        every = (names.get(value, StringAttr("")) for value in inputs)
        made.properties["operand_values"] = ArrayAttr(every)
    if any(kernel.result_values is not None for kernel in kernels):
        made.properties["result_values"] = ArrayAttr(_result_names(kernels))
    set_origins(made, (origin for kernel in kernels for origin in origins_of(kernel)))
    return made


def _copy_body(
    kernel: accel.KernelOp, arguments: dict[SSAValue, SSAValue], block: Block
) -> Iterable[SSAValue]:
    """Copy a kernel's body behind others; what it yields. `arguments` are those of the block by the function's values."""
    values: dict[SSAValue, SSAValue] = {}
    for outer, inner in zip(kernel.inputs, kernel.body.block.args, strict=True):
        values[inner] = arguments[outer]
        arguments[outer].name_hint = arguments[outer].name_hint or inner.name_hint
    *ops, last = kernel.body.block.ops
    for op in ops:
        block.add_op(op.clone(value_mapper=values))
    return [values[value] for value in last.operands]


def _result_names(kernels: Iterable[accel.KernelOp]) -> Iterator[StringAttr]:
    for kernel in kernels:
        if kernel.result_values is None:
            yield from (StringAttr("") for _ in kernel.outputs)
        else:
            yield from kernel.result_values.data


def joined_name(names: Sequence[str]) -> str:
    """The names of kernels as one, what they begin and end with once: `q_proj`, `k_proj` are `q_k_proj`."""
    words = [name.split("_") for name in names]
    head = _common(words)
    rest = [each[head:] for each in words]
    tail = _common([each[::-1] for each in rest])
    middle = [word for each in rest for word in each[: len(each) - tail]]
    return "_".join([*words[0][:head], *middle, *rest[0][len(rest[0]) - tail :]])


def _common(words: Sequence[Sequence[str]]) -> int:
    """How many words all begin with."""
    count = 0
    for column in zip(*words, strict=False):
        if len(set(column)) > 1:
            break
        count += 1
    return count
