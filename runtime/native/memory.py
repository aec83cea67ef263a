"""Memory for packed weights: huge pages where the system gives them."""

import mmap
import threading

import numpy as np
from numpy.typing import NDArray

HUGE = 2 << 20
"""Bytes of a huge page."""

CHUNK = 32 << 20
"""Bytes that are asked of the system at once: a huge page is shared by small weights."""

LINE = 64
"""Bytes of a cache line, which a value begins at; as many are free behind it."""

Bytes = NDArray[np.uint8]


def huge_bytes(size: int) -> Bytes:
    """
    Zeros that begin at a huge page, private to this process until a fork writes to them.

    The system is asked for huge pages; where it refuses, these are ordinary ones. The memory goes when the
    last view of it does.
    """
    whole = -(-max(size, 1) // HUGE) * HUGE + HUGE
    memory = mmap.mmap(-1, whole, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        memory.madvise(mmap.MADV_HUGEPAGE)
    except (OSError, AttributeError):
        pass  # ordinary pages are slower, not wrong
    every = np.frombuffer(memory, np.uint8)
    start = -every.ctypes.data % HUGE
    return every[start : start + size]


class Arena:
    """Memory in huge pages, given out in pieces; a chunk goes when the last piece of it does."""

    def __init__(self, chunk: int = CHUNK) -> None:
        self.chunk = chunk
        self.lock = threading.Lock()
        self.free: Bytes = np.empty(0, np.uint8)

    def copy(self, value: NDArray[np.generic]) -> Bytes:
        """The bytes of an array in the arena."""
        data = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        place = self.take(data.size)
        place[:] = data
        return place

    def take(self, size: int) -> Bytes:
        """So many bytes."""
        room = -(-size // LINE) * LINE + LINE
        if room > self.chunk // 2:
            return huge_bytes(room)[:size]
        with self.lock:
            if room > self.free.size:
                self.free = huge_bytes(self.chunk)
            place, self.free = self.free[:size], self.free[room:]
            return place


ARENA = Arena()
