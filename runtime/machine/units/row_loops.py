"""A processor's kernel for rows: norms, activations and quantisation, a row at a time."""

from xdsl.dialects.builtin import ShapedType
from xdsl.ir import Operation

from dfc.dialects import ternary
from dfc.dialects.utils import shape
from dfc.runtime.machine.units.vector import Vector
from dfc.runtime.machine.work import MOVES


class RowLoops(Vector):
    """
    A vector unit that takes whole rows: values of one or two dimensions that are not 1.

    What has more dimensions, what only moves data, and what ends a product of integers, is another unit's.
    """

    @property
    def cuts_by_itself(self) -> bool:
        return True

    def runs(self, op: Operation) -> bool:
        values = (*op.operands, *op.results)
        shapes = [shape(v) for v in values if isinstance(v.type, ShapedType)]
        rows = all(sum(size != 1 for size in each) <= 2 for each in shapes)
        other = op.name in MOVES or isinstance(op, ternary.DequantizeOp)
        return rows and not other and super().runs(op)
