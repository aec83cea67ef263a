"""What the dimensions of a function's tensors are: tokens, or the columns of rows; found from how ops use them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from xdsl.dialects import linalg, tensor
from xdsl.dialects.builtin import DYNAMIC_INDEX
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.ir import Operation, SSAValue
from xdsl.ir.affine import AffineConstantExpr, AffineDimExpr, AffineExpr

from dfc.dialects import ternary
from dfc.dialects.utils import shape

Role = Literal["tokens", "columns"]

MOST = 3
"""Dimensions of an argument: of more, as of heads, it is not clear which are tokens where there is one token."""


class UnfitError(Exception):
    """A function is no program of rows; says why."""


@dataclass(eq=False)
class Dimension:
    """A dimension of a value or a loop; those that were joined share the `role` of their `root`."""

    size: int
    role: Role | None = None
    parent: "Dimension | None" = None

    @property
    def root(self) -> "Dimension":
        """What stands for all dimensions that were joined."""
        return self if self.parent is None else self.parent.root

    def join(self, other: "Dimension") -> None:
        """Both are the same."""
        a, b = self.root, other.root
        if a is b:
            return
        if a.size != b.size or None is not a.role != b.role is not None:
            raise UnfitError("dimensions of other sizes or roles are one loop")
        a.role = a.role or b.role
        b.parent = a

    def become(self, role: Role) -> None:
        """Take a role, unless there is only one place."""
        if self.size != 1:
            self.join(Dimension(self.size, role))


Dimensions = tuple[Dimension, ...]


@dataclass(frozen=True)
class Roles:
    """How many columns rows have, and which arguments and results differ by token, and by column."""

    columns: int
    by_token: frozenset[SSAValue]
    by_column: frozenset[SSAValue]


def find_roles(
    arguments: Sequence[SSAValue],
    ops: Sequence[Operation],
    results: Sequence[SSAValue],
    weights: Collection[SSAValue],
) -> Roles:
    """
    The roles of a function's values; `UnfitError` where a dimension has none or two.

    What is no weight differs by token too where the types are of one token.
    """
    finder = Finder({value: first_guess(shape(value)) for value in arguments})
    for op in ops:
        finder.visit(op)
    columns, tokens = finder.settle()
    values = [*arguments, *results]
    by_token = {value for value in values if finder.has(value, "tokens")}
    by_column = {value for value in values if finder.has(value, "columns")}
    if tokens == 1:
        every = {value for value in values if value not in weights}
        by_token |= {v for v in every if len(shape(v)) > 1 or shape(v) == (1,)}
    if columns == 1:
        by_column |= {value for value in values if len(shape(value)) > 1}
    return Roles(columns, frozenset(by_token), frozenset(by_column))


@dataclass
class Finder:
    """Goes through a function; `known` are the dimensions of its tensors, none of those without contents."""

    known: dict[SSAValue, Dimensions]

    def has(self, value: SSAValue, role: Role) -> bool:
        """Whether a dimension of a value has a role."""
        return any(each.root.role == role for each in self.dimensions(value))

    def settle(self) -> tuple[int, int]:
        """Columns and tokens, in order; what has no role yet is what has its size, columns before tokens."""
        roots = {each.root: None for dims in self.known.values() for each in dims}
        columns = only({each.size for each in roots if each.role == "columns"})
        tokens = only({each.size for each in roots if each.role == "tokens"})
        for each in roots:
            if each.role is None and each.size != 1:
                columns = columns or each.size
                each.role = "columns" if each.size == columns else "tokens"
                if each.role == "tokens" and each.size != tokens:
                    raise UnfitError("a dimension is neither tokens nor columns")
        for dimensions in self.known.values():
            check_order(dimensions)
        return columns or 1, tokens or 1

    def visit(self, op: Operation) -> None:
        """Relate the dimensions of an op's operands and results."""
        if isinstance(op, linalg.ops.GenericOp):
            self.generic(op)
        elif isinstance(op, tensor.ExpandShapeOp | tensor.CollapseShapeOp):
            self.reshaped(op)
        elif isinstance(op, tensor.ExtractSliceOp):
            self.sliced(op)
        elif isinstance(op, ternary.QuantizeOp):
            x = self.dimensions(op.x)
            x[0].become("tokens")
            x[1].become("columns")
            self.known[op.q], self.known[op.s] = x, x[:1]

    def dimensions(self, value: SSAValue) -> Dimensions:
        """Those of a value; new ones for a value that holds one number or nothing."""
        return self.known.get(value) or tuple(map(Dimension, shape(value)))

    def generic(self, op: linalg.ops.GenericOp) -> None:
        """Dimensions that one loop runs over are the same."""
        maps = [each.data for each in op.indexing_maps]
        loops: dict[int, Dimension] = {}
        for value, one in zip([*op.inputs, *op.outputs], maps, strict=True):
            for at, each in zip(one.results, self.dimensions(value), strict=True):
                relate(at, each, loops)
        for number, kind in enumerate(op.iterator_types):
            if kind.data is IteratorType.REDUCTION:
                loops[number].become("columns")
            elif kind.data is not IteratorType.PARALLEL:
                raise UnfitError("a loop is neither parallel nor a reduction")
        for result, one in zip(op.results, maps[len(op.inputs) :], strict=True):
            self.known[result] = tuple(
                loops[at.position] if isinstance(at, AffineDimExpr) else Dimension(1)
                for at in one.results
            )

    def reshaped(self, op: tensor.ExpandShapeOp | tensor.CollapseShapeOp) -> None:
        """Dimensions of size 1 come or go; the others stay in order."""
        self.known[op.result] = refitted(self.dimensions(op.src), shape(op.result))

    def sliced(self, op: tensor.ExtractSliceOp) -> None:
        """A slice of all there is."""
        sizes = tuple(op.static_sizes.iter_values())
        if sizes != shape(op.source) or any(op.static_offsets.iter_values()):
            raise UnfitError("a slice is not of all there is")
        self.known[op.result] = refitted(self.dimensions(op.source), shape(op.result))


def only(sizes: set[int]) -> int:
    """The size that all have, 0 where there is none."""
    if len(sizes) > 1:
        raise UnfitError("tokens or columns are of several sizes")
    return next(iter(sizes), 0)


def first_guess(sizes: Sequence[int]) -> Dimensions:
    """Dimensions of an argument: behind tokens stand columns; a single one can be either."""
    if DYNAMIC_INDEX in sizes or len(sizes) > MOST:
        raise UnfitError("an argument is not static or has too many dimensions")
    made = tuple(map(Dimension, sizes))
    wide = [each for each in made if each.size != 1]
    if len(sizes) > 1 and (len(wide) > 1 or wide != list(made[-1:])):
        for each in made[:-1]:
            each.become("tokens")
        made[-1].become("columns")
    return made


def relate(at: AffineExpr, dimension: Dimension, loops: dict[int, Dimension]) -> None:
    """A dimension that is indexed by a loop, or has one place."""
    if isinstance(at, AffineDimExpr):
        loops.setdefault(at.position, dimension).join(dimension)
    elif not isinstance(at, AffineConstantExpr) or at.value or dimension.size != 1:
        raise UnfitError("an operand is indexed by more than a loop")


def refitted(dimensions: Dimensions, sizes: Sequence[int]) -> Dimensions:
    """The dimensions of a shape that differs by dimensions of size 1."""
    wide = [each for each in dimensions if each.size != 1]
    if [each.size for each in wide] != [size for size in sizes if size != 1]:
        raise UnfitError("rows are split or put together")
    left = iter(wide)
    return tuple(Dimension(1) if size == 1 else next(left) for size in sizes)


def check_order(dimensions: Dimensions) -> None:
    """Tokens stand before columns, each at most once."""
    roles = [each.root.role for each in dimensions if each.size != 1]
    if roles not in ([], ["tokens"], ["columns"], ["tokens", "columns"]):
        raise UnfitError("dimensions are not tokens before columns")
