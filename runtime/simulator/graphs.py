"""The launch of a whole stream graph: its makespan, what its nodes compute, and the bytes at its ends."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from xdsl.ir import BlockArgument, Operation, SSAValue

from dfc.dialects import accel, stream
from dfc.dialects.stream import stream_type
from dfc.runtime.errors import ExecutionError
from dfc.runtime.graph import DeadlockError, Run, simulate
from dfc.runtime.graph.extract import graph_of, nest_of, token_bytes
from dfc.runtime.graph.trips import Nest
from dfc.runtime.machine import Access, Cost, Target
from dfc.runtime.machine.access import Direction
from dfc.runtime.machine.cost import Part
from dfc.runtime.machine.units.base import Effort, Unit
from dfc.runtime.machine.work import (
    BothWays,
    Controls,
    Work,
    gathered,
    read_bytes,
    unknown,
    work_of,
)


def graph_in(op: accel.LaunchOp) -> stream.GraphOp | None:
    """The graph that a launch's body is, if it is one."""
    first = op.body.block.first_op
    return first if isinstance(first, stream.GraphOp) else None


def run_of(target: Target, op: stream.GraphOp, controls: Controls) -> Run:
    """A graph's run on the engine, remembered for the target by what the graph is."""
    graph = graph_of(op, known_symbols(op, controls))
    if ("run", graph) not in target.memo:
        target.memo["run", graph] = simulate(graph)
    return target.memo["run", graph]


def known_symbols(op: stream.GraphOp, controls: Controls) -> Mapping[SSAValue, int]:
    """The values of the symbols of a graph's bound, as far as they are known."""
    found = ((symbol, controls(symbol)) for symbol in op.symbols)
    return {symbol: value for symbol, value in found if value is not None}


@dataclass(frozen=True)
class GraphLaunch:
    """A launch of a kernel's graph on a unit, for the control values that `controls` gives."""

    target: Target
    kernel: str
    op: accel.LaunchOp
    graph: stream.GraphOp
    access: Access
    controls: Controls

    @cached_property
    def run(self) -> Run:
        """The run on the engine; an error that names the kernel where it cannot go on."""
        try:
            return run_of(self.target, self.graph, self.controls)
        except DeadlockError as error:
            raise ExecutionError(f"kernel `{self.kernel}`: {error}") from error

    @property
    def unit(self) -> Unit:
        """The unit that holds the graph."""
        return self.target.unit[self.op.unit.data]

    @cached_property
    def firings(self) -> Mapping[Operation, int]:
        """How often each node fires."""
        firings = {node.name: node.firings for node in self.run.nodes}
        names = stream.node_names(self.graph)
        return {op: firings[name] for op, name in names.items() if name in firings}

    @cached_property
    def bodies(self) -> list[tuple[int, list[Operation]]]:
        """For each node with a body how often it fires, and the body's ops."""
        return [
            (count, list(body.block.ops)[:-1])
            for node, count in self.firings.items()
            for body in node.regions
        ]

    @property
    def works(self) -> Iterator[tuple[int, Work]]:
        """What every op of every node computes in a firing, with the firings."""
        for firings, body in self.bodies:
            yield from ((firings, work_of(op, unknown)) for op in body)

    @property
    def cost(self) -> Cost:
        """The makespan, of which the busiest node's firings are one part, beside the bytes that go in and out."""
        busiest = max(self.run.nodes, key=lambda node: node.utilisation)
        busy = round(busiest.utilisation * self.run.cycles)
        numbers, ticks = self.unit.firing_numbers(), self.access.ticks_per_cycle
        parts = [
            Part(Fraction(busy) / ticks, f"firings of {busiest.name}", numbers),
            Part(Fraction(self.run.cycles - busy) / ticks, "fill and waits", numbers),
        ]
        energy = sum(
            firings * self.unit.effort(body, unknown, self.access).energy_pj
            for firings, body in self.bodies
        )
        moved, scattered = self.traffic()
        effort = Effort(tuple(parts), energy)
        return self.unit.beside(effort, moved, scattered, self.access)

    def traffic(self) -> tuple[dict[int, BothWays], set[int]]:
        """Bytes that the graph reads and writes of each operand, and the operands it reads at random."""
        nest = nest_of(self.graph, known_symbols(self.graph, self.controls))
        found: dict[int, BothWays] = {}
        scattered: set[int] = set()
        for operand, direction, size, at_random in self._ends(nest):
            found[operand] = (*found.get(operand, ()), (direction, size))
            scattered |= {operand} if at_random else set()
        return found, scattered

    def _ends(self, nest: Nest) -> Iterator[tuple[int, Direction, int, bool]]:
        """What is read and written: the operand, the bytes, and whether they come at random."""
        written = list(self._written())
        for op in self.graph.body.block.ops:
            if isinstance(op, stream.ReadOp) and isinstance(op.source, BlockArgument):
                whole = stream_bytes(op.tokens, nest)
                picked = self._gathered(op)
                size = whole if picked is None else picked
                yield op.source.index, "read", size, picked is not None
            elif isinstance(op, stream.WriteOp):
                place = len(self.op.inputs) + written.index(op.result[0])
                yield place, "write", stream_bytes(op.tokens, nest), False

    def _gathered(self, op: stream.ReadOp) -> int | None:
        """The bytes that a node takes out of tokens in place where data says; `None` when it takes them whole."""
        use = op.tokens.first_use
        if op.in_place is None or use is None:
            return None
        node = use.operation
        if not isinstance(node, stream.MapOp | stream.ReduceOp | stream.ScanOp):
            return None
        arguments = node.body.block.args
        states = len(arguments) - len(node.streams) - len(node.controls)
        token = arguments[states + use.index]
        if not gathered([*node.body.block.ops]) & {token.index}:
            return None
        return self.firings[node] * read_bytes(token, unknown)

    def _written(self) -> Iterator[SSAValue]:
        """The value that each of the launch's outputs is inside the graph."""
        made, last = self.graph.body.block.last_op, self.op.body.block.last_op
        assert made is not None
        assert last is not None
        inside: dict[SSAValue, SSAValue] = dict(
            zip(self.graph.outputs, made.operands, strict=True)
        )
        yield from (inside[value] for value in last.operands)


def stream_bytes(tokens: SSAValue, nest: Nest) -> int:
    """Bytes of all tokens of a stream."""
    kind = stream_type(tokens)
    return nest.firings(kind.counts) * token_bytes(kind.token)
