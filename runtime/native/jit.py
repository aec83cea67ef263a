# pyright: strict, reportMissingTypeStubs=false, reportAttributeAccessIssue=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingImports=false
"""Machine code from MLIR: one module in, the addresses of its functions out."""

import ctypes
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dfc.runtime.mlir import mlir_context, parse_mlir
from dfc.runtime.native.cache import ObjectCache, key_of
from dfc.runtime.native.cpu import flags
from dfc.runtime.native.objects import UnknownObject, load_object

TO_LLVM = (
    "arith-expand{include-bf16=true},convert-vector-to-llvm,convert-scf-to-cf,"
    "convert-cf-to-llvm,convert-arith-to-llvm,convert-math-to-llvm,convert-func-to-llvm,"
    "reconcile-unrealized-casts"
)
"""bf16 is converted in integers: the conversions that LLVM would call are not in every process."""

LEVEL = 0
"""Of LLVM's passes over the IR: none. What its code generator makes of plain loops runs as fast, in a fifth of the time."""

ADDRESSES = "dfc_addresses"
"""The function that writes where the others are."""


@dataclass(frozen=True)
class Native:
    """Functions of one module as machine code, which lives as long as this does."""

    addresses: Sequence[int]
    holder: object = field(repr=False)


def native(
    text: str, functions: Mapping[str, str], cache: ObjectCache | None = None
) -> Native:
    """
    Compile functions (`func`, `scf`, `cf`, `arith`, `math`, `vector`, `llvm`) and find these of them.

    `functions` has their types by name, `(!llvm.ptr, i64) -> ()`; their addresses come in its
    order. With a cache the code is looked for there first.
    """
    if cache is None:
        return compiled(text, functions)
    key = key_of(text, *table_of(functions), *build())
    found = kept(cache.get(key), functions)
    if found is None:
        found = compiled(text, functions)
        cache.put(key, object_of(found.holder))
    return found


def build() -> list[str]:
    """What the code depends on beside the IR: the compiler, what it is asked for, and the processor."""
    asked = [version("torch-mlir"), TO_LLVM, str(LEVEL)]
    return [*asked, platform.machine(), *sorted(flags())]


def kept(data: bytes | None, functions: Mapping[str, str]) -> Native | None:
    """Code from the cache, None where there is none that this process can load."""
    if data is None:
        return None
    try:
        loaded = load_object(data)
        return Native([loaded.symbols[name] for name in functions], loaded)
    except (UnknownObject, KeyError, OSError):
        return None


def object_of(engine: Any) -> bytes:
    """The object file of an engine's code; empty where no file can be written to get it."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "code.o"
            engine.dump_to_object_file(str(path))
            return path.read_bytes()
    except OSError:
        return b""


def compiled(text: str, functions: Mapping[str, str]) -> Native:
    """Compile now."""
    return generated(to_llvm(text, functions), len(functions))


def to_llvm(text: str, functions: Mapping[str, str]) -> Any:
    """The functions, and one that tells where they are, in LLVM's dialect."""
    from torch_mlir.passmanager import PassManager

    module = parse_mlir("\n".join([text, *table_of(functions)]))
    manager = PassManager.parse(f"builtin.module({TO_LLVM})", mlir_context())
    manager.run(module.operation)
    return module


def generated(module: Any, count: int) -> Native:
    """Machine code by LLVM."""
    from torch_mlir.execution_engine import ExecutionEngine

    engine = ExecutionEngine(module, opt_level=LEVEL)
    return Native(addresses_in(engine, count), engine)


def table_of(functions: Mapping[str, str]) -> list[str]:
    """The function that writes the addresses of others."""
    lines = [f"func.func @{ADDRESSES}(%out: !llvm.ptr) {{"]
    for at, (name, kind) in enumerate(functions.items()):
        lines += [
            f"%f{at} = func.constant @{name} : {kind}",
            f"%p{at} = builtin.unrealized_conversion_cast %f{at} : {kind} to !llvm.ptr",
            f"%o{at} = llvm.getelementptr %out[{at}] : (!llvm.ptr) -> !llvm.ptr, i64",
            f"llvm.store %p{at}, %o{at} : !llvm.ptr, !llvm.ptr",
        ]
    return [*lines, "func.return }"]


def addresses_in(engine: Any, count: int) -> list[int]:
    """What the function writes; the wrapper that the engine gives takes the addresses of arguments."""
    addresses = (ctypes.c_int64 * count)()
    place = ctypes.c_void_p(ctypes.addressof(addresses))
    arguments = (ctypes.c_void_p * 1)(ctypes.addressof(place))
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(engine.raw_lookup(ADDRESSES))(arguments)
    return list(addresses)
