"""
The loops of a kernel on a stream fabric, whose nodes run side by side and not in turn.

    %m = reduce max of %x along its columns        // x: rows x columns
    %y = sub %x, %m
  is, in the loops (row, column), a reduce node that folds the columns and a map node in both loops
  that holds the maximum of its row: a token is one element.

So what an op reduces may be used again behind it, and a reduction is folded token by token. A matrix
product takes a row of its left operand at once, and so does what needs all of a row: quantising, a
slice, a reduction that starts from data. Everything else is cut down to one element.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xdsl.dialects import arith
from xdsl.dialects.builtin import AnyFloat, Float64Type, FloatAttr, IntegerAttr
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.dialects.linalg.ops import IndexOp
from xdsl.ir import Attribute, Operation, SSAValue

from dfc.dialects import accel
from dfc.dialects.utils import element
from dfc.passes.analysis.dimension_classes import Classes, DimClass, analyse
from dfc.passes.analysis.graph_places import fail
from dfc.passes.analysis.resize import is_splat
from dfc.passes.analysis.tensor_forms import number
from dfc.passes.kernels.loops import KernelLoops
from dfc.passes.tiling.cost import Tiling
from dfc.passes.tiling.tiled_nodes import nest_of
from dfc.runtime.machine.structure import contraction_of, is_reduction


class FabricLoops(KernelLoops):
    """The loops of a kernel whose ops are all on units that hold graphs."""

    spatial = True

    def _analyse(self) -> Classes:
        return analyse(self.ops, in_turn=False)

    def reduced(self, op: Operation) -> set[int]:
        if not isinstance(op, LinalgStructuredOperation) or not is_folded(op):
            return set()
        return self.walked(op) - self.carried(op.results[0])

    def inits(self, op: Operation) -> list[Attribute]:
        assert isinstance(op, LinalgStructuredOperation)
        return [_init(value) for value in op.outputs]

    def _uncut(self) -> Iterable[DimClass]:
        for op in self.ops:
            if isinstance(op, arith.ConstantOp) and not is_splat(op):
                yield from self.classes.of_op(op)
            elif contraction_of(op) is not None:
                yield from self._uncut_by_product(op)
            elif isinstance(op, LinalgStructuredOperation) and not is_folded(op):
                kept = {c for r in op.results for c in self.carried(r)}
                yield from (c for c in self.classes.of_op(op) if c.id not in kept)

    def _uncut_by_product(self, op: Operation) -> Iterator[DimClass]:
        """All but the rows, and what both operands have in common with the result."""
        rows = self.carried(op.operands[0]) & self.carried(op.results[0])
        yield from (c for c in self.classes.of_op(op) if c.id not in rows)


def is_folded(op: LinalgStructuredOperation) -> bool:
    """Whether an op can take its reduced dimensions token by token: it starts from numbers."""
    known = all(number(value) is not None for value in op.outputs)
    product = contraction_of(op) is not None
    indexed = any(isinstance(inner, IndexOp) for inner in op.body.walk())
    return is_reduction(op) and known and not product and not indexed


def _init(value: SSAValue) -> Attribute:
    """The number that an accumulator starts from."""
    start, kind = number(value), element(value)
    assert start is not None
    if isinstance(kind, AnyFloat | Float64Type):
        return FloatAttr(start, kind)
    return IntegerAttr(int(start), kind)  # pyright: ignore[reportArgumentType, reportCallIssue]


def is_on_fabric(op: accel.KernelOp, loops: KernelLoops) -> bool:
    """Whether all work of a kernel is on units that hold graphs; an error when only some of it is."""
    held = {inner: loops.unit(inner).holds_graphs for inner in loops.work}
    if any(held.values()) and not all(held.values()):
        other = next(inner for inner, holds in held.items() if not holds)
        name = loops.unit_name(other)
        fail(
            other,
            f"expected kernel `{op.sym.data}` on one unit that holds its graph, got `{other.name}` on `{name}`",
        )
    return any(held.values())


def element_tiling(loops: FabricLoops) -> Tiling:
    """
    One point of every class per token, the reduced classes innermost.

    Reductions that one nest cannot hold are taken whole, the last first.
    """
    walked = {index for op in loops.work for index in loops.walked(op)}
    classes = [c for c in loops.tileable() if c.id in walked]
    parallel = [c.id for c in classes if c.kind == "parallel"]
    sums = [c.id for c in classes if c.kind == "reduction"]
    for count in reversed(range(len(sums) + 1)):
        order = (*parallel, *sums[:count])
        nest = nest_of(loops, order)
        if nest is not None:
            return Tiling(tuple((c, 1) for c in order), nest)
    nest = nest_of(loops, ())
    if nest is None:
        fail(
            loops.op, "expected loops that one nest can hold, got none; fuse fewer ops"
        )
    return Tiling((), nest)
