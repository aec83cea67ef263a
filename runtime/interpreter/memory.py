"""Modelled memories: the real bytes of a tier, who wrote and read each, and views of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.order import Step

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
