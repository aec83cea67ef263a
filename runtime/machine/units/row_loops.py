"""A processor's kernel for rows: norms, activations and quantisation, a row at a time."""

from xdsl.dialects.builtin import ShapedType
from xdsl.ir import Operation

from dfc.dialects.utils import shape
from dfc.runtime.machine.units.vector import Vector
from dfc.runtime.machine.work import MOVES


class RowLoops(Vector):
    """
    A vector unit that takes whole rows: values of one or two dimensions that are not 1.

    What has more dimensions, and what only moves data, is another unit's.
    """

    @property
    def cuts_by_itself(self) -> bool:
        return True

    def runs(self, op: Operation) -> bool:
        values = (*op.operands, *op.results)
        shapes = [shape(v) for v in values if isinstance(v.type, ShapedType)]
        rows = all(sum(size != 1 for size in each) <= 2 for each in shapes)
        return rows and op.name not in MOVES and super().runs(op)
