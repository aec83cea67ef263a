"""Kernels of the host: functions that dfc's passes made, compiled and ready to call."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp

from dfc.runtime.native.cache import ObjectCache
from dfc.runtime.native.cpu import choose_isa
from dfc.runtime.native.jit import Native, kept, native, object_of
from dfc.runtime.native.threads import run
from dfc.runtime.plain_text import plain_text

KIND = "(!llvm.ptr, i64, i64) -> ()"
"""The type of a kernel: the table of arguments, the first part, the end."""


ISA, PARTS = "dfc.isa", "dfc.parts"
"""Of code the instruction set that it needs; of a kernel what its work is counted in."""


@dataclass(frozen=True)
class Kernel:
    """A compiled kernel; `parts` is what its work is counted in, 0 for tokens."""

    name: str
    address: int
    parts: int
    code: Native

    def __call__(self, addresses: Sequence[int], tokens: int, threads: int = 1) -> None:
        """
        Run on memory: the addresses of the arguments and results, in order.

        The memory must hold what the kernel reads and writes until this returns. Other Python threads run
        meanwhile.
        """
        table = np.array([*addresses, tokens], np.int64)
        run(self.address, table.ctypes.data, self.parts or tokens, threads)


Kernels = Mapping[str, Kernel]


def load_kernels(module: ModuleOp, cache: ObjectCache | None = None) -> Kernels:
    """Compile the kernels of a module; `ExecutionError` if one needs what this processor lacks."""
    code = [op for op in module.ops if isinstance(op, FuncOp) and ISA in op.attributes]
    for op in code:
        isa = op.attributes[ISA]
        assert isinstance(isa, StringAttr)
        choose_isa(isa.data)
    parts = {op.sym_name.data: parts_of(op) for op in code if PARTS in op.attributes}
    made = native(plain_text(code), dict.fromkeys(parts, KIND), cache)
    return kernels(parts, made)


def kernels(parts: Mapping[str, int], code: Native) -> Kernels:
    """Kernels by name, of code with their addresses in this order."""
    return {
        name: Kernel(name, address, count, code)
        for (name, count), address in zip(parts.items(), code.addresses, strict=True)
    }


def parts_of(function: FuncOp) -> int:
    """What the pass wrote of a kernel's work."""
    parts = function.attributes[PARTS]
    assert isinstance(parts, IntegerAttr)
    return parts.value.data


def to_bytes(made: Kernels, note: str = "") -> bytes:
    """Compiled kernels of one module and a note as `from_bytes` reads them; empty where the code cannot be had."""
    code = next((object_of(each.code.holder) for each in made.values()), b"")
    head = {"parts": {name: each.parts for name, each in made.items()}, "note": note}
    line = json.dumps(head).encode() + b"\n"
    return line + code if code else b""


def from_bytes(data: bytes) -> tuple[Kernels, str] | None:
    """Kernels from an earlier process, and the note beside them; None where this process cannot load them."""
    line, _, code = data.partition(b"\n")
    try:
        head = json.loads(line)
        parts, note = head["parts"], head["note"]
    except (ValueError, KeyError):
        return None
    found = kept(code, parts)
    return None if found is None else (kernels(parts, found), note)
