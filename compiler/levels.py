"""The levels of the IR: which one a module is at, and the passes from one to another."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.passes import ModulePass, get_pass_option_infos

from dfc.dialects.accel import KernelOp, LaunchOp
from dfc.dialects.stream import GraphOp
from dfc.dialects.tier import AllocOp
from dfc.driver import parse_passes
from dfc.errors import InputError, suggest
from dfc.passes.attach_target import AttachTargetPass
from dfc.pipelines import BRANCHES, LEVELS, NATIVE, PIPELINES, Pipeline
from dfc.runtime.machine import Target, target_of
from dfc.runtime.native.cpu import choose_isa


def attach_target(
    module: ModuleOp, target: str, overrides: Mapping[str, object]
) -> None:
    """Name the target in the module, in place of one that is there."""
    pairs = tuple(f"{key}={value}" for key, value in overrides.items())
    AttachTargetPass(target, pairs).apply(Context(), module)


def level_of(module: ModuleOp) -> str:
    """The level of a module, by the ops that stand in it."""
    found = {type(op) for op in module.walk()}
    if LaunchOp in found or has_kernel_functions(module):
        return "program"
    if AllocOp in found:
        return "placed"
    if GraphOp in found:
        return "tiled"
    return "fused" if KernelOp in found else "tensor"


def has_kernel_functions(module: ModuleOp) -> bool:
    """Whether kernels are functions already, even if none of them launches anything."""
    return any(
        isinstance(op, FuncOp) and "accel.kernel" in op.attributes for op in module.ops
    )


def check_level(level: str) -> None:
    """Refuse a name that is not a level or a branch."""
    known = (*LEVELS, *BRANCHES)
    if level not in known:
        hint = suggest(level, known)
        raise InputError(f"no level is called `{level}`: {hint}", level)


def way_to(level: str) -> tuple[str, ...]:
    """The levels that lead to a level or a branch, itself last."""
    if level in BRANCHES:
        return (*way_to(BRANCHES[level]), level)
    return LEVELS[: LEVELS.index(level) + 1]


def pipeline_of(module: ModuleOp, name: str | None = None) -> Pipeline:
    """The pipeline of this name, else the one that the module's target names."""
    if name is None:
        target = target_of(module)
        check_target(target)
        return PIPELINES[target.pipeline]
    check_pipeline(name)
    return PIPELINES[name]


def check_target(target: Target) -> None:
    """Refuse a target that names a pipeline which is none."""
    if target.pipeline not in PIPELINES:
        hint = suggest(target.pipeline, PIPELINES)
        message = f"target `{target.name}`: no `pipeline` is called `{target.pipeline}`: {hint}"
        raise InputError(message, target.name)


def check_pipeline(name: str) -> None:
    """Refuse a name that is not a pipeline."""
    if name not in PIPELINES:
        hint = suggest(name, PIPELINES)
        raise InputError(f"no pipeline is called `{name}`: {hint}", name)


def passes_to(
    level: str, pipeline: Pipeline, isa: str | None = None
) -> tuple[ModulePass, ...]:
    """
    The passes that lead to a level, or on a branch, from the one before.

    Passes to native code make it for the instruction set `isa`, the fastest of this processor when left out.
    """
    names = getattr(pipeline, level)
    if level in BRANCHES and not names:
        at = next(name for name, each in PIPELINES.items() if each is pipeline)
        able = ", ".join(name for name, each in PIPELINES.items() if each.native)
        message = f"expected a pipeline that leads to `{level}` ({able}), got `{at}`"
        raise InputError(message, level)
    passes = parse_passes(",".join(names))
    if level != NATIVE:
        return passes
    return tuple(for_processor(one, choose_isa(isa)) for one in passes)


def for_processor(one: ModulePass, isa: str) -> ModulePass:
    """A pass with its option `isa` set, where it has one."""
    if not any(info.name == "isa" for info in get_pass_option_infos(type(one))):
        return one
    return cast("ModulePass", replace(cast("Any", one), isa=isa))
