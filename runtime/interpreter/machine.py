"""Every access to the modelled memories, checked for order, ownership and capacity."""

from collections.abc import Sequence
from math import prod
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import Array
from dfc.runtime.interpreter.memory import POISON, Buffer, Record, Tier, View, row_major
from dfc.runtime.interpreter.order import HOST, Order, Step


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
