"""
Threads that share the parts of a kernel: one pool in a process, whose threads wait in compiled code.

A job is cut into chunks, which the caller and the threads take one by one, so a thread that is late or
that the system has set aside delays nobody but for the chunk it is at. Who finds nothing to do looks for
about 50 microseconds, then yields, and after some milliseconds sleeps until there is a job. A caller that finds the
pool at work for another runs its own job alone.
"""

import atexit
import ctypes
import os
import threading
from functools import cache

import numpy as np

from dfc.runtime.native.jit import Native, native

SPINS, YIELDS = 20_000, 2_000
"""Looks at the job, and calls of the system to let others run, before a thread sleeps."""

CHUNKS = 4
"""Chunks per thread."""

GROUP = 4
"""Parts that a chunk is a multiple of: blocks of rows that kernels work on at once."""

MOST = 256
"""Threads that a pool has at most."""

LAST = 2**31 - 1
"""The number of a job before they begin again."""

STATE = 32
"""Words of the state: the word of the job, the chunks done and the job's fields, each in a cache line of its own."""

CODE = """
func.func @take(%state: !llvm.ptr, %number: i64, %index: i64) {
  %closed = arith.constant 4294967295 : i64
  %bits = arith.constant 32 : i64
  %one = arith.constant 1 : i64
  %done = llvm.getelementptr %state[8] : (!llvm.ptr) -> !llvm.ptr, i64
  cf.br ^look
^look:
  %word = llvm.load %state atomic acquire {alignment = 8 : i64} : !llvm.ptr -> i64
  %job = arith.shrui %word, %bits : i64
  %same = arith.cmpi eq, %job, %number : i64
  cf.cond_br %same, ^fields, ^exit
^fields:
  %chunk = arith.andi %word, %closed : i64
  %p0 = llvm.getelementptr %state[16] : (!llvm.ptr) -> !llvm.ptr, i64
  %p1 = llvm.getelementptr %state[17] : (!llvm.ptr) -> !llvm.ptr, i64
  %p2 = llvm.getelementptr %state[18] : (!llvm.ptr) -> !llvm.ptr, i64
  %p3 = llvm.getelementptr %state[19] : (!llvm.ptr) -> !llvm.ptr, i64
  %p4 = llvm.getelementptr %state[20] : (!llvm.ptr) -> !llvm.ptr, i64
  %p5 = llvm.getelementptr %state[21] : (!llvm.ptr) -> !llvm.ptr, i64
  %address = llvm.load %p0 atomic monotonic {alignment = 8 : i64} : !llvm.ptr -> i64
  %arguments = llvm.load %p1 atomic monotonic {alignment = 8 : i64} : !llvm.ptr -> i64
  %parts = llvm.load %p2 atomic monotonic {alignment = 8 : i64} : !llvm.ptr -> i64
  %size = llvm.load %p3 atomic monotonic {alignment = 8 : i64} : !llvm.ptr -> i64
  %chunks = llvm.load %p4 atomic monotonic {alignment = 8 : i64} : !llvm.ptr -> i64
  %threads = llvm.load %p5 atomic monotonic {alignment = 8 : i64} : !llvm.ptr -> i64
  %left = arith.cmpi ult, %chunk, %chunks : i64
  %mine = arith.cmpi ult, %index, %threads : i64
  %work = arith.andi %left, %mine : i1
  cf.cond_br %work, ^try, ^exit
^try:
  %next = arith.addi %word, %one : i64
  %pair = llvm.cmpxchg %state, %word, %next seq_cst seq_cst {alignment = 8 : i64} : !llvm.ptr, i64
  %taken = llvm.extractvalue %pair[1] : !llvm.struct<(i64, i1)>
  cf.cond_br %taken, ^call, ^look
^call:
  %first = arith.muli %chunk, %size : i64
  %after = arith.addi %first, %size : i64
  %end = arith.minsi %after, %parts : i64
  %function = llvm.inttoptr %address : i64 to !llvm.ptr
  llvm.call %function(%arguments, %first, %end) : !llvm.ptr, (i64, i64, i64) -> ()
  %count = llvm.atomicrmw add %done, %one seq_cst {alignment = 8 : i64} : !llvm.ptr, i64
  cf.br ^look
^exit:
  func.return
}

func.func @lead(%state: !llvm.ptr, %number: i64, %yield: i64, %address: i64, %arguments: i64, %parts: i64, %size: i64, %chunks: i64, %threads: i64) {
  %none = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %bits = arith.constant 32 : i64
  %closed = arith.constant 4294967295 : i64
  %spins = arith.constant SPINS : i64
  %open = arith.shli %number, %bits : i64
  %shut = arith.ori %open, %closed : i64
  %done = llvm.getelementptr %state[8] : (!llvm.ptr) -> !llvm.ptr, i64
  %p0 = llvm.getelementptr %state[16] : (!llvm.ptr) -> !llvm.ptr, i64
  %p1 = llvm.getelementptr %state[17] : (!llvm.ptr) -> !llvm.ptr, i64
  %p2 = llvm.getelementptr %state[18] : (!llvm.ptr) -> !llvm.ptr, i64
  %p3 = llvm.getelementptr %state[19] : (!llvm.ptr) -> !llvm.ptr, i64
  %p4 = llvm.getelementptr %state[20] : (!llvm.ptr) -> !llvm.ptr, i64
  %p5 = llvm.getelementptr %state[21] : (!llvm.ptr) -> !llvm.ptr, i64
  %old = llvm.atomicrmw xchg %state, %shut seq_cst {alignment = 8 : i64} : !llvm.ptr, i64
  llvm.fence seq_cst
  llvm.store %address, %p0 atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %arguments, %p1 atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %parts, %p2 atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %size, %p3 atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %chunks, %p4 atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %threads, %p5 atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %none, %done atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %open, %state atomic release {alignment = 8 : i64} : i64, !llvm.ptr
  func.call @take(%state, %number, %none) : (!llvm.ptr, i64, i64) -> ()
  cf.br ^look(%none : i64)
^look(%times: i64):
  %count = llvm.load %done atomic acquire {alignment = 8 : i64} : !llvm.ptr -> i64
  %more = arith.cmpi ult, %count, %chunks : i64
  cf.cond_br %more, ^wait, ^exit
^wait:
  %again = arith.addi %times, %one : i64
  %spin = arith.cmpi ult, %times, %spins : i64
  cf.cond_br %spin, ^look(%again : i64), ^give
^give:
  %function = llvm.inttoptr %yield : i64 to !llvm.ptr
  %ignored = llvm.call %function() : !llvm.ptr, () -> i32
  cf.br ^look(%again : i64)
^exit:
  func.return
}

func.func @work(%state: !llvm.ptr, %seen: i64, %index: i64, %yield: i64) -> i64 {
  %none = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %bits = arith.constant 32 : i64
  %closed = arith.constant 4294967295 : i64
  %spins = arith.constant SPINS : i64
  %most = arith.constant LOOKS : i64
  cf.br ^look(%seen, %none : i64, i64)
^look(%last: i64, %times: i64):
  %word = llvm.load %state atomic acquire {alignment = 8 : i64} : !llvm.ptr -> i64
  %number = arith.shrui %word, %bits : i64
  %chunk = arith.andi %word, %closed : i64
  %new = arith.cmpi ne, %number, %last : i64
  %open = arith.cmpi ne, %chunk, %closed : i64
  %job = arith.andi %new, %open : i1
  cf.cond_br %job, ^take, ^wait
^take:
  func.call @take(%state, %number, %index) : (!llvm.ptr, i64, i64) -> ()
  cf.br ^look(%number, %none : i64, i64)
^wait:
  %again = arith.addi %times, %one : i64
  %spin = arith.cmpi ult, %times, %spins : i64
  cf.cond_br %spin, ^look(%last, %again : i64, i64), ^give
^give:
  %function = llvm.inttoptr %yield : i64 to !llvm.ptr
  %ignored = llvm.call %function() : !llvm.ptr, () -> i32
  %stay = arith.cmpi ult, %times, %most : i64
  cf.cond_br %stay, ^look(%last, %again : i64, i64), ^exit
^exit:
  func.return %last : i64
}
""".replace("SPINS", str(SPINS)).replace("LOOKS", str(SPINS + YIELDS))
"""
`take` does chunks of the job of a number; `lead` opens a job, does so and waits for the rest; `work` is a thread's life between sleeps.

The first word of the state is the number of the job in its upper half and the next chunk in the lower. A chunk
is taken by raising the word from the very value that was read before the fields of the job: whoever has read fields of
another job finds the word changed. While fields are written the lower half is full, which is no chunk.
"""

Word = ctypes.c_int64

CALL = ctypes.CFUNCTYPE(None, Word, Word, Word)
"""A kernel as a ctypes call."""


class Compiled:
    """The three functions as ctypes calls, which let other Python threads run."""

    def __init__(self) -> None:
        kinds = {
            "take": "(!llvm.ptr, i64, i64) -> ()",
            "lead": f"(!llvm.ptr{', i64' * 8}) -> ()",
            "work": "(!llvm.ptr, i64, i64, i64) -> i64",
        }
        self.code: Native = native(CODE, kinds)
        _, lead, work = self.code.addresses
        self.lead = ctypes.CFUNCTYPE(None, *[Word] * 9)(lead)
        self.work = ctypes.CFUNCTYPE(Word, Word, Word, Word, Word)(work)
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
        self.number, self.sleeping, self.stopped = 0, 0, False
        self.threads: list[threading.Thread] = []

    def run(self, function: int, arguments: int, parts: int, threads: int) -> None:
        """Run a job; the caller holds `busy`."""
        self.grow(threads - 1)
        each = -(-parts // (threads * CHUNKS))
        size = -(-each // GROUP) * GROUP
        chunks = -(-parts // size)
        self.number = self.number % LAST + 1
        if self.sleeping:
            with self.wake:
                self.wake.notify_all()
        job = (function, arguments, parts, size, chunks, threads)
        self.code.lead(self.base, self.number, self.code.yields, *job)

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
        seen = 0
        while not self.stopped:
            seen = self.code.work(self.base, seen, index, self.code.yields)
            with self.wake:
                self.sleeping += 1
                while self.number == seen and not self.stopped:
                    self.wake.wait()
                self.sleeping -= 1

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
    if threads > 1 and parts > GROUP:
        pool = OWNER.get()
        if not pool.stopped and pool.busy.acquire(blocking=False):
            try:
                pool.run(function, arguments, parts, threads)
            finally:
                pool.busy.release()
            return
    CALL(function)(arguments, 0, parts)
