"""
Chooses a tier and an offset for every buffer and FIFO of a function.

Buffers between kernels start in the host's tier. Then, the smallest first, each that only kernels
of this function touch moves on chip, into a tier of the units that read it (or else of those that
write it), if everything still fits by first fit over lifetimes. A buffer on chip that all its units
reach needs no FIFO. At last the FIFOs of arguments are made live one kernel earlier where that
fits, so that weights are loaded while the kernel before computes. A graph that a unit holds as a whole
has its FIFOs inside the unit, and takes its ends where they are.

A unit with one slot for weights (`weight_slots = 1`) has one buffer for those of all its kernels, at
offset 0 of its weight tier: no load overlaps a launch on the weights before, in whichever kernel.

A called function's buffers begin at offset 0 of each tier; while it runs, its caller keeps that
part free. So a function is placed once however often it is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xdsl.dialects.func import CallOp
from xdsl.ir import Operation, SSAValue

from dfc.dialects import accel, stream
from dfc.passes.analysis.graph_places import fail
from dfc.passes.fabric.graph import fabric_of
from dfc.passes.placement.edge_plan import Edge, EdgePlan, Fifo, plan_edges, unit_of
from dfc.passes.placement.first_fit import Misfit, Request, first_fit, peak
from dfc.passes.placement.function_buffers import Buffer, FunctionBuffers
from dfc.runtime.machine import Target

Frames = Mapping[str, Mapping[str, int]]
"""The bytes that each function placed so far takes of each tier."""


@dataclass(frozen=True)
class Placement:
    """Where everything of a function is: edges by kernel, offsets of FIFOs and buffers, bytes per tier."""

    edges: Mapping[Operation, EdgePlan]
    held: Mapping[Operation, str]
    """The units of the kernels whose graphs are held as a whole; such a kernel has no planned edges."""
    fifos: dict[Fifo, int]
    buffers: dict[Buffer, int]
    frame: dict[str, int]


def graph_in(op: accel.KernelOp) -> stream.GraphOp:
    """The graph that is a kernel's body."""
    first = op.body.block.first_op
    if not isinstance(first, stream.GraphOp):
        fail(op, "expected a stream.graph in the kernel, got none; run tile-kernels")
    return first


class TierChoice:
    """The search for one function."""

    def __init__(self, found: FunctionBuffers, target: Target, frames: Frames) -> None:
        self.found = found
        self.target = target
        self.frames = frames
        self.capacities = {name: t.capacity_bytes for name, t in target.tier.items()}
        self.kernels = found.kernels
        fabrics = {op: fabric_of(graph_in(op), target) for op in self.kernels}
        self.held: dict[Operation, str] = {
            op: unit for op, unit in fabrics.items() if unit
        }
        self.edges: dict[Operation, EdgePlan] = {
            op: self._edges(op) for op in self.kernels
        }
        self.early: set[Fifo] = set()

    def place(self) -> Placement:
        """The best placement found; an error when not even the smallest fits."""
        fitted = self._fit()
        if isinstance(fitted, Misfit):
            self._fail(fitted)
        for buffer in sorted(self._movable(), key=lambda b: b.size):
            self._promote(buffer)
        for op in self.kernels:
            for fifo in self._of_arguments(op):
                self._load_early(fifo)
        requests, offsets = self._fit_all()
        fifos, buffers = self._split(offsets)
        frame = {tier: peak(requests, offsets, tier) for tier in self.target.tier}
        return Placement(self.edges, self.held, fifos, buffers, frame)

    def _movable(self) -> list[Buffer]:
        """Buffers that may leave the host's tier."""
        return [b for b in self.found.buffers if not b.pinned and b.kernels]

    def _edges(self, op: accel.KernelOp) -> EdgePlan:
        values = dict(zip(op.body.block.args, op.inputs, strict=True))
        graph = graph_in(op)
        if op in self.held:
            return EdgePlan()

        def tier_of(value: SSAValue) -> str:
            outside = values.get(value)  # pyright: ignore[reportArgumentType]
            if outside is None:
                outside = op.outputs[_result_index(op, graph, value)]
            return self.found.of[outside].tier

        return plan_edges(graph, self.target, tier_of)

    def _requests(self) -> Iterator[tuple[Fifo | Buffer | None, Request]]:
        for buffer in self.found.buffers:
            in_place = buffer.argument is not None
            handed = buffer.result is not None and self._is_called()
            if not in_place and not handed:
                yield (
                    buffer,
                    Request(
                        buffer.name, buffer.tier, buffer.size, buffer.first, buffer.last
                    ),
                )
        for op in self.kernels:
            yield from self._fifos_of(op)
        for op in self.found.ops:
            if isinstance(op, CallOp):
                yield from self._frames_of(op)

    def _fifos_of(self, op: accel.KernelOp) -> Iterator[tuple[Fifo, Request]]:
        """FIFOs live while their kernel runs, or one earlier; several weights share a sole slot side by side."""
        time = self.found.time[op]
        taken = dict.fromkeys(self.target.tier, 0)
        for fifo in self.edges[op].fifos:
            name = f"{fifo.text} in `{op.sym.data}`"
            first = time - (fifo in self.early)
            offset = taken[fifo.tier] if fifo.sole else None
            taken[fifo.tier] += fifo.size * fifo.sole
            yield fifo, Request(name, fifo.tier, fifo.size, first, time, offset)

    def _frames_of(self, op: CallOp) -> Iterator[tuple[None, Request]]:
        name, time = op.callee.string_value(), self.found.time[op]
        for tier, size in self.frames.get(name, {}).items():
            if size:
                yield None, Request(f"@{name}", tier, size, time, time, 0)

    def _is_called(self) -> bool:
        visibility = self.found.function.sym_visibility
        return visibility is not None and visibility.data == "private"

    def _fit(self) -> list[int] | Misfit:
        return first_fit([request for _, request in self._requests()], self.capacities)

    def _fit_all(self) -> tuple[list[Request], list[int]]:
        offsets = self._fit()
        assert not isinstance(offsets, Misfit)
        return [request for _, request in self._requests()], offsets

    def _split(self, offsets: list[int]) -> tuple[dict[Fifo, int], dict[Buffer, int]]:
        fifos: dict[Fifo, int] = {}
        buffers: dict[Buffer, int] = {}
        for (what, _), offset in zip(self._requests(), offsets, strict=True):
            if isinstance(what, Fifo):
                fifos[what] = offset
            elif isinstance(what, Buffer):
                buffers[what] = offset
        return fifos, buffers

    def _promote(self, buffer: Buffer) -> None:
        """Move a buffer on chip if everything fits then."""
        before = dict(self.edges)
        for tier in self._candidates(buffer):
            buffer.tier = tier
            self.edges |= {
                op: self._edges(op) for op in self.kernels if op in buffer.kernels
            }
            if not isinstance(self._fit(), Misfit):
                return
            buffer.tier = self.target.host_tier
            self.edges = dict(before)

    def _candidates(self, buffer: Buffer) -> list[str]:
        """Tiers to try: those of the units that read a buffer, then of those that write it."""
        found: dict[str, None] = {}
        kernels = [op for op in buffer.kernels if isinstance(op, accel.KernelOp)]
        for op in sorted(kernels, key=lambda op: self.found.time[op] == buffer.first):
            if op in self.held:
                found[self.target.unit[self.held[op]].data_tier] = None
                continue
            for inner in graph_in(op).body.block.ops:
                if isinstance(inner, stream.MapOp | stream.ReduceOp):
                    found[unit_of(inner, self.target).data_tier] = None
        return [tier for tier in found if tier != self.target.host_tier]

    def _of_arguments(self, op: accel.KernelOp) -> list[Fifo]:
        """The FIFOs of a kernel that copies fill from the function's arguments."""
        values = dict(zip(op.body.block.args, op.inputs, strict=True))

        def is_argument(edge: Edge) -> bool:
            read = edge.origin.owner
            if not isinstance(read, stream.ReadOp):
                return False
            outside = values[read.source]  # pyright: ignore[reportArgumentType]
            return self.found.of[outside].argument is not None

        return [
            f for edge in self.edges[op].edges if is_argument(edge) for f in edge.fifos
        ]

    def _load_early(self, fifo: Fifo) -> None:
        if fifo.sole:
            return
        self.early.add(fifo)
        if isinstance(self._fit(), Misfit):
            self.early.discard(fifo)

    def _fail(self, misfit: Misfit) -> None:
        request = misfit.request
        capacity = self.capacities[request.tier]
        where = next(
            (op for op in self.kernels if request.name.endswith(f"in `{op.sym.data}`")),
            self.found.function,
        )
        fail(
            where,
            f"{request.name} of {request.size} bytes does not fit in tier `{request.tier}`"
            f" ({capacity} bytes, {misfit.taken} taken);"
            " use smaller tiles, fewer ops per kernel or a larger tier",
        )


def _result_index(op: accel.KernelOp, graph: stream.GraphOp, value: SSAValue) -> int:
    """Which result of the kernel a write's result is."""
    last = op.body.block.last_op
    inner = graph.body.block.last_op
    assert isinstance(last, accel.YieldOp)
    assert isinstance(inner, stream.YieldOp)
    written = list(inner.arguments).index(value)
    return list(last.arguments).index(graph.outputs[written])
