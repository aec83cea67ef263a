"""
What of a fused kernel can be cut into tiles: its work, its dimension classes, and the sizes to try.

*Work* are the ops that run on a unit. Constants, empty and filled tensors, views and index
arithmetic are made again in the body of each node that uses them, so streams carry only what work
makes and what comes from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, StringAttr, TensorType, i32
from xdsl.ir import Attribute, Block, Operation, SSAValue

from dfc.dialects import accel, attention, ternary
from dfc.dialects.utils import shape
from dfc.passes.analysis.dimension_classes import Classes, DimClass, analyse
from dfc.passes.analysis.graph_places import fail
from dfc.passes.analysis.op_loops import loops_of
from dfc.passes.analysis.resize import is_splat
from dfc.passes.analysis.weight_layout import WeightLayout, weight_layout
from dfc.passes.kernels.fusion_graph import is_work, named_dimension
from dfc.runtime.machine import Target, Unit

UNIT = "accel.unit"
EXACT_SUMS = ternary.MatmulOp | ternary.LookupMatmulOp
"""Ops whose reduction may be cut: sums of integers, exact in any order."""


class KernelLoops:
    """The loops of one kernel on tensors."""

    spatial: ClassVar[bool] = False
    """Whether every op is a node that runs beside the others, each with all loops it walks along."""

    def __init__(self, op: accel.KernelOp, target: Target) -> None:
        self.op = op
        self.target = target
        self.block: Block = op.body.block
        last = self.block.last_op
        assert isinstance(last, accel.YieldOp)
        self.yielded = list(last.arguments)
        self.ops = [inner for inner in self.block.ops if inner is not last]
        self.work = self._work()
        self.classes = self._analyse()
        self.fixed = {c.id for c in self._uncut()}

    def _analyse(self) -> Classes:
        return analyse(self.ops)

    def unit_name(self, op: Operation) -> str:
        """The unit an op of the kernel runs on."""
        found = op.attributes.get(UNIT)
        if not isinstance(found, StringAttr) or found.data not in self.target.unit:
            got = f"`{found.data}`" if isinstance(found, StringAttr) else "none"
            fail(op, f"expected `{UNIT}` of {', '.join(self.target.unit)}, got {got}")
        return found.data

    def unit(self, op: Operation) -> Unit:
        """The unit an op of the kernel runs on."""
        return self.target.unit[self.unit_name(op)]

    def _work(self) -> list[Operation]:
        """Ops that run on a unit, and views whose result leaves the kernel."""
        given = {value.owner for value in self.yielded}
        return [op for op in self.ops if is_work(op) or op in given]

    def tileable(self) -> list[DimClass]:
        """The classes that may be cut, reductions last."""
        found = [
            c
            for c in self.classes.classes
            if c.kind != "whole" and c.size > 1 and c.id not in self.fixed
        ]
        return sorted(found, key=lambda c: (c.kind == "reduction", c.id))

    def walked(self, op: Operation) -> set[int]:
        """The classes above size 1 that an op walks along."""
        return {c.id for c in self.classes.of_op(op)}

    def carried(self, value: SSAValue) -> set[int]:
        """The classes above size 1 that a value's dimensions are in."""
        return {c.id for c, _ in self.dims(value) if c.size > 1}

    def dims(self, value: SSAValue) -> tuple[tuple[DimClass, int], ...]:
        """The class and scale of each dimension of a value; a dimension no op walks along is whole."""
        try:
            return self.classes.dims(value)
        except KeyError:
            return tuple((DimClass(-1, "whole", 1), size) for size in shape(value))

    def reduced(self, op: Operation) -> set[int]:
        """The classes that an op sums over and its results do not have."""
        if not isinstance(op, EXACT_SUMS):
            return set()
        return self.walked(op) - self.carried(op.results[0])

    def inits(self, op: Operation) -> list[Attribute]:
        """What the accumulators of an op's reduced classes start from."""
        return [IntegerAttr(0, i32) for _ in op.results]

    def _uncut(self) -> Iterable[DimClass]:
        """Classes that stay in one piece although the ops' loops would allow cutting them."""
        for op in self.ops:
            if isinstance(op, arith.ConstantOp) and not is_splat(op):
                yield from self.classes.of_op(op)
            elif isinstance(op, attention.SdpaOp):
                yield from self._uncut_by_attention(op)
            elif not isinstance(op, EXACT_SUMS):
                for loop in loops_of(op):
                    if loop.kind == "reduction" and loop.slots:
                        slot = loop.slots[0]
                        yield self.dims(slot.value)[slot.dim][0]
            elif op.acc is not None:
                yield from (c for c in self.classes.of_op(op) if c.kind == "reduction")
        if all(self._is_at_home(op) for op in self.work):
            yield from self.classes.classes

    def _is_at_home(self, op: Operation) -> bool:
        """Whether a unit works in the host's memory, where tiles gain nothing."""
        return self.unit(op).data_tier == self.target.host_tier

    def _uncut_by_attention(self, op: attention.SdpaOp) -> Iterable[DimClass]:
        """
        All but the query rows; those too when each row sees as many keys as the last one.

        Heads are cut only where a unit has to hold keys and values.
        """
        rows = self.dims(op.q)[2][0]
        if self.unit(op).streams:
            yield from (c for c in self.classes.of_op(op) if c is not rows)
        if op.position is not None and op.causal is None:
            yield rows

    def candidates(self, found: DimClass, most: int = 7) -> list[int]:
        """Tile sizes to try for a class, in points, from small to large; the last is all of it."""
        rows = self._scheduled_rows(found)
        if rows is not None:
            return [rows]
        multiple = max(1, min(self._multiple(found), found.size))
        sizes = {found.size} | _halvings(found.size, multiple)
        step = multiple
        while step < found.size:
            sizes.add(step)
            step *= 2
        if found.kind == "parallel":
            sizes |= {2**power for power in range(multiple.bit_length())}
        sizes |= set(self._regions(found))
        fits = [s for s in sizes if s <= found.size and self._keeps_regions(found, s)]
        return _thin(sorted(fits), most)

    def _scheduled_rows(self, found: DimClass) -> int | None:
        """Query rows held at once, where an attention's schedule says so and they divide all rows."""
        for op in self.work:
            if not isinstance(op, attention.SdpaOp) or op.schedule is None:
                continue
            of_rows, scale = self.dims(op.q)[2]
            if of_rows is found:
                rows = min(op.schedule.rows.data, found.size * scale)
                fits = rows % scale == 0 and found.size % (rows // scale) == 0
                return rows // scale if fits else found.size
        return None

    def _multiple(self, found: DimClass) -> int:
        """The points of a class that fill the units of the kernel's products."""
        return max((points for c, points in self.multiples() if c is found), default=1)

    def multiples(self) -> Iterator[tuple[DimClass, int]]:
        """The points of each class that fill the units of the kernel's products."""
        for op in self.work:
            for name, size in self.unit(op).tile_multiples(op).items():
                for value, dim in named_dimension(op, name):
                    c, scale = self.dims(value)[dim]
                    yield c, -(-size // scale)

    def _weights(self) -> Iterator[tuple[SSAValue, WeightLayout]]:
        """The weights of the kernel's products, and how they are laid out."""
        for op in self.work:
            if isinstance(op, EXACT_SUMS):
                yield op.w, weight_layout(self.unit(op))

    def _regions(self, found: DimClass) -> Iterator[int]:
        """The tiles that are whole regions of weights, in points."""
        for weight, layout in self._weights():
            steps = (layout.rows or 1, layout.columns)
            for step, (c, scale) in zip(steps, self.dims(weight), strict=True):
                if c is found and step > 1 and step % scale == 0:
                    yield from range(step // scale, found.size, step // scale)

    def _keeps_regions(self, found: DimClass, size: int) -> bool:
        """Whether a tile size keeps the regions of all weights whole."""
        for weight, layout in self._weights():
            (outputs, scale), (inner, step) = self.dims(weight)
            if outputs is found and not layout.allows(size * scale, found.size * scale):
                return False
            if inner is found and size < found.size and size * step % layout.columns:
                return False
        return True

    def allows(self, cut: Mapping[int, int]) -> bool:
        """Whether sizes go together: packed tiles of a token follow each other only when K is whole."""
        for weight, layout in self._weights():
            (outputs, scale), (inner, _) = self.dims(weight)
            rows = cut.get(outputs.id, outputs.size) * scale
            if inner.id in cut and layout.count(rows) > 1:
                return False
        return True


def _halvings(size: int, multiple: int) -> set[int]:
    """Equal parts of a size that are multiples."""
    parts = (size // n for n in range(2, 33) if size % n == 0)
    return {part for part in parts if part % multiple == 0}


def _thin(sizes: list[int], most: int) -> list[int]:
    """At most so many sizes, the first and the last among them, evenly in between."""
    if len(sizes) <= most:
        return sizes
    picks = {round(i * (len(sizes) - 1) / (most - 1)) for i in range(most)}
    return [sizes[i] for i in sorted(picks)]


def is_tensor(value: SSAValue) -> bool:
    """Whether a value is a tensor, of any rank."""
    return isinstance(value.type, TensorType)
