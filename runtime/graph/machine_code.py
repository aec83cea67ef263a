"""Functions of steps as machine code, compiled once, and the one that calls them by a table."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from dfc.runtime.native.jit import Native, native

KEPT = 4096
"""Functions that stay compiled for graphs to come."""

STEP = "(!llvm.ptr, i64) -> ()"
"""The type of a step: a pointer to the state, and the number of rounds."""

DRIVER = """
func.func @run(%state: !llvm.ptr, %table: !llvm.ptr, %first: i64, %end: i64) {
  %none = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %words = arith.constant 4 : i64
  cf.br ^head(%first : i64)
^head(%row: i64):
  %more = arith.cmpi slt, %row, %end : i64
  cf.cond_br %more, ^read, ^exit
^read:
  %next = arith.addi %row, %one : i64
  %at = arith.muli %row, %words : i64
  %here = llvm.getelementptr %table[%at] : (!llvm.ptr, i64) -> !llvm.ptr, i64
  %address = llvm.load %here : !llvm.ptr -> i64
  %counts = llvm.getelementptr %here[1] : (!llvm.ptr) -> !llvm.ptr, i64
  %count = llvm.load %counts : !llvm.ptr -> i64
  %step = arith.cmpi ne, %address, %none : i64
  cf.cond_br %step, ^call, ^loop
^call:
  %function = llvm.inttoptr %address : i64 to !llvm.ptr
  llvm.call %function(%state, %count) : !llvm.ptr, (!llvm.ptr, i64) -> ()
  cf.br ^head(%next : i64)
^loop:
  %backs = llvm.getelementptr %here[2] : (!llvm.ptr) -> !llvm.ptr, i64
  %back = llvm.load %backs : !llvm.ptr -> i64
  %dones = llvm.getelementptr %here[3] : (!llvm.ptr) -> !llvm.ptr, i64
  %done = llvm.load %dones : !llvm.ptr -> i64
  %now = arith.addi %done, %one : i64
  %again = arith.cmpi slt, %now, %count : i64
  %kept = arith.select %again, %now, %none : i64
  llvm.store %kept, %dones : i64, !llvm.ptr
  %to = arith.select %again, %back, %next : i64
  cf.br ^head(%to : i64)
^exit:
  func.return
}
"""
"""
Follows rows of a table from the first up to the end: (address, count, row, counter).

A row with an address calls a step; one without closes a loop, going back to a row until it has
been there `count` times, and leaves its counter at 0.
"""


@dataclass(frozen=True)
class Function:
    """A compiled function, and the code that it is part of."""

    address: int
    code: Native


COMPILED: dict[str, Function] = {}
"""Functions by their text. Lengths of rows and depths above a few are not in it: graphs share them."""


def functions_of(texts: Sequence[str]) -> list[Function]:
    """The functions of these texts, each with one `@NAME`; those not yet known are compiled together."""
    new = [text for text in dict.fromkeys(texts) if text not in COMPILED]
    found = {text: COMPILED[text] for text in texts if text in COMPILED}
    if new:
        names = {f"f{number}": STEP for number in range(len(new))}
        named = (
            text.replace("@NAME", f"@{name}")
            for text, name in zip(new, names, strict=True)
        )
        code = native("\n".join(named), names)
        made = (Function(address, code) for address in code.addresses)
        found.update(zip(new, made, strict=True))
        if len(COMPILED) > KEPT:
            COMPILED.clear()  # who runs one of them still holds it
        COMPILED.update(found)
    return [found[text] for text in texts]


class Driver:
    """The compiled function that follows a table."""

    def __init__(self) -> None:
        words = ("!llvm.ptr", "!llvm.ptr", "i64", "i64")
        self.code = native(DRIVER, {"run": f"({', '.join(words)}) -> ()"})
        kind = ctypes.CFUNCTYPE(None, *(ctypes.c_int64 for _ in words))
        self.function = kind(self.code.addresses[0])

    def __call__(self, state: int, table: int, first: int, end: int) -> None:
        """Follow rows; `state` and `table` are addresses. Other threads run meanwhile."""
        self.function(state, table, first, end)


@cache
def driver() -> Driver:
    """The driver, compiled once."""
    return Driver()
