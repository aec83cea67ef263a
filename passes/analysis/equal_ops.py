"""Equality of ops apart from where they came from: the key under which equal computations are shared."""

from collections.abc import Hashable, Mapping, Sequence

from xdsl.ir import Block, Operation, SSAValue

from dfc.passes.analysis.op_loops import captured
from dfc.passes.analysis.origins import ORIGIN

PURE_DIALECTS = ("arith", "linalg", "math", "tensor", "ternary")
"""Dialects whose ops on tensors have no effect but their results."""


def is_pure(op: Operation) -> bool:
    """Whether an op of a tensor-level function may be moved, shared or dropped."""
    return bool(op.results) and all(
        each.name.partition(".")[0] in PURE_DIALECTS for each in op.walk()
    )


def operands_of(op: Operation) -> list[SSAValue]:
    """An op's operands, place by place, then the values that its regions use from outside."""
    return [*op.operands, *captured(op)]


def op_key(op: Operation, operands: Sequence[Hashable]) -> Hashable:
    """
    A key that ops have in common when they compute the same from `operands`, origins aside.

    `operands` stand for those of `operands_of`.
    """
    outer: dict[SSAValue, int] = {v: -1 - i for i, v in enumerate(captured(op))}
    return (op.name, tuple(operands), *_shape_of(op, outer))


def _shape_of(op: Operation, names: dict[SSAValue, int]) -> tuple[Hashable, ...]:
    """Everything of an op but its name and operands."""
    return (
        tuple(op.result_types),
        _attributes(op.properties),
        _attributes(op.attributes),
        tuple(
            _block_key(block, names) for region in op.regions for block in region.blocks
        ),
    )


def _attributes(attributes: Mapping[str, Hashable]) -> Hashable:
    return frozenset(item for item in attributes.items() if item[0] != ORIGIN)


def _block_key(block: Block, names: dict[SSAValue, int]) -> Hashable:
    """A key of a block, in which values are numbered."""
    for argument in block.args:
        names[argument] = len(names)
    lines: list[Hashable] = [tuple(argument.type for argument in block.args)]
    for op in block.ops:
        operands = tuple(names.get(value, value) for value in op.operands)
        lines.append((op.name, operands, *_shape_of(op, names)))
        for result in op.results:
            names[result] = len(names)
    return tuple(lines)
