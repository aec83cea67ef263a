"""
Where the tokens of a tiled graph's edges stand: in place, or in FIFOs of the units' tiers.

A node reads a buffer in place when its unit reaches the buffer's tier: its `data_tier`, for packed
weights its `weight_tier`, for an attention's keys, values and mask one of its `streams`. It writes in
place into its `data_tier`. Tiles that stand over the edge are never in place. All else goes through a FIFO in the unit's own tier, filled or emptied by
copies; between units without a common tier it goes through two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from xdsl.dialects import tensor
from xdsl.ir import Operation, SSAValue, Use

from dfc.dialects import attention, stream, ternary
from dfc.dialects.stream.tiles import tile_ranges
from dfc.dialects.utils import shape
from dfc.passes.analysis.graph_places import expect_turns, fail
from dfc.passes.analysis.memory_views import aligned, buffer_bytes
from dfc.runtime.machine import Target, Unit

VIEWS = tensor.ExpandShapeOp | tensor.CollapseShapeOp | tensor.ExtractSliceOp


@dataclass(frozen=True, eq=False)
class Fifo:
    """A FIFO to be: its stream, tier and depth; `sole` when a unit has no other slot for weights."""

    type: stream.StreamType
    tier: str
    depth: int
    sole: bool = False

    @cached_property
    def size(self) -> int:
        """Its bytes."""
        return aligned(self.depth * buffer_bytes(self.type.token))

    @cached_property
    def text(self) -> str:
        """What a message calls it."""
        return f"a FIFO of {self.depth} tokens {self.type.token}"


@dataclass(eq=False)
class Leaf:
    """A use of a stream behind its forks: `direct` when it touches a buffer in place, else behind the FIFO."""

    use: Use
    direct: bool = False
    second: Fifo | None = None

    @property
    def node(self) -> stream.MapOp | stream.ReduceOp | None:
        """The node that uses the stream; `None` for a write."""
        op = self.use.operation
        return op if isinstance(op, stream.MapOp | stream.ReduceOp) else None


@dataclass(eq=False)
class Edge:
    """A stream from what makes it to its uses."""

    origin: SSAValue
    leaves: list[Leaf]
    fifo: Fifo | None = None

    @property
    def fifos(self) -> Iterator[Fifo]:
        """The FIFOs on it."""
        yield from (self.fifo,) if self.fifo is not None else ()
        yield from (leaf.second for leaf in self.leaves if leaf.second is not None)


@dataclass
class EdgePlan:
    """The edges of one graph."""

    edges: list[Edge] = field(default_factory=list[Edge])

    @property
    def fifos(self) -> list[Fifo]:
        """All FIFOs, in the order of their edges."""
        return [fifo for edge in self.edges for fifo in edge.fifos]


TierOf = Callable[[SSAValue], str]
"""The tier of a tensor at the kernel's boundary: a block argument, or the result of a write."""


def plan_edges(graph: stream.GraphOp, target: Target, tier_of: TierOf) -> EdgePlan:
    """Decide for every edge of a tiled graph."""
    expect_turns(graph)
    plan = EdgePlan()
    for op in graph.body.block.ops:
        if isinstance(op, stream.ReadOp):
            plan.edges.append(_read_edge(op, target, tier_of(op.source)))
        elif isinstance(op, stream.MapOp | stream.ReduceOp):
            for result in op.outputs:
                plan.edges.append(_node_edge(op, result, target, tier_of))
    return plan


def leaves_of(value: SSAValue) -> Iterator[Use]:
    """The uses of a stream by nodes and writes, through forks and FIFOs."""
    for use in value.uses:
        op = use.operation
        if isinstance(op, stream.ForkOp | stream.FifoOp):
            for result in op.results:
                yield from leaves_of(result)
        else:
            yield use


def unit_of(node: stream.MapOp | stream.ReduceOp, target: Target) -> Unit:
    """The unit of a node; an error when it names none that the target has."""
    if node.unit is None or node.unit.data not in target.unit:
        got = "none" if node.unit is None else f"`{node.unit.data}`"
        fail(node, f"expected a unit of {', '.join(target.unit)}, got {got}")
    return target.unit[node.unit.data]


def token_argument(use: Use) -> SSAValue:
    """The body argument that takes the token of this use."""
    node = use.operation
    assert isinstance(node, stream.MapOp | stream.ReduceOp)
    first = len(node.outputs) if isinstance(node, stream.ReduceOp) else 0
    return node.body.block.args[first + use.index]


def users_behind_views(value: SSAValue) -> Iterator[tuple[Operation, SSAValue]]:
    """The ops that use a value or a view of it, with what they use."""
    for use in value.uses:
        if isinstance(use.operation, VIEWS):
            yield from users_behind_views(use.operation.result)
        else:
            yield use.operation, value


def is_weight(argument: SSAValue) -> bool:
    """Whether a body takes packed weights in this argument."""
    return any(
        isinstance(op, ternary.UnpackOp) for op, _ in users_behind_views(argument)
    )


def is_streamed(argument: SSAValue) -> bool:
    """Whether a body takes the keys, values or mask of an attention, and nothing else, in this argument."""
    users = list(users_behind_views(argument))
    return bool(users) and all(
        isinstance(op, attention.SdpaOp) and value in (op.k, op.v, op.mask)
        for op, value in users
    )


def home_tier(use: Use, unit: Unit) -> str:
    """The tier of the FIFO in front of this use."""
    if is_weight(token_argument(use)):
        return unit.weight_tier or unit.data_tier
    return unit.data_tier


def reaches(use: Use, unit: Unit, tier: str) -> bool:
    """Whether a node can take the token of this use in a tier."""
    if tier in (unit.data_tier, home_tier(use, unit)):
        return True
    return tier in unit.streams and is_streamed(token_argument(use))


def stands_over(tokens: SSAValue, data: SSAValue) -> bool:
    """Whether a stream's last tiles stand over their tensor, so that they cannot be views of it."""
    kind = stream.stream_type(tokens)
    ranges = tile_ranges(kind.map.data, kind.counts)
    sizes = zip(ranges, kind.token.get_shape(), shape(data), strict=True)
    return any((high + 1) * size > extent for (_, high), size, extent in sizes)


def _read_edge(op: stream.ReadOp, target: Target, tier: str) -> Edge:
    edge = Edge(op.tokens, [Leaf(use) for use in leaves_of(op.tokens)])
    nodes = [(leaf, unit_of(leaf.node, target)) for leaf in edge.leaves if leaf.node]
    near = all(reaches(leaf.use, unit, tier) for leaf, unit in nodes)
    if nodes and near and not stands_over(edge.origin, op.source):
        for leaf, _ in nodes:
            leaf.direct = True
    elif nodes:
        _add_fifos(edge, home_tier(nodes[0][0].use, nodes[0][1]), target)
    return edge


def _node_edge(
    op: stream.MapOp | stream.ReduceOp,
    result: SSAValue,
    target: Target,
    tier_of: TierOf,
) -> Edge:
    edge = Edge(result, [Leaf(use) for use in leaves_of(result)])
    near = unit_of(op, target).data_tier
    for leaf in edge.leaves:
        write = leaf.use.operation
        if isinstance(write, stream.WriteOp):
            made = write.result[0]
            leaf.direct = tier_of(made) == near and not stands_over(result, made)
    if not all(leaf.direct for leaf in edge.leaves):
        _add_fifos(edge, near, target)
    return edge


def _add_fifos(edge: Edge, tier: str, target: Target) -> None:
    """A FIFO in this tier, and a second one in front of units that do not reach it."""
    kind = stream.stream_type(edge.origin)
    edge.fifo = _fifo(edge.leaves, tier, kind, target)
    for leaf in edge.leaves:
        if leaf.direct or leaf.node is None:
            continue
        unit = unit_of(leaf.node, target)
        if not reaches(leaf.use, unit, tier):
            home = home_tier(leaf.use, unit)
            leaf.second = _fifo([leaf], home, kind, target)


def _fifo(
    leaves: list[Leaf], tier: str, kind: stream.StreamType, target: Target
) -> Fifo:
    """Of two tokens; of one when there is only one, or the unit holds its weights in one slot."""
    slots = [2]
    for leaf in leaves:
        if leaf.node is not None and is_weight(token_argument(leaf.use)):
            unit = unit_of(leaf.node, target)
            if tier == (unit.weight_tier or unit.data_tier):
                slots.append(unit.weight_slots.value)
    return Fifo(kind, tier, min(kind.tokens, *slots), 1 in slots)
