"""An attention engine: blocks of query rows against streamed keys, or two passes over the cache for one row."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil

from pydantic import BaseModel, ConfigDict
from xdsl.ir import Operation

from dfc.dialects import attention
from dfc.dialects.utils import element
from dfc.runtime.machine.access import Access
from dfc.runtime.machine.cost import Moved, Part
from dfc.runtime.machine.energies import Energies
from dfc.runtime.machine.names import DtypeName
from dfc.runtime.machine.number import Amount, Anything, Count, Number, Rate
from dfc.runtime.machine.schedules import Schedule, named_schedule
from dfc.runtime.machine.structure import dtype, element_bytes
from dfc.runtime.machine.units.base import Effort, Loads, Stream, Unit, work_energy
from dfc.runtime.machine.work import Controls, Span, argument_of, span_of, work_of


class EngineDtype(BaseModel):
    """What the engine does of one dtype: ticks per beat of its lanes, and energies."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    source: str = ""
    cycles_per_beat: Rate
    pj_per_mac: Amount | None = None
    pj_per_element: Amount | None = None


class AttentionEngine(Unit):
    """
    Attention with keys and values streamed past `rows` query rows, `lanes` wide.

    More than one row (prefill): iterations of (block of rows, key), each of which takes every
    head the longer of `head_iteration_cycles` (its chain of online softmax) and the two
    products' beats. Schedules of order reversed visit no key that is masked for the whole
    block; all others visit every key of their operand.

    One row (decode): a pass over the valid keys, then one over the values. A key takes the
    beats of all heads, `update_cycles` per head and `key_fill_cycles`; a value
    `exponential_cycles` per head, the beats, and `value_fill_cycles`.

    `schedule` is the one it gives to attention that has none; left out, that is `reversed` for
    causal attention and `streaming` for other.

    Keys and values in another tier are read in place through `key_port` and `value_port` beside
    the compute; the slower sets the time.
    """

    rows: Count
    lanes: Count
    head_iteration_cycles: Rate
    update_cycles: Amount
    exponential_cycles: Amount
    key_fill_cycles: Amount
    value_fill_cycles: Amount
    schedule: Schedule | None = None
    key_port: str | None = None
    value_port: str | None = None
    dtype: dict[DtypeName, EngineDtype]

    def port_names(self) -> Iterable[tuple[str, str]]:
        if self.key_port is not None:
            yield "key_port", self.key_port
        if self.value_port is not None:
            yield "value_port", self.value_port

    def runs(self, op: Operation) -> bool:
        return isinstance(op, attention.SdpaOp) and dtype(op.q) in self.dtype

    def effort(
        self, ops: Sequence[Operation], controls: Controls, access: Access
    ) -> Effort:
        parts: list[Part] = []
        streams: list[Stream] = []
        energy = 0.0
        for op in ops:
            if not isinstance(op, attention.SdpaOp):
                continue
            span = span_of(op, controls)
            run = self._decode if span.rows == 1 else self._prefill
            more, used = run(op, span, access)
            parts += more
            streams += used
            rates = self.dtype[dtype(op.q) or ""]
            given = (rates.pj_per_mac, rates.pj_per_element)
            work = work_of(op, controls)
            energy += work_energy(work, *given, access.target.energies)
        return Effort(tuple(parts), energy, tuple(streams))

    def iterations(self, op: attention.SdpaOp, span: Span) -> int:
        """(Block of query rows, key) pairs that the schedule visits, for one head."""
        schedule = op.schedule or attention.ScheduleAttr()
        rows = min(self.rows.value, schedule.rows.data) or 1
        starts = range(0, span.rows, rows)
        if schedule.order.data != "reversed":
            return len(starts) * span.capacity
        ends = [min(start + rows, span.rows) for start in starts]
        first = 0 if op.position is None else span.position
        window = span.capacity if op.window is None else op.window.value.data
        return sum(
            min(first + end, span.capacity, window + end - start)
            for start, end in zip(starts, ends, strict=True)
        )

    def _beats(self, op: attention.SdpaOp, span: Span) -> tuple[Fraction, Rate]:
        """Ticks of one dot product per head, and the rate behind it."""
        rate = self.dtype[dtype(op.q) or ""].cycles_per_beat
        return ceil(span.depth / self.lanes.value) * rate.exact, rate

    def _streams(
        self, op: attention.SdpaOp, span: Span, keys: int, access: Access
    ) -> tuple[Stream | None, Stream | None]:
        """The streams of keys and of values, for those that stand in another tier."""

        def stream(operand: int | None, port: str | None) -> Stream | None:
            if operand is None or access.is_near(operand):
                return None
            size = keys * span.key_heads * span.depth * element_bytes(element(op.k))
            return Stream(
                Moved(operand, "read", size), access.lanes(operand, "read", port)
            )

        return (
            stream(argument_of(op.k), self.key_port),
            stream(argument_of(op.v), self.value_port),
        )

    def _prefill(
        self, op: attention.SdpaOp, span: Span, access: Access
    ) -> tuple[list[Part], list[Stream]]:
        iterations = self.iterations(op, span)
        beats, rate = self._beats(op, span)
        chain = self.head_iteration_cycles
        each = max(chain.exact, 2 * beats)
        number: Number[float] = chain if each == chain.exact else rate
        busy = iterations * span.heads * each
        used = [
            stream for stream in self._streams(op, span, iterations, access) if stream
        ]
        loads = Loads()
        for stream in used:
            loads.add(stream)
        return [Part(busy, "iterations", (number,)), *loads.beyond(busy)], used

    def _decode(
        self, op: attention.SdpaOp, span: Span, access: Access
    ) -> tuple[list[Part], list[Stream]]:
        beats, rate = self._beats(op, span)
        window = span.length if op.window is None else op.window.value.data
        keys = min(span.length, window)
        key_stream, value_stream = self._streams(op, span, keys, access)
        parts: list[Part] = []
        for what, stream, update, fill in (
            ("K pass", key_stream, self.update_cycles, self.key_fill_cycles),
            ("V pass", value_stream, self.exponential_cycles, self.value_fill_cycles),
        ):
            busy = keys * span.heads * beats
            parts.append(Part(busy, what, (self.lanes, rate)))
            if stream is not None:
                loads = Loads()
                loads.add(stream)
                parts += loads.beyond(busy, f"{what} transfer")
            softmax = keys * span.heads * update.exact
            parts.append(Part(softmax, f"{what} softmax", (update,)))
            parts.append(Part(keys * fill.exact, f"{what} fill", (fill,)))
        return parts, [stream for stream in (key_stream, value_stream) if stream]

    def peak_operations_per_cycle(self, cycles_per_second: Fraction) -> Fraction | None:
        beat = min(rates.cycles_per_beat.exact for rates in self.dtype.values())
        return 2 * self.rows.value * self.lanes.value / beat

    def energy_numbers(
        self, energies: Energies
    ) -> Iterable[tuple[str, Anything | None, Number[float]]]:
        for name, rates in self.dtype.items():
            yield f"dtype.{name}.pj_per_mac", rates.pj_per_mac, energies.mac(name)
            key, given = f"dtype.{name}.pj_per_element", rates.pj_per_element
            for function in ("add", "exp"):
                yield f"{key} ({function})", given, energies.element(function, name)

    def tile_multiples(self, op: Operation) -> Mapping[str, int]:
        return {"m": self.rows.value}

    def schedule_of(self, op: attention.SdpaOp) -> attention.ScheduleAttr:
        """The op's own; else the one named in the file, `reversed` for causal attention, or `streaming`."""
        if op.schedule is not None:
            return op.schedule
        return named_schedule(self.schedule or "reversed", op, self.rows.value)
