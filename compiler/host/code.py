"""Machine code of a region at *tiled*: looked for among the objects of earlier processes, else made."""

import gc
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.passes import ModulePass

import dfc.dialects
import dfc.passes
import dfc.runtime
from dfc.diagnostics import place
from dfc.driver import apply, new_context, parse_passes
from dfc.errors import DfcError
from dfc.host.plan import Plan, from_json, plan_of
from dfc.levels import for_processor
from dfc.passes.analysis.functions import WEIGHTS, functions, is_private
from dfc.passes.outline_kernels import OutlineKernelsPass
from dfc.runtime.native.cache import ObjectCache, key_of
from dfc.runtime.native.jit import build
from dfc.runtime.native.kernel import (
    Kernel,
    Kernels,
    from_bytes,
    load_kernels,
    to_bytes,
)
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


MADE: dict[str, Kernel] = {}
"""The kernels that this process has compiled, by their IR: regions of one model have many in common."""


def compiled(module: ModuleOp, passes: Sequence[str], isa: str) -> tuple[Plan, Kernels]:
    """Outline the kernels, which changes nothing of the module itself, and make code of those that are new."""
    outlined, context = module.clone(), new_context()
    _, *convert = parse_passes(",".join(passes))
    apply(OutlineKernelsPass(), outlined, context)
    every = functions(outlined)
    plan = plan_of(next(f for f in every if is_entry(f)), every)
    called = {step.kernel for step in plan.steps}
    found = {f: key_of(nameless(f), *passes, isa) for f in every if name(f) in called}
    new = {key: function for function, key in found.items() if key not in MADE}
    if new:
        made = native([f.clone() for f in new.values()], convert, context, isa)
        MADE.update({key: made[name(function)] for key, function in new.items()})
    return plan, {name(function): MADE[key] for function, key in found.items()}


def native(
    kernels: Sequence[FuncOp], passes: Sequence[ModulePass], context: Context, isa: str
) -> Kernels:
    """Kernels of functions, which go into one module."""
    module = ModuleOp(list(kernels))
    for one in passes:  # what they make is verified when MLIR reads it
        apply(for_processor(one, isa), module, context)
    for function in functions(module):
        refuse_unless_code(function)
    return load_kernels(module)


def name(function: FuncOp) -> str:
    """The name of a function."""
    return function.sym_name.data


def nameless(function: FuncOp) -> str:
    """The text of a function without its name."""
    return plain_text([function]).replace(f'"{name(function)}"', "", 1)


def is_entry(function: FuncOp) -> bool:
    """Whether a function is the region's own."""
    return not is_private(function) and function.sym_name.data != WEIGHTS


def refuse_unless_code(function: FuncOp) -> None:
    """`DfcError` for a kernel that no pass made code of."""
    if "dfc.isa" not in function.attributes:
        first = next(iter(function.body.block.ops))
        raise DfcError(f"no native form for the kernel that begins with {place(first)}")
