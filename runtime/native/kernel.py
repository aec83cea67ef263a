"""Kernels of the host: functions that dfc's passes made, compiled and ready to call."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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
"""Kernels by the names that they are called by; a kernel's own is that of its function."""


class Held(NamedTuple):
    """An object in a file: its bytes; by the name of each kernel its function's and its parts."""

    size: int
    names: Mapping[str, Sequence[Any]]


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
    """Compiled kernels and a note as `from_bytes` reads them; empty where the code cannot be had."""
    codes = {id(each.code): each.code for each in made.values()}
    objects = {number: object_of(code.holder) for number, code in codes.items()}
    if not all(objects.values()):
        return b""
    held = [
        Held(
            len(data),
            {n: [k.name, k.parts] for n, k in made.items() if id(k.code) == at},
        )
        for at, data in objects.items()
    ]
    line = json.dumps({"held": held, "note": note}).encode() + b"\n"
    return line + b"".join(objects.values())


def from_bytes(data: bytes) -> tuple[Kernels, str] | None:
    """Kernels from an earlier process, and the note beside them; None where this process cannot load them."""
    line, _, rest = data.partition(b"\n")
    try:
        head = json.loads(line)
        held, note = [Held(*each) for each in head["held"]], head["note"]
    except (ValueError, KeyError, TypeError):
        return None
    found: dict[str, Kernel] = {}
    for size, names in held:
        parts = {symbol: count for symbol, count in names.values()}
        code = kept(rest[:size], parts)
        if code is None:
            return None
        loaded = kernels(parts, code)
        found |= {name: loaded[symbol] for name, (symbol, _) in names.items()}
        rest = rest[size:]
    return found, note
