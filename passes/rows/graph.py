"""A program of rows as a graph: values read, computed element by element, or folded along a row."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.dialects import arith, linalg, math, tensor
from xdsl.dialects.builtin import TensorType, f32, i8, i32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from dfc.dialects import ternary
from dfc.dialects.utils import element
from dfc.passes.rows.math import ROUNDING
from dfc.passes.rows.ops import FOLDS, applies, is_stored
from dfc.passes.rows.roles import Roles, UnfitError, find_roles
from dfc.runtime.interpreter.dtypes import constant

SMALLEST = 1e-5
"""The smallest maximum that a row is scaled by."""


@dataclass(frozen=True, eq=False)
class Node:
    """A value with elements of a `kind`, and whether it differs by token and by column."""

    kind: Attribute
    by_token: bool
    by_column: bool
    inputs: "tuple[Node, ...]"


@dataclass(frozen=True, eq=False)
class Read(Node):
    """An argument of the function."""

    argument: SSAValue


@dataclass(frozen=True, eq=False)
class Constant(Node):
    """The same number everywhere."""

    value: float


@dataclass(frozen=True, eq=False)
class Apply(Node):
    """A scalar op on the elements of its inputs."""

    op: type[Operation]
    properties: Mapping[str, Attribute]


@dataclass(frozen=True, eq=False)
class Fold(Node):
    """The first input's row folded by an op, and with the second input."""

    op: type[Operation]


@dataclass(frozen=True, eq=False)
class Result:
    """A value that a function gives back; a row, or a number per token."""

    node: Node
    is_row: bool


@dataclass(frozen=True)
class RowProgram:
    """What a function computes of each token's row of `columns`."""

    columns: int
    results: tuple[Result, ...]


def row_program(
    function: FuncOp, weights: Collection[SSAValue] = ()
) -> RowProgram | None:
    """The program of rows that a function is, None where it is none; `weights` are arguments that are no rows."""
    if function.is_declaration or len(function.body.blocks) != 1:
        return None
    *ops, last = function.body.block.ops
    arguments = function.body.block.args
    if not isinstance(last, ReturnOp) or set(arguments) <= set(weights):
        return None
    try:
        roles = find_roles(arguments, ops, last.arguments, weights)
        return Builder(roles).build(arguments, ops, last.arguments)
    except UnfitError:
        return None


def apply(
    op: type[Operation],
    kind: Attribute,
    inputs: Sequence[Node],
    properties: Mapping[str, Attribute] | None = None,
) -> Apply:
    """An op on the elements of some nodes."""
    return Apply(
        kind,
        any(each.by_token for each in inputs),
        any(each.by_column for each in inputs),
        tuple(inputs),
        op,
        properties or {},
    )


def number(value: float, kind: Attribute) -> Constant:
    """A number as a node."""
    return Constant(kind, False, False, (), value)


@dataclass
class Builder:
    """Makes the nodes of a function's values; what has no contents has no node."""

    roles: Roles
    nodes: dict[SSAValue, Node] = field(default_factory=dict[SSAValue, Node])

    def build(
        self,
        arguments: Sequence[SSAValue],
        ops: Sequence[Operation],
        results: Sequence[SSAValue],
    ) -> RowProgram:
        """The program; `UnfitError` where an op is not of one."""
        for value in arguments:
            self.nodes[value] = self.read(value)
        for op in ops:
            self.visit(op)
        found = tuple(map(self.result, results))
        if not found:
            raise UnfitError("nothing is given back")
        return RowProgram(self.roles.columns, found)

    def read(self, value: SSAValue) -> Read:
        """An argument."""
        by_token = value in self.roles.by_token
        by_column = value in self.roles.by_column
        return Read(element(value), by_token, by_column, (), value)

    def result(self, value: SSAValue) -> Result:
        """What is given back must be there for each token."""
        node = self.node(value)
        if value not in self.roles.by_token or not is_stored(node.kind):
            raise UnfitError("a result is not one for each token")
        return Result(node, value in self.roles.by_column)

    def node(self, value: SSAValue) -> Node:
        """The node of a value."""
        if value not in self.nodes:
            raise UnfitError("a value has no contents")
        found = self.nodes[value]
        if isinstance(found, Read) and not is_stored(found.kind):
            raise UnfitError("an argument is of a kind that is not read")
        return found

    def visit(self, op: Operation) -> None:
        """Add what an op of the function makes."""
        match op:
            case tensor.EmptyOp():
                pass
            case tensor.ExpandShapeOp() | tensor.CollapseShapeOp():
                self.nodes[op.result] = self.node(op.src)
            case tensor.ExtractSliceOp():
                self.nodes[op.result] = self.node(op.source)
            case linalg.ops.FillOp() if op.inputs[0].type == element(op.results[0]):
                self.nodes[op.results[0]] = self.node(op.inputs[0])
            case linalg.ops.GenericOp():
                self.generic(op)
            case ternary.QuantizeOp():
                self.quantize(op)
            case _:
                if any(isinstance(value.type, TensorType) for value in op.operands):
                    raise UnfitError(f"`{op.name}` is not of rows")
                self.nodes[op.results[0]] = self.scalar(op)

    def scalar(self, op: Operation) -> Node:
        """What an op makes of scalars, or a constant."""
        if isinstance(op, arith.ConstantOp):
            return self.constant(op)
        if not applies(op):
            raise UnfitError(f"`{op.name}` has no form in lanes")
        inputs = [self.node(value) for value in op.operands]
        return apply(type(op), op.results[0].type, inputs, op.properties)

    def constant(self, op: arith.ConstantOp) -> Constant:
        """A number, or a tensor that holds it everywhere."""
        value = constant(op.value)
        if value.size == 0 or (value != value.flat[0]).any():
            raise UnfitError("a constant is of several numbers")
        return number(value.flat[0].item(), element(op.result))

    def generic(self, op: linalg.ops.GenericOp) -> None:
        """What a body computes, evaluated from what it yields: the rest of it may be anything."""
        folds = any(
            each.data is not IteratorType.PARALLEL for each in op.iterator_types
        )
        block, count = op.body.block, len(op.inputs)
        known = op.inputs if folds else [*op.inputs, *op.outputs]
        body = Body(self, dict(zip(block.args, known, strict=False)))
        yielded = block.last_op
        assert yielded is not None
        olds, starts = block.args[count:], op.outputs
        for at, result in enumerate(op.results):
            if not tuple(result.uses):
                continue
            value = yielded.operands[at]
            self.nodes[result] = (
                body.fold(value, olds[at], starts[at]) if folds else body.node(value)
            )

    def quantize(self, op: ternary.QuantizeOp) -> None:
        """
        `s = 127 / max(absmax, 1e-5)` and `round_half_even(x * s)`.

        The sizes are compared as integers, where NaN is the largest. No product is above 127.
        """
        x = apply(arith.ExtFOp, f32, [self.node(op.x)])
        bits = apply(arith.BitcastOp, i32, [apply(math.AbsFOp, f32, [x])])
        found = Fold(i32, True, False, (bits, number(0, i32)), arith.MaxSIOp)
        largest = apply(arith.BitcastOp, f32, [found])
        bounded = apply(arith.MaximumfOp, f32, [largest, number(SMALLEST, f32)])
        s = apply(arith.DivfOp, f32, [number(127, f32), bounded])
        y = apply(arith.MulfOp, f32, [x, s])
        shifted = apply(arith.AddfOp, f32, [y, number(ROUNDING, f32)])
        whole = apply(arith.BitcastOp, i32, [shifted])
        self.nodes[op.q] = apply(arith.TruncIOp, i8, [whole])
        self.nodes[op.s] = s


@dataclass
class Body:
    """The nodes of the values in a body, by the operands that its arguments stand for."""

    outside: Builder
    operands: Mapping[BlockArgument, SSAValue]
    made: dict[SSAValue, Node] = field(default_factory=dict[SSAValue, Node])

    def node(self, value: SSAValue) -> Node:
        """The node of a value in the body or outside."""
        if value not in self.made:
            self.made[value] = self.make(value)
        return self.made[value]

    def make(self, value: SSAValue) -> Node:
        """A new node of a value."""
        if isinstance(value, BlockArgument):
            return self.outside.node(self.operands.get(value, value))
        op = value.owner
        assert isinstance(op, Operation)
        if value in self.outside.nodes:
            return self.outside.nodes[value]
        if isinstance(op, arith.ConstantOp):
            return self.outside.constant(op)
        if not applies(op):
            raise UnfitError(f"`{op.name}` has no form in lanes")
        inputs = [self.node(each) for each in op.operands]
        return apply(type(op), value.type, inputs, op.properties)

    def fold(self, value: SSAValue, old: BlockArgument, start: SSAValue) -> Node:
        """The fold that a yielded value is of `old`, which is `start` at first, and another."""
        op = value.owner
        if not isinstance(op, Operation) or type(op) not in FOLDS:
            raise UnfitError("a row is not folded by one op")
        a, b = op.operands
        if old not in (a, b) or a is b:
            raise UnfitError("a row is not folded by one op")
        inner = self.node(b if a is old else a)
        first = self.outside.node(start)
        return Fold(value.type, True, False, (inner, first), type(op))
