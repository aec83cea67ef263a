"""
The ops of a kernel's `stream.graph` on whole tensors: what `tile-kernels` cut, put together again.

A body that computes a tile from the same tile of its operands computes, on whole tensors, all tiles at
once. So a graph of reads, maps, forks and writes can be put together where every dimension that is cut
is `parallel` in all bodies (analysis/dimension_classes.py), its tiles come in the order of one loop of the
nest, and the packed tiles of a weight, one after the other, are the packing of the whole weight. Sums over
tiles, and bodies that ask which tile they work on, cannot.
"""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Block, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineExpr
from xdsl.rewriter import InsertPoint

from dfc.dialects import accel, attention, stream, ternary
from dfc.dialects.utils import element, shape
from dfc.passes.analysis.dimension_classes import Classes, DimClass, analyse
from dfc.passes.analysis.flat_graph import CutTiles, Edge, Flat, flatten
from dfc.passes.analysis.resize import copy_ops
from dfc.passes.analysis.weight_layout import concatenates


def whole_body(kernel: accel.KernelOp) -> Block | None:
    """A function's body on whole tensors that computes what a tiled kernel does; None where its tiles cannot be put together."""
    graph = kernel.body.block.first_op
    if not isinstance(graph, stream.GraphOp) or kernel.outs:
        return None
    try:
        flat = flatten(graph)
        return Whole(kernel, flat).build()
    except CutTiles:
        return None


class Whole:
    """Copies a flat graph onto whole tensors."""

    def __init__(self, kernel: accel.KernelOp, flat: Flat) -> None:
        self.kernel = kernel
        self.flat = flat
        self.unpacks = [op for op in flat.block.ops if isinstance(op, ternary.UnpackOp)]
        packed = {op.packed for op in self.unpacks}
        self.classes: Classes = analyse(
            op for op in flat.block.ops if not isinstance(op, ternary.UnpackOp)
        )
        self.points: dict[int, int] = {}
        self.loops: dict[int, int | None] = {}
        """By class, the loop of the nest that its tiles come in; None for one that is not cut."""
        for each in flat.edges:
            if each.token not in packed:
                self._see(each)
        self._check_unpacks()
        self._check_attention()

    def _see(self, found: Edge) -> None:
        """Note how many points the classes of a tensor have, and which loop walks along each."""
        sizes = zip(shape(found.token), found.whole, found.tiles, strict=True)
        for dim, (token, whole, tile) in enumerate(sizes):
            slot = self._slot(found.token, dim)
            if slot is None:
                if token != whole:
                    raise CutTiles
                continue
            c, scale = slot
            cut = token != whole
            if cut and (c.kind != "parallel" or whole % scale):
                raise CutTiles
            points = whole // scale if cut else c.size
            loop = self._loop(tile) if cut else None
            if self.points.setdefault(c.id, points) != points:
                raise CutTiles
            if self.loops.setdefault(c.id, loop) != loop:
                raise CutTiles

    def _loop(self, tile: AffineExpr) -> int:
        """The loop whose trip is a tile's coordinate."""
        if not isinstance(tile, AffineDimExpr):
            raise CutTiles
        return tile.position

    def _slot(self, value: SSAValue, dim: int) -> tuple[DimClass, int] | None:
        """The class and scale of a dimension; None for one that no op walks along."""
        try:
            index, scale = self.classes.class_of(value, dim)
        except KeyError:
            return None
        return self.classes.classes[index], scale

    def shape(self, value: SSAValue) -> tuple[int, ...]:
        """The whole shape of a value."""
        return tuple(self._sizes(value))

    def _sizes(self, value: SSAValue) -> Iterator[int]:
        for dim, size in enumerate(shape(value)):
            slot = self._slot(value, dim)
            if slot is None:
                yield size
            else:
                c, scale = slot
                yield scale * self.points.get(c.id, c.size)

    def _check_unpacks(self) -> None:
        """Refuse packed tiles that are not the whole weight's packing, or come in another order than its rows."""
        edges = {each.token: each for each in self.flat.edges}
        for op in self.unpacks:
            rows, columns = shape(op.w)
            found = edges.get(op.packed)
            if found is None:
                raise CutTiles
            whole = self.shape(op.w)
            together = concatenates(op.packing, (rows, columns), whole)
            if not together or found.whole[0] * found.whole[
                -1
            ] != op.packing.tile_bytes(*whole):
                raise CutTiles
            if whole != (rows, columns):
                slot = self._slot(op.w, 0)
                if slot is None or self._loop(found.tiles[0]) != self.loops[slot[0].id]:
                    raise CutTiles

    def _check_attention(self) -> None:
        """Refuse query rows that are cut: what a row sees depends on where it stands."""
        for op in self.flat.block.ops:
            if (
                isinstance(op, attention.SdpaOp)
                and self.shape(op.q)[2] != shape(op.q)[2]
            ):
                raise CutTiles

    def build(self) -> Block:
        """The body, with an argument for each of the kernel's."""
        arguments = self.kernel.body.block.args
        block = Block(arg_types=[argument.type for argument in arguments])
        builder = Builder(InsertPoint.at_end(block))
        values: dict[SSAValue, SSAValue] = {}
        for old, new in zip(arguments, block.args, strict=True):
            new.name_hint = old.name_hint
            if old in self.flat.arguments:
                values[self.flat.arguments[old]] = new
        for op in self.flat.block.ops:
            if isinstance(op, ternary.UnpackOp):
                values[op.w] = self._unpacked(op, values[op.packed], builder)
            else:
                copy_ops([op], values, self.shape, builder)
        block.add_op(ReturnOp(*(values[value] for value in self.flat.results)))
        self._check_types(block)
        return block

    def _unpacked(
        self, op: ternary.UnpackOp, packed: SSAValue, builder: Builder
    ) -> SSAValue:
        """The whole weight of its packed tiles."""
        kind = TensorType(element(op.w), self.shape(op.w))
        made = builder.insert(ternary.UnpackOp(packed, op.packing, kind))
        made.attributes |= op.attributes
        made.w.name_hint = op.w.name_hint
        return made.w

    def _check_types(self, block: Block) -> None:
        """Refuse a body that does not give the kernel's results."""
        assert isinstance(block.last_op, ReturnOp)
        made = [value.type for value in block.last_op.arguments]
        if made != [result.type for result in self.kernel.outputs]:
            raise CutTiles
