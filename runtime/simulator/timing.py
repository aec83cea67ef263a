"""The time of one op on its resources: launches by their unit's model, copies by the lanes they take."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, prod
from typing import NamedTuple

from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Operation, SSAValue

from dfc.dialects import accel, socket, tier
from dfc.dialects.utils import element, shape
from dfc.runtime.errors import ExecutionError
from dfc.runtime.graph import EdgeRun
from dfc.runtime.machine import Access, Lane, Target, lanes_of, weakest
from dfc.runtime.machine.access import Direction
from dfc.runtime.machine.cost import Part, Term, round_up
from dfc.runtime.machine.structure import element_bytes
from dfc.runtime.machine.work import Work, work_of
from dfc.runtime.simulator.control import evaluator
from dfc.runtime.simulator.graphs import GraphLaunch, graph_in


class Category(NamedTuple):
    """What a stretch of time was spent on: in which kernel, by which resource, for what, on what evidence."""

    kernel: str
    resource: str
    what: str
    evidence: str


class Counter(NamedTuple):
    """A quantity that adds up: `busy`, `set` (the busy time that the resource itself set), `read`, `written`, `launches`, `operations`, `calls`, `energy`, of a kernel."""

    quantity: str
    kernel: str
    where: str


Spent = tuple[tuple[Category, int], ...]


@dataclass(frozen=True)
class Timing:
    """
    One op's time: its resources are taken for `hold` ticks, its event comes `tail` ticks later.

    `spent` adds up to `hold`, `tail_spent` to `tail`.
    """

    holds: tuple[str, ...]
    spent: Spent
    tail_spent: Spent
    counters: Mapping[Counter, float]
    fifos: tuple[EdgeRun, ...] = ()
    """The FIFOs of a graph that is launched as a whole."""

    @property
    def hold(self) -> int:
        """Ticks the resources are taken."""
        return sum(ticks for _, ticks in self.spent)

    @property
    def tail(self) -> int:
        """Ticks from when the resources are free to the event."""
        return sum(ticks for _, ticks in self.tail_spent)


def _spent(kernel: str, resource: str, terms: tuple[Term, ...]) -> Spent:
    """Terms as categories."""
    return tuple(
        (
            Category(
                kernel,
                term.resource or resource,
                term.what,
                weakest(term.numbers),
            ),
            term.cycles,
        )
        for term in terms
    )


def expect_fabric(target: Target, kernel: str, unit: str) -> None:
    """Check that a unit can run a whole graph."""
    if not target.unit[unit].holds_graphs:
        raise ExecutionError(
            f"kernel `{kernel}`: expected a unit that holds a graph as a whole, got `{unit}` of kind {target.unit[unit].kind}"
        )


def launch_timing(
    target: Target,
    kernel: str,
    op: accel.LaunchOp,
    known: Callable[[SSAValue], int | None],
) -> Timing:
    """The time of a launch, for the values of its control operands that `known` gives."""
    unit = op.unit.data
    operands = (*op.inputs, *op.outs)
    tiers = tuple(_tier(value) for value in operands)
    access, controls = Access(target, unit, tiers), evaluator(known)
    graph = graph_in(op)
    if graph is not None:
        expect_fabric(target, kernel, unit)
        held = GraphLaunch(target, kernel, op, graph, access, controls)
        cost, work, fifos = held.cost, operations(held.works), held.run.edges
    else:
        body = [each for each in op.body.block.ops if each.name != "accel.yield"]
        cost = target.unit[unit].cost(body, controls, access)
        work, fifos = operations((1, work_of(each, controls)) for each in body), ()
    resource = f"unit.{unit}"
    counters: dict[Counter, float] = {Counter("launches", kernel, unit): 1}
    for name in (resource, *cost.holds):
        counters[Counter("busy", kernel, name)] = cost.cycles
    for term in cost.terms:
        _add(counters, Counter("set", kernel, term.resource or resource), term.cycles)
    _add(counters, Counter("operations", kernel, unit), work)
    for fifo in fifos:
        counters[Counter("starved", kernel, fifo.name)] = fifo.starved_cycles
        counters[Counter("blocked", kernel, fifo.name)] = fifo.blocked_cycles
    _add(counters, Counter("energy", kernel, resource), cost.energy_pj)
    for moved in cost.moved:
        place = tiers[moved.operand]
        if place is not None:
            name = "read" if moved.direction == "read" else "written"
            _add_bytes(counters, target, Counter(name, kernel, place), moved.size)
    return Timing(
        holds=(resource, *cost.holds),
        spent=_spent(kernel, resource, cost.terms),
        tail_spent=_spent(kernel, resource, cost.latency),
        counters=counters,
        fifos=tuple(fifos),
    )


def operations(works: Iterable[tuple[int, Work]]) -> int:
    """How often what is computed, as operations: two per multiply-accumulate, one per elementwise function."""
    return sum(
        times * (2 * sum(work.macs.values()) + sum(work.elements.values()))
        for times, work in works
    )


def _add(counters: dict[Counter, float], key: Counter, amount: float) -> None:
    counters[key] = counters.get(key, 0) + amount


def _add_bytes(
    counters: dict[Counter, float], target: Target, key: Counter, size: int
) -> None:
    """Bytes of a tier, and the energy of moving them."""
    _add(counters, key, size)
    energy = Counter("energy", key.kernel, f"tier.{key.where}")
    _add(counters, energy, size * target.pj_per_byte(key.where))


def _tier(value: SSAValue) -> str | None:
    return tier.tier_of(value) if isinstance(value.type, MemRefType) else None


def burst_bytes(value: SSAValue, burst: int) -> int:
    """Bytes a copy moves of a buffer: each contiguous run is rounded up to whole bursts."""
    size = element_bytes(element(value))
    runs, run = contiguous_runs(value)
    return runs * ceil(run * size / burst) * burst


def contiguous_runs(value: SSAValue) -> tuple[int, int]:
    """How many contiguous runs a memref is made of, and the elements in each."""
    dims = shape(value)
    kind = value.type
    strides = kind.get_strides() if isinstance(kind, MemRefType) else None
    if strides is None or any(stride is None for stride in strides):
        return (prod(dims), 1) if strides is not None else (1, prod(dims))
    run = 1
    for size, stride in reversed(list(zip(dims, strides, strict=True))):
        if size == 1:
            continue
        if stride != run:
            break
        run *= size
    return prod(dims) // run, run


def _ways(
    target: Target, place: str, direction: Direction, peer: str, value: SSAValue
) -> list[tuple[Lane, Fraction]]:
    """
    The lanes of one side of a copy at the rates of its access pattern, each with its least ticks.

    Channels take no less than it takes to open the rows that the runs stand in.
    """
    table = target.tier[place]
    runs, run = contiguous_runs(value)
    size = run * element_bytes(element(value))
    lanes = lanes_of(
        target, place, direction, (peer,), pattern=table.pattern(runs, size)
    )
    rows = table.row_ns(runs, size) * target.ticks_per_second / 10**9
    return [
        (lane, rows if lane.resource.startswith("tier.") else Fraction())
        for lane in lanes
    ]


def copy_timing(target: Target, kernel: str, op: tier.CopyOp) -> Timing:
    """The time of a copy: the longest of its lanes, then the latency of both tiers."""
    ends = f"{tier.tier_of(op.source)} to {tier.tier_of(op.target)}"
    return transfer_timing(target, kernel, op, {Counter("copies", kernel, ends): 1})


def transfer_timing(
    target: Target,
    kernel: str,
    op: tier.CopyOp | socket.ExchangeOp,
    counters: dict[Counter, float],
    link: Part | None = None,
    delays: tuple[Part, ...] = (),
) -> Timing:
    """
    What moving one buffer to another takes, over a link where there is one between the tiers.

    The lanes are taken for the longest of their times; a tier that is read and written takes the
    time of both. The delays and the latencies of the tiers come behind. Bytes and energies are
    added to `counters`.
    """
    source, goal = tier.tier_of(op.source), tier.tier_of(op.target)
    sides = (
        (op.source, source, _ways(target, source, "read", goal, op.source), "read"),
        (op.target, goal, _ways(target, goal, "write", source, op.target), "written"),
    )
    taken: dict[str, Part] = {} if link is None else {link.resource: link}
    for value, place, used, name in sides:
        size = burst_bytes(value, target.tier[place].burst_bytes.value)
        for lane, least in used:
            before = taken[lane.resource].ticks if lane.resource in taken else 0
            ticks = before + max(lane.ticks(size), least)
            taken[lane.resource] = Part(ticks, "transfer", lane.numbers, lane.resource)
        _add_bytes(counters, target, Counter(name, kernel, place), size)
    parts = [max(taken.values(), key=lambda part: part.ticks)] if taken else []
    terms = round_up((*parts, *delays, *_delays(target, source, goal)))
    held = [term for term in terms[: len(parts)] if term.what == "transfer"]
    for name in taken:
        counters[Counter("busy", kernel, name)] = sum(term.cycles for term in held)
    for term in held:
        counters[Counter("set", kernel, term.resource)] = term.cycles
    return Timing(
        holds=tuple(taken),
        spent=_spent(kernel, f"tier.{source}", tuple(held)),
        tail_spent=_spent(kernel, f"tier.{source}", terms[len(held) :]),
        counters=counters,
    )


def _delays(target: Target, *tiers: str) -> tuple[Part, ...]:
    """The latencies of the tiers a copy touches; the op's time is rounded up once, behind them."""
    return tuple(
        Part(target.ticks_of_ns(number), "latency", (number,), f"tier.{name}")
        for name in tiers
        if (number := target.tier[name].latency_ns).value
    )


def configure_timing(target: Target, kernel: str, op: accel.ConfigureOp) -> Timing:
    """The time of a reconfiguration on its unit."""
    number = target.unit[op.unit.data].configure_cycles
    resource = f"unit.{op.unit.data}"
    category = Category(kernel, resource, "configure", weakest((number,)))
    counters = {Counter("busy", kernel, resource): float(number.value)}
    return Timing((resource,), ((category, number.value),), (), counters)


def issue_ticks(target: Target, op: Operation) -> tuple[int, str]:
    """What issuing an op takes the control processor, and the evidence."""
    number = (
        target.control.copy_cycles
        if isinstance(op, tier.CopyOp | socket.ExchangeOp)
        else target.control.launch_cycles
    )
    return number.value, weakest((number,))
