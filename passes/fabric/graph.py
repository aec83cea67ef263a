"""
Graphs that a stream fabric holds as a whole: they keep their nodes and FIFOs, only their ends change.

    %y = stream.graph -> tensor<8x16xf32> {       // at tiled: on tensors
      %s = stream.read %x
      %t = stream.map on "fabric" (%s) { … }
      %w = stream.write %t
      stream.yield %w
    }
  becomes, on buffers,
    stream.graph {
      %s = stream.read %xb
      %t = stream.map on "fabric" (%s) { … }
      stream.write %t to %yb
    }
  and inside a launch, on the values of these buffers, the first again.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects.builtin import (
    ArrayAttr,
    IntegerAttr,
    IntegerType,
    StringAttr,
    i1,
    i8,
)
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.hints import isa

from dfc.dialects import accel, stream
from dfc.passes.analysis.graph_places import fail
from dfc.passes.placement.placed_graph import store_whole_bytes, stored_stream
from dfc.runtime.machine import Target

Values = Mapping[SSAValue, SSAValue]


def units_of(graph: stream.GraphOp) -> dict[str, Operation]:
    """The units that a graph's nodes name, each with the first node on it."""
    found: dict[str, Operation] = {}
    for op in graph.body.block.ops:
        unit = op.properties.get("unit")
        if isinstance(unit, StringAttr):
            found.setdefault(unit.data, op)
    return found


def fabric_of(graph: stream.GraphOp, target: Target) -> str | None:
    """The unit that holds a graph as a whole; `None` when its nodes run on units of other kinds."""
    units = units_of(graph)
    held = [u for u in units if u in target.unit and target.unit[u].holds_graphs]
    if held and len(units) > 1:
        other = next(unit for unit in units if unit != held[0])
        fail(
            units[other],
            f"expected all nodes of a graph on unit `{held[0]}`, which holds it as a whole, got one on `{other}`",
        )
    return held[0] if held else None


def fabric_of_kernel(op: accel.KernelOp, target: Target) -> str | None:
    """The unit that holds a kernel's graph as a whole, if one does."""
    first = op.body.block.first_op
    return fabric_of(first, target) if isinstance(first, stream.GraphOp) else None


def placed_graph(
    graph: stream.GraphOp, buffers: Values, targets: Values
) -> stream.GraphOp:
    """A graph on memrefs: `buffers` for what it reads, `targets` for what its writes make."""
    made = _copied(graph, buffers)
    inside = dict(zip(graph.body.block.ops, made.body.block.ops, strict=True))
    for old, new in inside.items():
        if isinstance(old, stream.WriteOp) and isinstance(new, stream.WriteOp):
            _replace_write(new, targets[old.result[0]], None)
    last = made.body.block.last_op
    if isinstance(last, stream.YieldOp):
        last.detach()
        last.erase()
    for op in made.body.block.ops:
        _store(op)
    return _with_results(made, [])


def value_graph(
    graph: stream.GraphOp, values: Values, outs: Sequence[SSAValue]
) -> stream.GraphOp:
    """A placed graph on tensors again: `values` for the buffers it reads; its results are those of `outs`."""
    made = _copied(graph, values)
    written: dict[SSAValue, SSAValue] = {}
    for op in list(made.body.block.ops):
        if isinstance(op, stream.WriteOp):
            out = op.target
            assert out is not None
            written[out] = _replace_write(op, None, out.type).result[0]
    results = [written[values[out]] for out in outs]
    made.body.block.add_op(stream.YieldOp(*results))
    return _with_results(made, [value.type for value in results])


def _copied(graph: stream.GraphOp, values: Values) -> stream.GraphOp:
    """A copy of a graph on other values, whose types may not fit yet."""
    return graph.clone(value_mapper=dict(values))


def _with_results(graph: stream.GraphOp, types: Sequence[Attribute]) -> stream.GraphOp:
    """The graph with results of these types."""
    body = Region()
    graph.body.move_blocks(body)
    return stream.GraphOp.create(
        operands=list(graph.operands),
        result_types=types,
        properties=dict(graph.properties),
        attributes=dict(graph.attributes),
        regions=[body],
    )


def _replace_write(
    op: stream.WriteOp, target: SSAValue | None, kind: Attribute | None
) -> stream.WriteOp:
    """A write to another place, with its name and timing."""
    made = stream.WriteOp(op.tokens, target, kind)
    made.properties |= {
        name: value
        for name, value in op.properties.items()
        if name in ("label", "latency", "interval")
    }
    made.attributes |= op.attributes
    Builder(InsertPoint.before(op)).insert(made)
    if kind is not None and op.result:
        op.result[0].replace_all_uses_with(made.result[0])
    op.detach()
    op.erase(safe_erase=False)
    return made


def _store(op: Operation) -> None:
    """Make a node's streams and its body take and give i8 where they took and gave i1."""
    for result in list(op.results):
        if isinstance(result.type, stream.StreamType):
            made = stored_stream(result.type)
            if made != result.type:
                Rewriter.replace_value_with_new_type(result, made)
    for region in op.regions:
        store_whole_bytes(region)
    for name in ("inits", "initial", "fill"):
        if (given := op.properties.get(name)) is not None:
            op.properties[name] = _stored_number(given)


def _stored_number(number: Attribute) -> Attribute:
    """A number that tokens start from, or several, as i8 where it is i1."""
    if isinstance(number, ArrayAttr):
        numbers = cast("ArrayAttr[Attribute]", number)
        return ArrayAttr(_stored_number(each) for each in numbers)
    if isa(number, IntegerAttr[IntegerType]) and number.type == i1:
        return IntegerAttr(number.value.data & 1, i8)
    return number
