"""Modelled memories: real bytes per tier, and for each byte who wrote it and who read it since."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, cast

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import Array
from dfc.runtime.interpreter.order import HOST, Order, Step

POISON = 0xA5
"""What every byte holds before anything is written to it."""


@dataclass(frozen=True, eq=False)
class Buffer:
    """A stretch of a tier under one name: an allocation, an argument, a FIFO."""

    name: str
    tier: str
    offset: int
    size: int
    constant: bool = False
    """Whether it holds a weight, which no op may write; who reads it need not be known."""

    def __str__(self) -> str:
        end = self.offset + self.size
        return f"{self.name} ({self.tier} bytes {self.offset} to {end})"


@dataclass(frozen=True, eq=False)
class Record:
    """Who wrote a byte, through which buffer; `step` is None for the host."""

    buffer: Buffer
    step: Step | None


@dataclass
class Tier:
    """The bytes of one tier up to the highest ever used, and what is known of each."""

    name: str
    capacity: int | None
    data: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))
    record: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    """The index of the byte's last write in `records`; 0 when there was none."""
    readers: dict[int, NDArray[np.int32]] = field(
        default_factory=dict[int, NDArray[np.int32]]
    )
    """By resource: the number of its last op that read the byte since it was written."""

    def reserve(self, end: int) -> None:
        """Make the first `end` bytes exist, poisoned."""
        more = end - len(self.data)
        if more <= 0:
            return
        more = max(more, len(self.data) // 2)
        self.data = np.concatenate([self.data, np.full(more, POISON, np.uint8)])
        self.record = np.concatenate([self.record, np.zeros(more, np.int32)])
        for resource, numbers in self.readers.items():
            self.readers[resource] = np.concatenate([numbers, np.zeros(more, np.int32)])

    def readers_of(self, resource: int) -> NDArray[np.int32]:
        """The numbers of a resource's readers, by byte."""
        if resource not in self.readers:
            self.readers[resource] = np.zeros(len(self.data), np.int32)
        return self.readers[resource]


@dataclass(frozen=True, eq=False)
class View:
    """Elements of a buffer: offset in bytes from the start of the tier, strides in elements."""

    buffer: Buffer
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def extent(self) -> tuple[int, int]:
        """The first byte and the one behind the last."""
        if 0 in self.shape:
            return self.offset, self.offset
        spans = [(n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)]
        low = sum(s for s in spans if s < 0)
        high = sum(s for s in spans if s > 0)
        size = self.dtype.itemsize
        return self.offset + low * size, self.offset + (high + 1) * size

    def over(self, each: NDArray[Any]) -> NDArray[Any]:
        """What a per-byte array holds for this view's bytes: an axis per dimension, and one per element."""
        size = self.dtype.itemsize
        if self.strides == row_major(self.shape):
            part = each[self.offset : self.offset + prod(self.shape) * size]
            return part.reshape(*self.shape, size)
        width = each.itemsize
        strides = [s * size * width for s in self.strides]
        return as_strided(each[self.offset :], (*self.shape, size), (*strides, width))

    def at(self, offset: int, **changes: Any) -> "View":
        """Another view of the buffer, `offset` elements from this one's start; it must lie within."""
        moved = replace(
            self, offset=self.offset + offset * self.dtype.itemsize, **changes
        )
        return moved.checked()

    def checked(self) -> "View":
        """The view, unless it leaves its buffer."""
        low, high = self.extent
        buffer = self.buffer
        if low < buffer.offset or high > buffer.offset + buffer.size:
            raise ExecutionError(
                f"a view of {self.buffer} reaches from byte {low} to {high}, outside of it"
            )
        return self

    def part(
        self, offsets: Sequence[int], sizes: Sequence[int], steps: Sequence[int]
    ) -> "View":
        """A subview of the same rank."""
        start = sum(o * s for o, s in zip(offsets, self.strides, strict=True))
        strides = tuple(a * b for a, b in zip(self.strides, steps, strict=True))
        return self.at(start, shape=tuple(sizes), strides=strides)


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a contiguous buffer, in elements."""
    return tuple(prod(shape[d + 1 :]) for d in range(len(shape)))


class Machine:
    """The memories of a target, and every access to them."""

    def __init__(self, capacities: dict[str, int] | None = None) -> None:
        self.capacities = capacities or {}
        self.order = Order()
        self.tiers: dict[str, Tier] = {}
        self.records: list[Record | None] = [None]

    def tier(self, name: str) -> Tier:
        """A tier by name; one that no target describes is as large as needed."""
        if name not in self.tiers:
            if self.capacities and name not in self.capacities:
                known = ", ".join(self.capacities)
                raise ExecutionError(f"expected a tier of {known}, got `{name}`")
            self.tiers[name] = Tier(name, self.capacities.get(name))
        return self.tiers[name]

    def allocate(
        self,
        name: str,
        tier: str,
        offset: int,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        constant: bool = False,
    ) -> View:
        """A buffer at a place; its bytes stay what they are until something writes them."""
        memory = self.tier(tier)
        buffer = Buffer(name, tier, offset, prod(shape) * dtype.itemsize, constant)
        end = offset + buffer.size
        if memory.capacity is not None and end > memory.capacity:
            raise ExecutionError(
                f"{buffer} does not fit: `{tier}` has {memory.capacity} bytes"
            )
        memory.reserve(end)
        return View(buffer, offset, tuple(shape), row_major(shape), dtype)

    def peek(self, view: View) -> Array:
        """The values of a view, whoever may see them: for the host and for hooks."""
        data = np.array(view.over(self.tier(view.buffer.tier).data), order="C")
        if view.dtype == np.bool_:
            return data.reshape(view.shape) != 0
        return data.reshape(-1).view(view.dtype).reshape(view.shape)

    def poke(self, view: View, values: Array) -> None:
        """Change the values of a view without being seen to write."""
        data = np.ascontiguousarray(values, view.dtype).reshape(-1).view(np.uint8)
        target = view.over(self.tier(view.buffer.tier).data)
        target[...] = data.reshape(target.shape)

    def load(self, view: View, values: Array) -> None:
        """Put values there before the program starts."""
        self.poke(view, values)
        self._recorded(view, Record(view.buffer, None))

    def read(self, view: View, step: Step) -> Array:
        """The values of a view as an op reads them, all of them written and ordered before it."""
        records = view.over(self.tier(view.buffer.tier).record)
        for record in self._distinct(records):
            self._check_owner(record, view.buffer, step)
            self._check_written_before(record, view.buffer, step, "reads")
        self._mark_read(view, step)
        return self.peek(view)

    def read_old(self, view: View, step: Step) -> Array:
        """The old values of what an op is about to write; poison where they are not this buffer's."""
        values = self.peek(view)
        records = view.over(self.tier(view.buffer.tier).record)
        own = [n for n in self._numbers(records) if self._owned(n, view.buffer)]
        if len(own) == len(self._numbers(records)):
            return values
        foreign = ~np.isin(records, own)
        data = (
            np.ascontiguousarray(values)
            .reshape(-1)
            .view(np.uint8)
            .reshape(records.shape)
        )
        data[foreign] = POISON
        return (
            values
            if view.dtype == np.bool_
            else data.reshape(-1).view(view.dtype).reshape(view.shape)
        )

    def write(self, view: View, values: Array, step: Step) -> None:
        """What an op leaves in a view, ordered after all that touched its bytes before."""
        memory = self.tier(view.buffer.tier)
        for record in self._distinct(view.over(memory.record)):
            if record is not None and record.buffer.constant:
                raise ExecutionError(
                    f"{step} writes bytes of {view.buffer} that hold {record.buffer}, a weight"
                )
            self._check_written_before(record, view.buffer, step, "writes")
        for resource, numbers in memory.readers.items():
            self._check_read_before(resource, view.over(numbers), view.buffer, step)
        self.poke(view, values)
        self._recorded(view, Record(view.buffer, step))

    def _recorded(self, view: View, record: Record) -> None:
        memory = self.tier(view.buffer.tier)
        last = self.records[-1]
        if (
            last is None
            or last.buffer is not record.buffer
            or last.step is not record.step
        ):
            self.records.append(record)
        view.over(memory.record)[...] = len(self.records) - 1
        for numbers in memory.readers.values():
            view.over(numbers)[...] = 0

    def _numbers(self, records: NDArray[np.int32]) -> list[int]:
        if not records.size:
            return []
        low, high = int(records.min()), int(records.max())
        return [low] if low == high else cast("list[int]", np.unique(records).tolist())

    def _distinct(self, records: NDArray[np.int32]) -> list[Record | None]:
        return [self.records[n] for n in self._numbers(records)]

    def _owned(self, number: int, buffer: Buffer) -> bool:
        record = self.records[number]
        return record is not None and record.buffer is buffer

    def _check_owner(self, record: Record | None, buffer: Buffer, step: Step) -> None:
        if record is None:
            raise ExecutionError(
                f"{step} reads bytes of {buffer} that nothing has written"
            )
        if record.buffer is not buffer:
            raise ExecutionError(
                f"{step} reads bytes of {buffer} that hold what {said(record.step)} wrote"
                f" to {record.buffer}: two live buffers overlap"
            )

    def _check_written_before(
        self, record: Record | None, buffer: Buffer, step: Step, does: str
    ) -> None:
        if (
            record is not None
            and record.step is not None
            and not step.after(record.step)
        ):
            raise ExecutionError(
                f"{step} {does} bytes of {buffer} that {record.step} writes, and nothing orders"
                " the two: one must start `after` the other's event"
            )

    def _check_read_before(
        self, resource: int, numbers: NDArray[np.int32], buffer: Buffer, step: Step
    ) -> None:
        last = int(numbers.max(initial=0))
        if last > step.clock.get(resource, 0):
            reader = self.order.reader(resource, last)
            raise ExecutionError(
                f"{step} writes bytes of {buffer} that {reader} reads, and nothing orders"
                " the two: one must start `after` the other's event"
            )

    def _mark_read(self, view: View, step: Step) -> None:
        known = step.number and step.resource != HOST
        if known and not view.buffer.constant:
            numbers = self.tier(view.buffer.tier).readers_of(step.resource)
            view.over(numbers)[...] = step.number


def said(step: Step | None) -> str:
    """A step as errors name it."""
    return "the host" if step is None else str(step)
