# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingImports=false
"""Machine code from MLIR: one module in, the addresses of its functions out."""

import ctypes
from collections.abc import Mapping
from typing import Any

from dfc.runtime.mlir import mlir_context, parse_mlir

TO_LLVM = (
    "arith-expand{include-bf16=true},convert-vector-to-llvm,convert-scf-to-cf,"
    "convert-cf-to-llvm,convert-arith-to-llvm,convert-math-to-llvm,convert-func-to-llvm,"
    "reconcile-unrealized-casts"
)
"""bf16 is converted in integers: the conversions that LLVM would call are not in every process."""

ADDRESSES = "dfc_addresses"
"""The function that writes where the others are."""


class Native:
    """Functions of one module as machine code, which lives as long as this does."""

    def __init__(self, engine: Any, count: int) -> None:
        self.engine = engine
        self.addresses = (ctypes.c_int64 * count)()
        places = ctypes.pointer(ctypes.c_void_p(ctypes.addressof(self.addresses)))
        arguments = (ctypes.c_void_p * 1)(ctypes.addressof(places.contents))
        # the wrapper that the engine gives takes the addresses of the arguments
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(engine.raw_lookup(ADDRESSES))(arguments)


def native(text: str, functions: Mapping[str, str], opt_level: int = 0) -> Native:
    """
    Compile a module (`func`, `scf`, `cf`, `arith`, `math`, `vector`, `llvm`) and find these of its functions.

    `functions` has their types by name, `(!llvm.ptr, i64) -> ()`; their addresses come in its
    order. LLVM's passes over the IR are left out: what its code generator makes of plain loops
    runs as fast, and compiles in a fifth of the time.
    """
    from torch_mlir.execution_engine import ExecutionEngine
    from torch_mlir.passmanager import PassManager

    lines = [f"func.func @{ADDRESSES}(%out: !llvm.ptr) {{"]
    for at, (name, kind) in enumerate(functions.items()):
        lines += [
            f"%f{at} = func.constant @{name} : {kind}",
            f"%p{at} = builtin.unrealized_conversion_cast %f{at} : {kind} to !llvm.ptr",
            f"%o{at} = llvm.getelementptr %out[{at}] : (!llvm.ptr) -> !llvm.ptr, i64",
            f"llvm.store %p{at}, %o{at} : !llvm.ptr, !llvm.ptr",
        ]
    module = parse_mlir("\n".join([text, *lines, "func.return }"]))
    manager = PassManager.parse(f"builtin.module({TO_LLVM})", mlir_context())
    manager.run(module.operation)
    return Native(ExecutionEngine(module, opt_level=opt_level), len(functions))
