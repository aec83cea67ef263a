"""Memory for packed weights: huge pages where the system gives them."""

import mmap

import numpy as np
from numpy.typing import NDArray

HUGE = 2 << 20
"""Bytes of a huge page."""


def huge_bytes(size: int) -> NDArray[np.uint8]:
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
