"""The bodies of a tiled kernel's graph one after the other, on tokens, with what stands at its boundary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.ir import Attribute, Block, SSAValue
from xdsl.ir.affine import AffineExpr

from dfc.dialects import attention, stream
from dfc.dialects.stream.types import stream_type
from dfc.dialects.utils import shape
from dfc.passes.analysis.equal_ops import is_pure


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
    """By argument of the kernel, the block's argument for its token, or for the index value that it is."""
    edges: list[Edge] = field(default_factory=list[Edge])
    results: list[SSAValue] = field(default_factory=list[SSAValue])
    """The tokens of the graph's results."""


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
        elif isinstance(op, stream.MapOp):
            given = [tokens[each] for each in op.streams]
            given += [argument(each, each.type, flat) for each in op.controls]
            tokens |= inline(op, given, flat)
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
    made = argument(op.source, stream_type(op.tokens).token, flat)
    flat.edges.append(edge(made, op.tokens, op.source))
    return made


def argument(value: SSAValue, kind: Attribute, flat: Flat) -> SSAValue:
    """The block's argument for a value of the kernel, of one type wherever it is read."""
    if value not in flat.arguments:
        made = flat.block.insert_arg(kind, len(flat.block.args))
        made.name_hint = value.name_hint
        flat.arguments[value] = made
    if flat.arguments[value].type != kind:
        raise CutTiles
    return flat.arguments[value]


def inline(
    op: stream.MapOp, given: Sequence[SSAValue], flat: Flat
) -> Mapping[SSAValue, SSAValue]:
    """Copy a node's body, given its tokens and control values; the tokens of its results."""
    values: dict[SSAValue, SSAValue] = dict(zip(op.body.block.args, given, strict=True))
    *ops, last = op.body.block.ops
    for inner in ops:
        if not is_pure(inner) and not isinstance(inner, attention.SdpaOp):
            raise CutTiles
        flat.block.add_op(inner.clone(value_mapper=values))
    made = [values[value] for value in last.operands]
    return dict(zip(op.outputs, made, strict=True))
