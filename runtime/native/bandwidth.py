"""How fast this machine's memory is read, by a kernel from the same compiler as the products."""

import time
from dataclasses import dataclass
from functools import cache
from statistics import median

import numpy as np
from numpy.typing import NDArray

from dfc.runtime.native.jit import native
from dfc.runtime.native.kernel import KIND, Kernel
from dfc.runtime.native.memory import huge_bytes

PAGE = 4096
"""Bytes of a part."""

PAUSE = 0.02
"""Seconds after which threads of OpenMP sleep, which look for more work for some milliseconds."""

CODE = """
func.func @read(%arguments: !llvm.ptr, %first: i64, %end: i64) {
  %start = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %page = arith.constant 4096 : i64
  %step = arith.constant 256 : i64
  %none = arith.constant dense<0> : vector<8xi64>
  %from = llvm.load %arguments : !llvm.ptr -> !llvm.ptr
  %second = llvm.getelementptr %arguments[1] : (!llvm.ptr) -> !llvm.ptr, i64
  %to = llvm.load %second : !llvm.ptr -> !llvm.ptr
  %all:4 = scf.for %part = %first to %end step %one
      iter_args(%a = %none, %b = %none, %c = %none, %d = %none) -> (vector<8xi64>, vector<8xi64>, vector<8xi64>, vector<8xi64>) : i64 {
    %offset = arith.muli %part, %page : i64
    %here = llvm.getelementptr %from[%offset] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    %sums:4 = scf.for %at = %start to %page step %step
        iter_args(%e = %a, %f = %b, %g = %c, %h = %d) -> (vector<8xi64>, vector<8xi64>, vector<8xi64>, vector<8xi64>) : i64 {
      %p0 = llvm.getelementptr %here[%at] : (!llvm.ptr, i64) -> !llvm.ptr, i8
      %p1 = llvm.getelementptr %p0[64] : (!llvm.ptr) -> !llvm.ptr, i8
      %p2 = llvm.getelementptr %p0[128] : (!llvm.ptr) -> !llvm.ptr, i8
      %p3 = llvm.getelementptr %p0[192] : (!llvm.ptr) -> !llvm.ptr, i8
      %v0 = llvm.load %p0 : !llvm.ptr -> vector<8xi64>
      %v1 = llvm.load %p1 : !llvm.ptr -> vector<8xi64>
      %v2 = llvm.load %p2 : !llvm.ptr -> vector<8xi64>
      %v3 = llvm.load %p3 : !llvm.ptr -> vector<8xi64>
      %x0 = arith.xori %e, %v0 : vector<8xi64>
      %x1 = arith.xori %f, %v1 : vector<8xi64>
      %x2 = arith.xori %g, %v2 : vector<8xi64>
      %x3 = arith.xori %h, %v3 : vector<8xi64>
      scf.yield %x0, %x1, %x2, %x3 : vector<8xi64>, vector<8xi64>, vector<8xi64>, vector<8xi64>
    }
    scf.yield %sums#0, %sums#1, %sums#2, %sums#3 : vector<8xi64>, vector<8xi64>, vector<8xi64>, vector<8xi64>
  }
  %ab = arith.xori %all#0, %all#1 : vector<8xi64>
  %cd = arith.xori %all#2, %all#3 : vector<8xi64>
  %abcd = arith.xori %ab, %cd : vector<8xi64>
  %word = vector.reduction <xor>, %abcd : vector<8xi64> into i64
  %old = llvm.atomicrmw _xor %to, %word seq_cst {alignment = 8 : i64} : !llvm.ptr, i64
  func.return
}
"""
"""Every word of some pages, the exclusive or of all added to a result, so that no load is left out."""


@dataclass(frozen=True)
class Bandwidth:
    """Bytes per second of several reads."""

    reads: tuple[float, ...]

    @property
    def best(self) -> float:
        """The fastest read: what the memory can do."""
        return max(self.reads)

    @property
    def spread(self) -> float:
        """How far the median read stays behind the fastest, as a share of that."""
        return 1 - median(self.reads) / self.best


class Reader:
    """A buffer in huge pages to be read, larger than any cache."""

    def __init__(self, size: int = 1 << 30) -> None:
        self.memory = huge_bytes(-(-size // PAGE) * PAGE)
        self.memory.fill(1)
        self.result = np.zeros(1, np.int64)

    def read(self, threads: int = 1) -> float:
        """Bytes per second of one read of all, on cores that are free."""
        pause()
        start = time.perf_counter()
        exclusive_or(self.memory, self.result, threads)
        return self.memory.size / (time.perf_counter() - start)


def pause() -> None:
    """Leave the cores of what ran before to what is measured next."""
    time.sleep(PAUSE)


@cache
def reading() -> Kernel:
    """The kernel, compiled once."""
    code = native(CODE, {"read": KIND})
    return Kernel("read", code.addresses[0], 0, code)


def exclusive_or(
    memory: NDArray[np.uint8], result: NDArray[np.int64], threads: int = 1
) -> None:
    """The exclusive or of the 64-bit words of whole pages, into `result`."""
    assert not memory.ctypes.data % 64
    assert not memory.size % PAGE
    places = [memory.ctypes.data, result.ctypes.data]
    reading()(places, memory.size // PAGE, threads)


def measure(size: int = 1 << 30, reads: int = 10, threads: int = 1) -> Bandwidth:
    """Read a buffer of this many bytes several times."""
    reader = Reader(size)
    return Bandwidth(tuple(reader.read(threads) for _ in range(reads)))
