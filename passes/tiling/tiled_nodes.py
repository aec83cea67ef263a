"""
The nodes that a kernel's ops become in one loop order.

Each op fires in the loops it walks along, and in those around them; ops that follow each other
on one unit in the same loops are one node. A sum of integers over a tiled class is a node of its
own, whose result has the loops in front of the sum's. Where nodes run side by side (`spatial`), each
op is a node of its own, and may read a sum again in all its loops.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from xdsl.dialects.builtin import IndexType
from xdsl.ir import Operation, SSAValue

from dfc.dialects import ternary
from dfc.dialects.utils import element
from dfc.passes.analysis.graph_places import fail
from dfc.passes.kernels.fusion_graph import inputs_of
from dfc.passes.kernels.loops import KernelLoops, is_tensor

UNLIMITED = 1 << 30


@dataclass(eq=False)
class TiledNode:
    """A node to be: its work, the tensors and control values it takes, the values it gives."""

    unit: str
    depth: int
    """How many loops it fires in."""
    out_depth: int
    """How many of them its results have."""
    limit: int = UNLIMITED
    """How many loops at most may stand around what reads it: those in front of a sum before it."""
    work: list[Operation] = field(default_factory=list[Operation])
    inputs: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])
    """What it takes, and in how many loops each of those is read."""
    repeated: SSAValue | None = None
    """The input whose tokens are repeated in the loops that no other input has."""
    controls: list[SSAValue] = field(default_factory=list[SSAValue])
    outputs: list[SSAValue] = field(default_factory=list[SSAValue])

    @property
    def reduces(self) -> bool:
        """Whether it accumulates over inner loops."""
        return self.out_depth < self.depth


@dataclass(eq=False)
class Nest:
    """The nodes of a kernel in one order of loops."""

    loops: KernelLoops
    order: tuple[int, ...]
    nodes: list[TiledNode]
    maker: dict[SSAValue, TiledNode]

    def position(self, classes: Iterable[int]) -> int:
        """How many loops stand around something that is in these classes."""
        return position(self.order, classes)

    def reads(self) -> dict[tuple[SSAValue, int], list[TiledNode]]:
        """The kernel's tensors that nodes read, with the loops each is read in."""
        found: dict[tuple[SSAValue, int], list[TiledNode]] = {}
        for node in self.nodes:
            for value, depth in node.inputs.items():
                if value not in self.maker:
                    found.setdefault((value, depth), []).append(node)
        return found


def position(order: Sequence[int], classes: Iterable[int]) -> int:
    """How many loops of `order` stand around something that is in these classes."""
    return max((order.index(c) + 1 for c in classes if c in order), default=0)


def nest_of(loops: KernelLoops, order: tuple[int, ...]) -> Nest | None:
    """The nodes in this order of loops (classes, outermost first); `None` when one nest cannot hold them."""
    nest = Nest(loops, order, [], {})
    if not all(_place(nest, op) for op in loops.work):
        return None
    for node in nest.nodes:
        _find_inputs(nest, node)
        if not _reach_depth(nest, node):
            return None
    _find_outputs(nest)
    return nest


def made_again(op: Operation, work: set[Operation]) -> list[Operation]:
    """The ops without work that an op needs in its body, in order."""
    found: dict[Operation, None] = {}

    def visit(value: SSAValue) -> None:
        owner = value.owner
        if isinstance(owner, Operation) and owner not in work:
            for operand in inputs_of(owner):
                visit(operand)
            found[owner] = None

    for value in inputs_of(op):
        visit(value)
    return list(found)


def roots(op: Operation, work: set[Operation]) -> list[SSAValue]:
    """What an op reads of the results of work and of the kernel's arguments, behind ops made again."""
    found: dict[SSAValue, None] = {}
    for inner in (*made_again(op, work), op):
        for value in inputs_of(inner):
            owner = value.owner
            if not isinstance(owner, Operation) or owner in work:
                found[value] = None
    return list(found)


def _place(nest: Nest, op: Operation) -> bool:
    """Put an op into a node; `False` when the nest cannot hold it."""
    loops = nest.loops
    makers = [nest.maker[v] for v in roots(op, set(loops.work)) if v in nest.maker]
    walked = nest.position(loops.walked(op))
    depth = max([walked, *(maker.out_depth for maker in makers)])
    limit = min((maker.limit for maker in makers), default=UNLIMITED)
    if loops.spatial:
        limit = UNLIMITED
    if depth > limit:
        return False
    out_depth = _result_depth(nest, op, depth)
    if out_depth is None:
        return False
    node = _home(nest, op, depth, out_depth, makers, limit)
    node.limit = min(limit, out_depth if node.reduces else limit)
    node.work.append(op)
    for result in op.results:
        nest.maker[result] = node
    return True


def _result_depth(nest: Nest, op: Operation, depth: int) -> int | None:
    """The loops of an op's results: all of its own, or those in front of the ones it sums over."""
    reduced = nest.loops.reduced(op) & set(nest.order)
    if not reduced:
        return depth
    out_depth = nest.position(nest.loops.carried(op.results[0]))
    return out_depth if set(nest.order[out_depth:depth]) == reduced else None


def _home(
    nest: Nest,
    op: Operation,
    depth: int,
    out_depth: int,
    makers: Sequence[TiledNode],
    limit: int,
) -> TiledNode:
    """The node an op joins: the last that fires as it does and stands behind all it reads."""
    unit = nest.loops.unit_name(op)
    first = max((nest.nodes.index(maker) for maker in makers), default=0)
    for node in () if nest.loops.spatial else reversed(nest.nodes[first:]):
        same = (node.unit, node.depth, node.out_depth) == (unit, depth, out_depth)
        if same and not node.reduces and node.limit == limit:
            return node
    made = TiledNode(unit, depth, out_depth)
    nest.nodes.append(made)
    return made


def _find_inputs(nest: Nest, node: TiledNode) -> None:
    work = set(nest.loops.work)
    for op in node.work:
        for value in roots(op, work):
            maker = nest.maker.get(value)
            if maker is node or value in node.inputs or value in node.controls:
                continue
            if isinstance(value.type, IndexType):
                node.controls.append(value)
            elif is_tensor(value):
                carried = nest.position(nest.loops.carried(value))
                node.inputs[value] = carried if maker is None else maker.out_depth
            else:
                fail(
                    op,
                    f"expected tensors and index values to enter a kernel, got {value.type}",
                )


def _reach_depth(nest: Nest, node: TiledNode) -> bool:
    """Make a node fire in all its loops: one of its operands has to have them all."""
    if node.depth <= max(node.inputs.values(), default=0):
        return True
    own = [value for value in node.inputs if value not in nest.maker]
    plain = [v for v in own if not isinstance(element(v), ternary.TritType)]
    if plain:
        node.inputs[plain[0]] = node.depth
    elif nest.loops.spatial and node.inputs:
        node.repeated = max(node.inputs, key=node.inputs.__getitem__)
    return bool(plain) or node.repeated is not None


def _find_outputs(nest: Nest) -> None:
    """What leaves each node: what the kernel yields, and what other nodes read."""
    wanted = dict.fromkeys(nest.loops.yielded)
    for node in nest.nodes:
        wanted |= dict.fromkeys(v for v in node.inputs if v in nest.maker)
    for value in wanted:
        if value not in nest.maker:
            fail(
                nest.loops.op,
                "expected a kernel to yield what its ops make, got a value from outside",
            )
        nest.maker[value].outputs.append(value)
