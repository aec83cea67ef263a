"""
Threads that share the parts of kernels: one pool in a process, whose threads wait in compiled code.

A job is cut into chunks, which the caller and the threads take one by one, so a thread that is late or
that the system has set aside delays nobody but for the chunk it is at. Who finds nothing to do looks for
about 50 microseconds, then yields, and after some milliseconds sleeps until there is a job. A caller that finds the
pool at work for another runs its own jobs alone. Kernels that follow one another are one call of compiled code.
"""

import atexit
import ctypes
import os
import threading
from array import array
from collections.abc import Iterable
from functools import cache

import numpy as np

from dfc.runtime.native.cache import ObjectCache
from dfc.runtime.native.jit import Native, native
from dfc.runtime.native.pool_code import CODE, SLEEPING, STATE

CHUNKS = 4
"""Chunks per thread."""

GROUP = 4
"""Parts that a chunk is a multiple of: blocks of rows that kernels work on at once."""

MOST = 256
"""Threads that a pool has at most."""

Word = ctypes.c_int64

WORDS = 6
"""Words of a call."""


class Calls:
    """
    Calls of kernels, one after the other, as the pool's code reads them.

    Each is a function, where its arguments begin behind an address that is given when they are run, its parts, and on how
    many threads it runs at most. What runs is not changed: several Python threads may run the same.
    """

    __slots__ = ("count", "place", "threads", "words")

    def __init__(self, calls: Iterable[tuple[int, int, int, int]]) -> None:
        self.words = array("q")
        self.threads = 1
        for function, offset, parts, threads in calls:
            if parts <= GROUP:
                threads = 1
            each = -(-parts // (threads * CHUNKS))
            size = -(-each // GROUP) * GROUP
            chunks = -(-parts // size)
            self.words.extend((function, offset, parts, size, chunks, threads))
            self.threads = max(self.threads, threads)
        self.place, size = self.words.buffer_info()
        self.count = size // WORDS

    def run(self, base: int) -> None:
        """Run them with the arguments behind an address, on this thread and others of the pool."""
        if self.threads > 1:
            pool = OWNER.get()
            if not pool.stopped and pool.busy.acquire(blocking=False):
                try:
                    pool.run(self, base)
                finally:
                    pool.busy.release()
                return
        compiled().sequence(0, 0, self.place, base, 0, self.count, 0, 0)


class Compiled:
    """The pool's functions as ctypes calls, which let other Python threads run."""

    def __init__(self) -> None:
        kinds = {
            "sequence": f"(!llvm.ptr, i64, !llvm.ptr{', i64' * 5}) -> i64",
            "work": f"(!llvm.ptr{', i64' * 4}) -> i64",
        }
        self.code: Native = native(CODE, kinds, ObjectCache())
        sequence, work = self.code.addresses
        self.sequence = ctypes.CFUNCTYPE(Word, *[Word] * 8)(sequence)
        self.work = ctypes.CFUNCTYPE(Word, *[Word] * 5)(work)
        yields = ctypes.CDLL(None).sched_yield
        self.yields = ctypes.cast(yields, ctypes.c_void_p).value or 0


@cache
def compiled() -> Compiled:
    """The pool's code, compiled once; it outlives a fork."""
    return Compiled()


class Pool:
    """Threads beside the caller's, started when first asked for."""

    def __init__(self) -> None:
        self.busy = threading.Lock()
        self.wake = threading.Condition()
        self.code = compiled()
        self.state = np.zeros(STATE, np.int64)
        self.base = self.state.ctypes.data
        self.stopped = False
        self.threads: list[threading.Thread] = []

    @property
    def number(self) -> int:
        """The number of the last job."""
        return int(self.state[0]) >> 32

    @property
    def sleeping(self) -> int:
        """How many threads sleep."""
        return int(self.state[SLEEPING])

    def run(self, calls: Calls, base: int) -> None:
        """Run calls; the caller holds `busy`."""
        self.grow(calls.threads - 1)
        sequence, yields = self.code.sequence, self.code.yields
        place, count = calls.place, calls.count
        done = sequence(self.base, yields, place, base, 0, count, 1, 0)
        while done < count:
            with self.wake:
                self.wake.notify_all()
            done = sequence(self.base, yields, place, base, done, count, 1, 1)

    def grow(self, count: int) -> None:
        """Start threads up to a number; with fewer, where the system gives no more, the others do their parts."""
        while len(self.threads) < min(count, MOST):
            index = len(self.threads) + 1
            thread = threading.Thread(
                target=self.work, args=(index,), name=f"dfc-{index}", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                return
            self.threads.append(thread)

    def work(self, index: int) -> None:
        """A thread's life."""
        seen, slept = 0, 0
        while not self.stopped:
            seen = self.code.work(self.base, seen, index, self.code.yields, slept)
            slept = 1
            with self.wake:
                while self.number == seen and not self.stopped:
                    self.wake.wait()

    def close(self) -> None:
        """
        End the threads: code that they are in must not go before they do.

        Whoever calls a kernel from now on runs it alone; else a Python thread that calls one after the
        other as the process ends would keep them here.
        """
        with self.wake:
            self.stopped = True
            self.wake.notify_all()
        for thread in self.threads:
            thread.join()


class Owner:
    """The pool of this process; a child of a fork begins with none."""

    pool: Pool | None = None
    lock = threading.Lock()

    def get(self) -> Pool:
        """The pool, made on first use."""
        with self.lock:
            if self.pool is None:
                self.pool = Pool()
                atexit.register(self.pool.close)
            return self.pool

    def forget(self) -> None:
        """In a child the pool's threads are not there, and its locks are as they were."""
        if self.pool is not None:
            atexit.unregister(self.pool.close)
        self.pool, self.lock = None, threading.Lock()


OWNER = Owner()
os.register_at_fork(after_in_child=OWNER.forget)


def run(function: int, arguments: int, parts: int, threads: int) -> None:
    """Run a kernel on all its parts, on this thread and up to `threads - 1` more."""
    Calls([(function, 0, parts, threads)]).run(arguments)
