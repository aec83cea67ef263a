"""
The ops of a kernel's `stream.graph` on whole tensors: what `tile-kernels` cut, put together again.

A body that computes a tile from the same tile of its operands computes, on whole tensors, all tiles at
once. So a graph of reads, maps, forks and writes can be put together where every dimension that is cut
is `parallel` in all bodies (dimension_classes.py), its tiles come in the order of one loop of the
nest, and the packed tiles of a weight, one after the other, are the packing of the whole weight. Sums over
tiles, and bodies that ask which tile they work on, cannot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Block, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineExpr
from xdsl.rewriter import InsertPoint

from dfc.dialects import accel, stream, ternary
from dfc.dialects.stream.types import stream_type
from dfc.dialects.utils import element, shape
from dfc.passes.analysis.dimension_classes import Classes, DimClass, analyse
from dfc.passes.analysis.equal_ops import is_pure
from dfc.passes.analysis.resize import copy_ops
from dfc.passes.analysis.weight_layout import concatenates


class CutTiles(Exception):
    """A graph whose tiles cannot be put together."""


@dataclass(frozen=True)
class Edge:
    """A token of the graph's boundary, the shape of the whole tensor, and the tile it is in each dimension."""

    token: SSAValue
    whole: tuple[int, ...]
    tiles: tuple[AffineExpr, ...]


@dataclass
class Flat:
    """The bodies of a graph as one block on tokens, and its boundary."""

    block: Block = field(default_factory=Block)
    arguments: dict[SSAValue, SSAValue] = field(
        default_factory=dict[SSAValue, SSAValue]
    )
    """By tensor of the kernel, the block's argument for its token."""
    edges: list[Edge] = field(default_factory=list[Edge])
    results: list[SSAValue] = field(default_factory=list[SSAValue])
    """The tokens of the graph's results."""


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


def flatten(graph: stream.GraphOp) -> Flat:
    """The bodies of a graph one after the other, on its tokens."""
    flat = Flat()
    tokens: dict[SSAValue, SSAValue] = {}
    written: dict[SSAValue, SSAValue] = {}
    for op in graph.body.block.ops:
        if isinstance(op, stream.ReadOp):
            tokens[op.tokens] = read(op, flat)
        elif isinstance(op, stream.ForkOp):
            tokens |= dict.fromkeys(op.copies, tokens[op.tokens])
        elif isinstance(op, stream.MapOp) and not op.controls:
            tokens |= inline(op, [tokens[each] for each in op.streams], flat)
        elif isinstance(op, stream.WriteOp) and op.result:
            written[op.result[0]] = tokens[op.tokens]
            flat.edges.append(edge(tokens[op.tokens], op.tokens, op.result[0]))
        elif isinstance(op, stream.YieldOp):
            flat.results = [written[value] for value in op.arguments]
        else:
            raise CutTiles
    return flat


def edge(token: SSAValue, tokens: SSAValue, data: SSAValue) -> Edge:
    """The boundary of the graph at a stream of a tensor's tiles."""
    return Edge(token, shape(data), stream_type(tokens).map.data.results)


def read(op: stream.ReadOp, flat: Flat) -> SSAValue:
    """The block's argument for a token of a tensor."""
    kind = stream_type(op.tokens).token
    if op.source not in flat.arguments:
        made = flat.block.insert_arg(kind, len(flat.block.args))
        made.name_hint = op.source.name_hint
        flat.arguments[op.source] = made
    found = flat.arguments[op.source]
    if found.type != kind:
        raise CutTiles
    flat.edges.append(edge(found, op.tokens, op.source))
    return found


def inline(
    op: stream.MapOp, tokens: Sequence[SSAValue], flat: Flat
) -> Mapping[SSAValue, SSAValue]:
    """Copy a node's body; the tokens of its results."""
    values: dict[SSAValue, SSAValue] = dict(
        zip(op.body.block.args, tokens, strict=True)
    )
    *ops, last = op.body.block.ops
    for inner in ops:
        if not is_pure(inner):
            raise CutTiles
        flat.block.add_op(inner.clone(value_mapper=values))
    made = [values[value] for value in last.operands]
    return dict(zip(op.outputs, made, strict=True))


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
