"""Machine code of a region at *tiled*: looked for among the objects of earlier processes, else made."""

import gc
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

import dfc.dialects
import dfc.passes
import dfc.runtime
from dfc.diagnostics import place
from dfc.driver import apply, new_context, parse_passes, run_passes
from dfc.errors import DfcError
from dfc.host.plan import Plan, from_json, plan_of
from dfc.levels import for_processor
from dfc.passes.analysis.functions import WEIGHTS, functions, is_private
from dfc.passes.outline_kernels import OutlineKernelsPass
from dfc.runtime.native.cache import ObjectCache, key_of
from dfc.runtime.native.jit import build
from dfc.runtime.native.kernel import Kernels, from_bytes, load_kernels, to_bytes
from dfc.runtime.plain_text import plain_text


def code_of(
    module: ModuleOp, passes: Sequence[str], isa: str, cache: ObjectCache
) -> tuple[Plan, Kernels]:
    """
    The plan and the kernels of a module at *tiled*: `passes` outline its kernels, then make code of them.

    No pass runs when an earlier process has left the code in the cache. `DfcError` for what has no native form.
    """
    key = key_of(plain_text([module]), *passes, isa, sources(), *build())
    kept = cache.get(key)
    found = None if kept is None else from_bytes(kept)
    if found is not None:
        return from_json(found[1]), found[0]
    with uncollected():
        plan, kernels = compiled(module, passes, isa)
    cache.put(key, to_bytes(kernels, plan.to_json()))
    return plan, kernels


@contextmanager
def uncollected() -> Generator[None]:
    """Let no cycles be looked for: half of the time of passes that make many ops would go there."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@cache
def sources() -> str:
    """A key of what makes code of IR: another version of dfc makes other code."""
    folders = [Path(p.__path__[0]) for p in (dfc.dialects, dfc.passes, dfc.runtime)]
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    return key_of(*(file.read_text() for file in files))


def compiled(module: ModuleOp, passes: Sequence[str], isa: str) -> tuple[Plan, Kernels]:
    """Outline the kernels, which changes nothing of the module itself, and make code of each."""
    outlined, context = module.clone(), new_context()
    _, *convert = parse_passes(",".join(passes))
    run_passes([OutlineKernelsPass()], outlined, context)
    every = functions(outlined)
    plan = plan_of(next(f for f in every if is_entry(f)), every)
    called = {step.kernel for step in plan.steps}
    kernels = [f for f in every if f.sym_name.data in called]
    native = ModuleOp([function.clone() for function in kernels])
    for one in convert:  # what they make is verified when MLIR reads it
        apply(for_processor(one, isa), native, context)
    for function in functions(native):
        refuse_unless_code(function)
    return plan, load_kernels(native)


def is_entry(function: FuncOp) -> bool:
    """Whether a function is the region's own."""
    return not is_private(function) and function.sym_name.data != WEIGHTS


def refuse_unless_code(function: FuncOp) -> None:
    """`DfcError` for a kernel that no pass made code of."""
    if "dfc.isa" not in function.attributes:
        first = next(iter(function.body.block.ops))
        raise DfcError(f"no native form for the kernel that begins with {place(first)}")
