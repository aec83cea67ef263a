"""
Check that every buffer and FIFO of the placed level has its own bytes in a tier of the target.

    %a = tier.alloc offset 0 : memref<1024xi8, "sram">
    %b = tier.alloc offset 512 : memref<1024xi8, "sram">
    // both used by one kernel
  -->
    error: buffer `%a` (bytes 0 to 1024) and buffer `%b` (bytes 512 to 1536) overlap in tier `sram`
    while both are live

The module does not change. Checked are, in every function but `@weights`: tiers and units that the
target has; offsets within the capacity, in the host's tier together with the arguments; that no two
buffers, FIFOs or called functions' buffers share a byte while both are live (a buffer lives from
its first use to its last, a FIFO while its kernel runs, one inside a unit that holds its graph not
at all); that a buffer is written before it is
read; that units reach what they use in place; that the nodes of a graph held as a whole have no more
tiles than their unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from xdsl.context import Context
from xdsl.dialects import memref
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass

from dfc.dialects import accel, socket, stream, tier
from dfc.passes.analysis.branches import timed
from dfc.passes.analysis.functions import WEIGHTS, callees_first, is_private
from dfc.passes.analysis.graph_places import expect_turns, fail
from dfc.passes.analysis.memory_views import buffer_bytes
from dfc.passes.fabric.graph import fabric_of
from dfc.passes.placement.edge_plan import home_tier, reaches, unit_of
from dfc.passes.placement.tier_choice import graph_in
from dfc.runtime.machine import Target, target_of
from dfc.runtime.machine.units.stream_fabric import StreamFabric, tiles_of


@dataclass(frozen=True)
class Extent:
    """Bytes of a tier that something takes from one time of a function to another."""

    op: Operation
    name: str
    tier: str
    begin: int
    end: int
    first: int
    last: int

    def clashes(self, other: Extent) -> bool:
        """Whether both take a byte at the same time."""
        return (
            self.tier == other.tier
            and self.begin < other.end
            and other.begin < self.end
            and self.first <= other.last
            and other.first <= self.last
        )

    def __str__(self) -> str:
        return f"{self.name} (bytes {self.begin} to {self.end})"


class FunctionCheck:
    """The checks of one function; `frames` holds the extents of those it calls."""

    def __init__(
        self, function: FuncOp, target: Target, frames: dict[str, list[Extent]]
    ) -> None:
        self.function = function
        self.target = target
        self.frames = frames
        self.time = {op: time for time, op in timed(list(function.body.block.ops))}
        self.ops = list(self.time)

    def run(self) -> list[Extent]:
        """Check the function; what it takes of the tiers, while it runs."""
        extents = [e for op in self.ops for e in self._extents(op)]
        for extent in extents:
            self._check_capacity(extent)
        self._check_overlaps(extents)
        for op in self.ops:
            if isinstance(op, accel.KernelOp):
                self._check_units(op)
        if not is_private(self.function):
            self._check_host(extents)
        return extents

    def _check_overlaps(self, extents: list[Extent]) -> None:
        """Meet every pair once, those of a tier in the order of their first bytes."""
        for where in self.target.tier:
            placed = sorted(
                (e for e in extents if e.tier == where), key=lambda e: e.begin
            )
            open_ends: list[Extent] = []
            for extent in placed:
                open_ends = [one for one in open_ends if one.end > extent.begin]
                for one in open_ends:
                    same_call = one.op is extent.op and isinstance(one.op, CallOp)
                    if not same_call and one.clashes(extent):
                        fail(
                            extent.op,
                            f"{one} and {extent} overlap in tier `{where}` while both are live",
                        )
                open_ends.append(extent)

    def _extents(self, op: Operation) -> Iterator[Extent]:
        if isinstance(op, tier.AllocOp):
            yield from self._alloc(op)
        elif isinstance(op, accel.KernelOp):
            held = fabric_of(graph_in(op), self.target) is not None
            for inner in op.walk():
                if isinstance(inner, stream.FifoOp) and not held:
                    yield self._fifo(inner, op)
        elif isinstance(op, CallOp):
            name, now = op.callee.string_value(), self.time[op]
            for part in joined(self.frames.get(name, [])):
                label = f"buffers of @{name}"
                yield Extent(op, label, part.tier, part.begin, part.end, now, now)

    def _alloc(self, op: tier.AllocOp) -> Iterator[Extent]:
        if op.offset_bytes is None:
            fail(op, "expected a buffer with an offset, got none; run place-buffers")
        kind = op.buffer.type
        begin = op.offset_bytes.value.data
        name = (
            f"buffer `%{op.buffer.name_hint}`"
            if op.buffer.name_hint
            else f"a buffer {kind}"
        )
        users = sorted(self._users(op.buffer), key=lambda each: self.time[each[0]])
        if not users:
            return
        first, reads = users[0]
        if reads:
            fail(first, f"{name} is read before anything is written to it")
        times = [self.time[user] for user, _ in users]
        end = begin + buffer_bytes(kind)
        yield Extent(op, name, tier.tier_of(op.buffer), begin, end, times[0], times[-1])

    def _users(self, value: SSAValue) -> Iterator[tuple[Operation, bool]]:
        """The ops that use a buffer or a view of it, and whether they read it only."""
        for use in value.uses:
            op = use.operation
            if len(op.results) == 1 and isinstance(op.results[0].type, MemRefType):
                yield from self._users(op.results[0])
            elif isinstance(op, accel.KernelOp):
                yield op, use.index < len(op.inputs)
            elif isinstance(op, tier.CopyOp | socket.ExchangeOp):
                yield op, use.index == 0
            else:
                yield op, isinstance(op, ReturnOp | memref.LoadOp)

    def _fifo(self, op: stream.FifoOp, kernel: accel.KernelOp) -> Extent:
        if op.tier is None or op.offset_bytes is None:
            fail(op, "expected a FIFO with a tier and an offset; run place-buffers")
        token = stream.stream_type(op.out).token
        begin, now = op.offset_bytes.value.data, self.time[kernel]
        name = f"a FIFO of {token} in `{kernel.sym.data}`"
        end = begin + op.depth.value.data * buffer_bytes(token)
        return Extent(op, name, op.tier.data, begin, end, now, now)

    def _check_capacity(self, extent: Extent) -> None:
        if extent.tier not in self.target.tier:
            known = ", ".join(self.target.tier)
            fail(extent.op, f"expected a tier of {known}, got `{extent.tier}`")
        capacity = self.target.tier[extent.tier].capacity_bytes
        if extent.end > capacity:
            fail(
                extent.op,
                f"{extent} does not fit in tier `{extent.tier}` of {capacity} bytes",
            )

    def _check_host(self, extents: list[Extent]) -> None:
        """Arguments stand in the host's tier beside everything that the program puts there."""
        host = self.target.host_tier
        given = 0
        for argument in self.function.args:
            if is_memref(argument):
                given += buffer_bytes(cast("MemRefType[Attribute]", argument.type))
        used = max((e.end for e in extents if e.tier == host), default=0)
        capacity = self.target.tier[host].capacity_bytes
        if given + used > capacity:
            fail(
                self.function,
                f"arguments of {given} bytes and buffers of {used} bytes do not fit in tier `{host}` of {capacity} bytes; use a smaller model or a larger tier",
            )

    def _check_units(self, kernel: accel.KernelOp) -> None:
        """Units reach the tiers of what they read and write."""
        fabric = fabric_of(graph_in(kernel), self.target)
        if fabric is not None:
            self._check_held(kernel, fabric)
            return
        expect_turns(graph_in(kernel))
        for op in graph_in(kernel).body.block.ops:
            if isinstance(op, stream.ReadOp) and op.in_place is not None:
                self._check_reach(op.tokens, tier.tier_of(op.source))
            elif isinstance(op, stream.FifoOp) and op.tier is not None:
                self._check_reach(op.out, op.tier.data)
            elif isinstance(op, stream.MapOp | stream.ReduceOp):
                unit_of(op, self.target)

    def _check_held(self, kernel: accel.KernelOp, name: str) -> None:
        """A unit that holds a graph as a whole has tiles for its nodes, and reaches the tiers of the kernel's operands."""
        unit = self.target.unit[name]
        self._check_tiles(kernel, name)
        known = dict.fromkeys([unit.data_tier, *unit.streams])
        for value in (*kernel.inputs, *kernel.outs):
            if is_memref(value) and tier.tier_of(value) not in known:
                fail(
                    kernel,
                    f"unit `{name}` reaches {', '.join(known)}, got an operand in `{tier.tier_of(value)}`",
                )

    def _check_tiles(self, kernel: accel.KernelOp, name: str) -> None:
        unit = self.target.unit[name]
        if not isinstance(unit, StreamFabric) or unit.tiles is None:
            return
        nodes = graph_in(kernel).body.block.ops
        taken = sum(tiles_of(op) for op in nodes if "unit" in op.properties)
        if taken > unit.tiles.value:
            fail(
                kernel,
                f"expected nodes of at most {unit.tiles.value} tiles on unit `{name}`, got {taken};"
                " give them fewer or fuse fewer ops",
            )

    def _check_reach(self, tokens: SSAValue, where: str) -> None:
        for use in tokens.uses:
            node = use.operation
            if isinstance(node, stream.ForkOp):
                for copy in node.copies:
                    self._check_reach(copy, where)
            if not isinstance(node, stream.MapOp | stream.ReduceOp):
                continue
            unit = unit_of(node, self.target)
            if not reaches(use, unit, where):
                assert node.unit is not None
                known = ", ".join(dict.fromkeys([home_tier(use, unit), unit.data_tier]))
                fail(
                    node,
                    f"unit `{node.unit.data}` reaches {known}, got an operand in `{where}`",
                )


def joined(extents: list[Extent]) -> list[Extent]:
    """The bytes of all extents as few extents that do not touch."""
    found: list[Extent] = []
    for extent in sorted(extents, key=lambda e: (e.tier, e.begin)):
        last = found[-1] if found else None
        if last is not None and last.tier == extent.tier and extent.begin <= last.end:
            found[-1] = replace(last, end=max(last.end, extent.end))
        else:
            found.append(extent)
    return found


def is_memref(value: SSAValue) -> bool:
    """Whether a value is a buffer or a view of one."""
    return isinstance(value.type, MemRefType)


@dataclass(frozen=True)
class VerifyPlacementPass(ModulePass):
    name = "verify-placement"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = target_of(op)
        frames: dict[str, list[Extent]] = {}
        for function in callees_first(op):
            name = function.sym_name.data
            if name != WEIGHTS:
                frames[name] = FunctionCheck(function, target, frames).run()
