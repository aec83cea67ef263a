"""Rebuilds a tiled graph on memrefs, with FIFOs and in-place accesses as planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import AffineMapAttr, IntegerType, TensorType, i1, i8
from xdsl.dialects.linalg.attrs import IteratorType, IteratorTypeAttr
from xdsl.dialects.linalg.ops import GenericOp, YieldOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.rewriter import InsertPoint

from dfc.dialects import stream
from dfc.dialects.utils import element, shape
from dfc.passes.analysis.memory_views import stored_type
from dfc.passes.placement.edge_plan import Edge, EdgePlan, Fifo, Leaf


class PlacedGraph:
    """Copies one graph; `buffers` gives a memref for what it reads, `targets` for what it writes."""

    def __init__(
        self,
        plan: EdgePlan,
        offsets: Mapping[Fifo, int],
        buffers: Mapping[SSAValue, SSAValue],
        targets: Mapping[SSAValue, SSAValue],
    ) -> None:
        self.edges = {edge.origin: edge for edge in plan.edges}
        self.offsets = offsets
        self.buffers = buffers
        self.targets = targets
        self.block = Block()
        self.builder = Builder(InsertPoint.at_end(self.block))
        self.tokens: dict[tuple[Operation, int], SSAValue] = {}
        self.direct: set[Operation] = set()

    def build(self, graph: stream.GraphOp) -> stream.GraphOp:
        """The graph on memrefs."""
        for op in graph.body.block.ops:
            if isinstance(op, stream.ReadOp):
                self._read(op)
            elif isinstance(op, stream.MapOp | stream.ReduceOp):
                self._node(op)
            elif isinstance(op, stream.WriteOp):
                self._write(op)
        made = stream.GraphOp([], Region(self.block))
        made.attributes |= graph.attributes
        return made

    def _read(self, op: stream.ReadOp) -> None:
        edge = self.edges[op.tokens]
        in_place = edge.fifo is None
        kind = stored_stream(stream.stream_type(op.tokens))
        made = stream.ReadOp(self.buffers[op.source], kind, in_place)
        made.attributes |= op.attributes
        self._spread(edge, self.builder.insert(made).tokens)

    def _write(self, op: stream.WriteOp) -> None:
        target = self.targets[op.result[0]]
        tokens = self.tokens[op, 0]
        made = stream.WriteOp(tokens, target, in_place=op in self.direct)
        made.attributes |= op.attributes
        self.builder.insert(made)

    def _node(self, op: stream.MapOp | stream.ReduceOp) -> None:
        streams = [self.tokens[op, index] for index in range(len(op.streams))]
        controls = [self.buffers.get(value, value) for value in op.controls]
        types = [stored_stream(stream.stream_type(result)) for result in op.outputs]
        body = Region()
        op.body.clone_into(body)
        store_whole_bytes(body)
        unit = None if op.unit is None else op.unit.data
        if isinstance(op, stream.MapOp):
            made = stream.MapOp(streams, controls, types, body, unit)
        else:
            made = stream.ReduceOp(streams, controls, list(op.inits), types, body, unit)
        made.attributes |= op.attributes
        self.builder.insert(made)
        for old, new in zip(op.outputs, made.outputs, strict=True):
            self._spread(self.edges[old], new)

    def _spread(self, edge: Edge, value: SSAValue) -> None:
        """Give an edge's stream to its uses: to the direct ones as it is, to the others through its FIFO."""
        direct = [leaf for leaf in edge.leaves if edge.fifo is None or leaf.direct]
        behind = [leaf for leaf in edge.leaves if leaf not in direct]
        parts = self._fork(value, len(direct) + (edge.fifo is not None))
        for leaf, part in zip(direct, parts, strict=False):
            self._give(leaf, part)
        if edge.fifo is None:
            return
        held = self._fifo(edge.fifo, parts[-1])
        for leaf, part in zip(behind, self._fork(held, len(behind)), strict=True):
            self._give(
                leaf, part if leaf.second is None else self._fifo(leaf.second, part)
            )

    def _give(self, leaf: Leaf, value: SSAValue) -> None:
        self.tokens[leaf.use.operation, leaf.use.index] = value
        if leaf.direct:
            self.direct.add(leaf.use.operation)

    def _fork(self, value: SSAValue, count: int) -> Sequence[SSAValue]:
        if count < 2:
            return [value]
        return self.builder.insert(stream.ForkOp(value, count)).copies

    def _fifo(self, fifo: Fifo, value: SSAValue) -> SSAValue:
        made = stream.FifoOp(value, fifo.depth, fifo.tier, self.offsets[fifo])
        return self.builder.insert(made).out


def stored_stream(kind: stream.StreamType) -> stream.StreamType:
    """A stream whose tokens are of whole bytes."""
    return stream.StreamType(_stored(kind.token), kind.trips, kind.map)


def _stored(kind: TensorType[Attribute]) -> TensorType[Attribute]:
    return TensorType(stored_type(kind.element_type), kind.get_shape(), kind.encoding)


def _is_narrow(value: SSAValue) -> bool:
    kind = value.type
    return (
        isinstance(kind, TensorType)
        and cast("TensorType[Attribute]", kind).element_type == i1
    )


def store_whole_bytes(body: Region) -> None:
    """Make a body take and give i8 where it took and gave i1."""
    block = body.block
    start = Builder(InsertPoint.at_start(block))
    for argument in list(block.args):
        if _is_narrow(argument):
            narrow = cast("TensorType[Attribute]", argument.type)
            wide = block.insert_arg(_stored(narrow), argument.index)
            argument.replace_all_uses_with(_converted(wide, i1, start))
            block.erase_arg(argument)
    last = stream.body_yield(body)
    end = Builder(InsertPoint.before(last))
    for index, value in enumerate(last.arguments):
        if _is_narrow(value):
            last.operands[index] = _converted(value, i8, end)


def _converted(value: SSAValue, kind: IntegerType, builder: Builder) -> SSAValue:
    """A tensor of i8 as one of i1, or the other way round."""
    sizes = shape(value)
    result = TensorType(kind, sizes)
    block = Block(arg_types=[element(value), kind])
    inner = Builder(InsertPoint.at_end(block))
    cast_op = arith.TruncIOp if kind == i1 else arith.ExtUIOp
    inner.insert(YieldOp(inner.insert(cast_op(block.args[0], kind)).result))
    empty = builder.insert(tensor.EmptyOp((), result)).tensor
    identity = AffineMapAttr(AffineMap.identity(len(sizes)))
    parallel = IteratorTypeAttr(IteratorType.PARALLEL)
    made = GenericOp(
        [value],
        [empty],
        Region(block),
        [identity, identity],
        [parallel] * len(sizes),
        [result],
    )
    return builder.insert(made).results[0]
