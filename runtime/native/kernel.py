"""Kernels of the host: functions that `convert-ternary-to-vector` made, compiled and ready to call."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp

from dfc.runtime.mlir_text import to_text
from dfc.runtime.native.cache import ObjectCache
from dfc.runtime.native.cpu import choose_isa
from dfc.runtime.native.jit import Native, native
from dfc.runtime.native.threads import run

KIND = "(!llvm.ptr, i64, i64) -> ()"
"""The type of a kernel: the table of arguments, the first part, the end."""


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


def load_kernels(
    module: ModuleOp, cache: ObjectCache | None = None
) -> dict[str, Kernel]:
    """Compile the kernels of a module; `ExecutionError` if one needs what this processor lacks."""
    found: dict[str, FuncOp] = {}
    for op in module.ops:
        if isinstance(op, FuncOp) and "dfc.isa" in op.attributes:
            isa = op.attributes["dfc.isa"]
            assert isinstance(isa, StringAttr)
            choose_isa(isa.data)
            found[op.sym_name.data] = op
    text = "\n".join(to_text(op) for op in found.values())
    code = native(text, dict.fromkeys(found, KIND), cache)
    return {
        name: Kernel(name, address, parts_of(op), code)
        for (name, op), address in zip(found.items(), code.addresses, strict=True)
    }


def parts_of(function: FuncOp) -> int:
    """What the pass wrote of a kernel's work."""
    parts = function.attributes["dfc.parts"]
    assert isinstance(parts, IntegerAttr)
    return parts.value.data
