"""Builds the `stream.graph` of a kernel from its tiling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    AffineMapAttr,
    IndexType,
    IntegerAttr,
    StringAttr,
    TensorType,
    i8,
)
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.rewriter import InsertPoint

from dfc.dialects import attention, stream, ternary
from dfc.dialects.utils import element, shape
from dfc.passes.analysis.origins import origin_of, origins_of, set_origins
from dfc.passes.analysis.resize import copy_ops, corner
from dfc.passes.analysis.weight_layout import weight_layout
from dfc.passes.kernels.loops import UNIT, KernelLoops
from dfc.passes.kernels.names import free_name
from dfc.passes.tiling.cost import Tiling, trips_of
from dfc.passes.tiling.edges import is_trits, token_shape
from dfc.passes.tiling.tiled_nodes import TiledNode, made_again
from dfc.runtime.machine.units.stream_fabric import TILES


class TileGraph:
    """Builds one graph; `arguments` are the kernel's values, packed where they were weights."""

    def __init__(self, tiling: Tiling, arguments: Mapping[SSAValue, SSAValue]) -> None:
        self.tiling = tiling
        self.nest = tiling.nest
        self.loops: KernelLoops = tiling.nest.loops
        self.tile = tiling.sizes
        self.trips = trips_of(self.nest, self.tile)
        self.arguments = arguments
        self.block = Block()
        self.builder = Builder(InsertPoint.at_end(self.block))
        self.streams: dict[tuple[SSAValue, int], list[SSAValue]] = {}
        self.labels: set[str] = set()

    def build(self) -> stream.GraphOp:
        """The graph; its results are the kernel's."""
        for (value, depth), nodes in self.nest.reads().items():
            source = self.arguments[value]
            read = stream.ReadOp(source, self._stream(value, depth, nodes[0]))
            made = self.builder.insert(read).tokens
            label = self._free(self._source_name(value)) if len(nodes) > 1 else ""
            self.streams[value, depth] = self._fork(made, len(nodes), label)
        for node in self.nest.nodes:
            self._node(node)
        yielded = [self._write(value) for value in self.loops.yielded]
        self.builder.insert(stream.YieldOp(*yielded))
        return stream.GraphOp([value.type for value in yielded], Region(self.block))

    def _fork(self, value: SSAValue, count: int, label: str = "") -> list[SSAValue]:
        if count < 2:
            return [value]
        fork = self.builder.insert(stream.ForkOp(value, count))
        if label and self.loops.spatial:
            fork.label = StringAttr(label)
        return list(fork.copies)

    def _source_name(self, value: SSAValue) -> str:
        """What to call the node that gives a tensor of the kernel to several others."""
        names = self.loops.op.operand_values
        if names is not None and isinstance(value, BlockArgument):
            origin = names.data[value.index].data.rpartition(":")[2]
            return origin or value.name_hint or "input"
        return value.name_hint or "input"

    def _free(self, name: str) -> str:
        """A label that the graph does not have yet."""
        made = free_name(name, self.labels)
        self.labels.add(made)
        return made

    def token(self, value: SSAValue, node: TiledNode) -> TensorType[Attribute]:
        """The type of a value's token: packed bytes when it is a weight."""
        sizes = token_shape(self.loops, value, self.tile)
        if is_trits(value):
            layout = weight_layout(self.loops.target.unit[node.unit])
            return TensorType(i8, [layout.count(sizes[0]), layout.tile_bytes(*sizes)])
        return TensorType(element(value), sizes)

    def _stream(
        self, value: SSAValue, depth: int, node: TiledNode
    ) -> stream.StreamType:
        trips = self.trips[:depth]
        tiles = [self._coordinate(c.id, depth) for c, _ in self.loops.dims(value)]
        if is_trits(value):
            columns = self._tiles(value, 1)
            tiles = [tiles[0] * columns + tiles[1], AffineExpr.constant(0)]
        map = AffineMapAttr(AffineMap(depth, 0, tuple(tiles)))
        return stream.StreamType(self.token(value, node), trips, map)

    def _coordinate(self, index: int, depth: int) -> AffineExpr:
        """The tile coordinate along a class: its trip when it is cut by one of the outer loops."""
        order = self.nest.order[:depth]
        if index not in order:
            return AffineExpr.constant(0)
        return AffineExpr.dimension(order.index(index))

    def _tiles(self, value: SSAValue, dim: int) -> int:
        """How many tiles a weight has along a dimension."""
        size = token_shape(self.loops, value, self.tile)[dim]
        return -(-shape(value)[dim] // size)

    def _node(self, node: TiledNode) -> None:
        streams = [self._input(node, v, depth) for v, depth in node.inputs.items()]
        results = [self._stream(v, node.out_depth, node) for v in node.outputs]
        controls = [self.arguments[value] for value in node.controls]
        body = Region(_NodeBody(self, node, results).build())
        if node.reduces:
            inits = self.loops.inits(node.work[0])
            made = stream.ReduceOp(streams, controls, inits, results, body, node.unit)
        else:
            made = stream.MapOp(streams, controls, results, body, node.unit)
        set_origins(made, [o for op in node.work for o in origins_of(op)])
        if self.loops.spatial:
            (op,) = node.work
            made.label = StringAttr(self._label(op))
            if TILES in op.attributes:
                made.attributes[TILES] = op.attributes[TILES]
        self.builder.insert(made)
        for value, result in zip(node.outputs, made.outputs, strict=True):
            uses = sum(value in other.inputs for other in self.nest.nodes)
            uses += value in self.loops.yielded
            self.streams[value, node.out_depth] = self._fork(result, uses)

    def _label(self, op: Operation) -> str:
        """A name for an op's node that the graph does not have yet: the last part of its origin, or its own."""
        origin = origin_of(op).rpartition(":")[2]
        return self._free(origin or op.name.rpartition(".")[2])

    def _input(self, node: TiledNode, value: SSAValue, depth: int) -> SSAValue:
        """The stream of an input, repeated where it has to bring the node's inner loops."""
        tokens = self.streams[value, depth].pop(0)
        if value is not node.repeated:
            return tokens
        kind = self._stream(value, node.depth, node)
        return self.builder.insert(stream.RepeatOp(tokens, kind)).out

    def _write(self, value: SSAValue) -> SSAValue:
        maker = self.nest.maker[value]
        tokens = self.streams[value, maker.out_depth].pop(0)
        write = stream.WriteOp(tokens, result_type=value.type)
        return self.builder.insert(write).result[0]


class _NodeBody:
    """Builds the body of one node."""

    def __init__(
        self, graph: TileGraph, node: TiledNode, results: Sequence[stream.StreamType]
    ) -> None:
        self.graph = graph
        self.node = node
        self.block = Block()
        self.builder = Builder(InsertPoint.at_end(self.block))
        self.values: dict[SSAValue, SSAValue] = {}
        self.sums = [self._argument(r.token) for r in results if node.reduces]

    def build(self) -> Block:
        """Arguments for accumulators, tokens and control values; the ops on tokens; the yield."""
        for value in self.node.inputs:
            argument = self._argument(self.graph.token(value, self.node))
            self.values[value] = (
                self._unpacked(value, argument) if is_trits(value) else argument
            )
        for value in self.node.controls:
            self.values[value] = self._argument(value.type)
        loops = self.graph.loops
        work = set(loops.work)
        needed = {inner for op in self.node.work for inner in made_again(op, work)}
        for op in loops.ops:
            if op in needed or op in self.node.work:
                if loops.spatial and op in self.node.work:
                    self._fold(op)
                self._copy(op)
        self.builder.insert(
            stream.YieldOp(*(self.values[v] for v in self.node.outputs))
        )
        self._drop_unused()
        return self.block

    def _drop_unused(self) -> None:
        """Leave out what an accumulator has taken the place of."""
        for op in reversed(list(self.block.ops)):
            if op.results and not any(result.uses for result in op.results):
                op.detach()
                op.erase()

    def _fold(self, op: Operation) -> None:
        """Let an op that reduces go on from the accumulators."""
        if not self.node.reduces or not isinstance(op, LinalgStructuredOperation):
            return
        for value, total in zip(op.outputs, self.sums, strict=True):
            self.values[value] = total

    def _argument(self, kind: Attribute) -> SSAValue:
        return self.block.insert_arg(kind, len(self.block.args))

    def _unpacked(self, value: SSAValue, packed: SSAValue) -> SSAValue:
        """The trits of a packed token that belong to the tile."""
        sizes = token_shape(self.graph.loops, value, self.graph.tile)
        layout = weight_layout(self.graph.loops.target.unit[self.node.unit])
        kind = TensorType(element(value), layout.tile(*sizes))
        parts: list[SSAValue] = []
        for index in range(layout.count(sizes[0])):
            tile = self._packed_tile(packed, index)
            made = self.builder.insert(ternary.UnpackOp(tile, layout.packing, kind))
            rows = min(shape(made.w)[0], sizes[0] - index * shape(made.w)[0])
            parts.append(corner(made.w, (rows, sizes[1]), self.builder))
        if len(parts) == 1:
            return parts[0]
        whole = TensorType(element(value), sizes)
        return self.builder.insert(tensor.ConcatOp(parts, 0, whole)).result

    def _packed_tile(self, packed: SSAValue, index: int) -> SSAValue:
        """One of the packed tiles of a token."""
        count, size = shape(packed)
        if count == 1:
            return packed
        kind = TensorType(i8, [1, size])
        cut = tensor.ExtractSliceOp(packed, [index, 0], [1, size], [1, 1], kind)
        return self.builder.insert(cut).result

    def _copy(self, op: Operation) -> None:
        loops, tile = self.graph.loops, self.graph.tile
        copy_ops([op], self.values, lambda v: token_shape(loops, v, tile), self.builder)
        copy = self.block.last_op
        assert copy is not None
        for name in (UNIT, TILES):
            copy.attributes.pop(name, None)
        if isinstance(op, attention.SdpaOp):
            self.values[op.y] = self._shifted(op, cast("attention.SdpaOp", copy))
        if self.node.reduces and isinstance(
            op, ternary.MatmulOp | ternary.LookupMatmulOp
        ):
            self.values[op.a] = self._accumulating(cast("ternary.MatmulOp", copy))

    def _accumulating(self, op: ternary.MatmulOp | ternary.LookupMatmulOp) -> SSAValue:
        """The product added to the accumulator."""
        made = type(op).build(
            operands=[op.operands[0], op.w, [self.sums[0]]],
            result_types=[op.a.type],
            properties={k: v for k, v in op.properties.items() if "Segment" not in k},
            attributes=dict(op.attributes),
        )
        self.builder.insert(made)
        op.detach()
        op.erase()
        return made.a

    def _shifted(self, op: attention.SdpaOp, copy: attention.SdpaOp) -> SSAValue:
        """
        Attention of a tile of query rows: its position is that of the tile's first row.

        Causal attention without a position is aligned top left, which is position 0.
        """
        loops = self.graph.loops
        rows = loops.dims(op.q)[2][0].id
        if rows not in self.graph.nest.order or op.causal is None:
            return copy.y
        at = self.graph.nest.order.index(rows)
        copy.detach()
        size = shape(copy.q)[2]
        index = self.builder.insert(stream.IndexOp(at)).index
        step = self.builder.insert(arith.ConstantOp(IntegerAttr(size, IndexType())))
        position = self.builder.insert(arith.MuliOp(index, step)).result
        if copy.position is not None:
            position = self.builder.insert(arith.AddiOp(copy.position, position)).result
        made = attention.SdpaOp(copy.q, copy.k, copy.v, position, copy.mask)
        segments = made.properties["operandSegmentSizes"]
        made.properties |= copy.properties | {"operandSegmentSizes": segments}
        made.attributes |= copy.attributes
        self.builder.insert(made)
        copy.erase()
        return made.y
