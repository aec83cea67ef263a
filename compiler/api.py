"""`dfc.compile` and `dfc.simulate`: what Python users call, and the command line too."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from dfc.driver import new_context, parse_module, read_module, run_passes
from dfc.entries import check_entries
from dfc.errors import InputError
from dfc.levels import attach_target, level_of, passes_to, pipeline_of
from dfc.program import Program
from dfc.progress import step
from dfc.runtime.machine import Target, load_target
from dfc.workload import Workload, check_fits, plan

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram

    from dfc.frontends import Traced
    from dfc.runtime.report import Report
    from dfc.runtime.simulator import Estimate

    Model = nn.Module | ExportedProgram | Path | str

Overrides = Mapping[str, object]


def compile(
    model: "Model",
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    target: str = "tiny-npu",
    overrides: Overrides | None = None,
) -> Program:
    """
    Lower a model for a target, down to its program.

    `model` is a module, an exported program, MLIR text, the path of a `.mlir`, `.pt2` or `.dfc`
    file, or `zoo:NAME` (weights random, seed 0). `args` and `kwargs` are example arguments of a module,
    `overrides` values of the target file by dotted key.
    """
    if isinstance(model, Path):
        model = str(model)
    if isinstance(model, str) and not is_text(model):
        program = load(model, target, overrides=overrides)
    elif isinstance(model, str):
        load_target(target, overrides)
        context = new_context()
        program = lowered(parse_module(model, context), context, target, overrides)
    else:
        load_target(target, overrides)
        traced = trace(model, args, kwargs or {})
        program = lowered(traced.module, new_context(), target, overrides, traced)
    program.module("program")
    return program


def simulate(
    model: "Model",
    target: str,
    prefill: int | None = None,
    decode: int | None = None,
    context: int | Sequence[int] | None = None,
    batch: int = 1,
    dtype: str | None = None,
    *,
    overrides: Overrides | None = None,
    fallback_rate: float = 0.0,
) -> "Report":
    """
    The time, energy and memory of a model on a target; weights are not needed.

    Of a language model: a prompt of `prefill` tokens, then `decode` steps (128 and 32 when
    nothing is given); or steps at a `context`, on a cache that is filled already. Branches on data are
    taken in `fallback_rate` of the calls.
    """
    workload = asked(prefill, decode, context, batch)
    program = named(model, target, workload, dtype, overrides)
    return program.simulate(fallback_rate)


def estimate(
    model: "Model",
    target: str,
    prefill: int | None = None,
    decode: int | None = None,
    context: int | Sequence[int] | None = None,
    batch: int = 1,
    dtype: str | None = None,
    *,
    overrides: Overrides | None = None,
    fallback_rate: float = 0.0,
) -> "Estimate":
    """The run that `simulate` simulates for these arguments, in closed form, with a lower bound of its time."""
    workload = asked(prefill, decode, context, batch)
    program = named(model, target, workload, dtype, overrides)
    return program.estimate(fallback_rate)


def named(
    model: "Model",
    target: str,
    workload: Workload | None,
    dtype: str | None,
    overrides: Overrides | None,
) -> Program:
    """The program of a model that is given by name or file."""
    if not isinstance(model, str) or is_text(model):
        raise InputError("expected the name of a model or of a file")
    return load(model, target, workload, dtype=dtype, overrides=overrides)


def asked(
    prefill: int | None = None,
    decode: int | None = None,
    context: int | Sequence[int] | None = None,
    batch: int = 1,
) -> Workload | None:
    """The workload of these options; None when none of them is given."""
    given = (prefill, decode, context, batch)
    return None if given == (None, None, None, 1) else plan(*given)


def load(
    model: str,
    target: str,
    workload: Workload | None = None,
    *,
    default: Workload | None = None,
    dtype: str | None = None,
    overrides: Overrides | None = None,
    abstract: bool = True,
    seed: int = 0,
) -> Program:
    """
    The program of a model by name or file; its levels are made when they are asked for.

    A language model that no `workload` is given for has the `default` one.
    """
    machine = load_target(target, overrides)
    if model.endswith(".dfc"):
        refuse_options(model, workload, dtype)
        return saved(model, machine)
    if model.endswith(".mlir"):
        refuse_options(model, workload, dtype)
        context = new_context()
        return lowered(read_module(model, context), context, target, overrides)
    step("loading PyTorch")
    from dfc.frontends import load_model

    wanted = workload or default or plan()
    if model.startswith("zoo:"):
        check_fits(wanted, machine)
    traced = load_model(
        model,
        prefill=wanted.prefill,
        decode=len(wanted.positions),
        capacity=wanted.capacity,
        batch=wanted.batch,
        dtype=dtype,
        abstract=abstract,
        seed=seed,
    )
    if not traced.is_language_model:
        refuse_options(model, workload, None)
    program = lowered(traced.module, new_context(), target, overrides, traced)
    program.workload = wanted if traced.is_language_model else None
    return program


def saved(path: str, machine: Target) -> Program:
    """The program in a file, if it was lowered for this machine."""
    from dfc.storage import load as load_saved

    program = load_saved(path)
    if program.target != machine:
        raise InputError(
            f"expected target `{program.target.name}` as in `{path}`, with the same overrides,"
            f" got `{machine.name}`: compile the model again for that",
            path,
        )
    return program


def refuse_options(model: str, workload: Workload | None, dtype: str | None) -> None:
    """Refuse a prompt or a context for what is not a language model, a dtype for a file."""
    if workload is not None:
        raise InputError(
            f"`{model}` is not a language model of the zoo: leave out prefill, decode,"
            " context and batch",
            model,
        )
    if dtype is not None:
        raise InputError(f"`{model}` says its own dtypes: leave out dtype", model)


def lowered(
    source: ModuleOp,
    context: Context,
    target: str,
    overrides: Overrides | None = None,
    traced: "Traced | None" = None,
) -> Program:
    """The program of a module; a module at tensor level is raised."""
    check_entries(source)
    attach_target(source, target, overrides or {})
    pipeline, level = pipeline_of(source), level_of(source)
    if level == "tensor":
        run_passes(passes_to(level, pipeline), source, context)
    weights = traced.weights if traced else None
    return Program({level: source}, context, pipeline, weights, None, traced)


def is_text(model: str) -> bool:
    """Whether a string is MLIR text rather than a name: a name has one line and no braces."""
    return "\n" in model or "{" in model


def trace(model: "Model", args: Sequence[Any], kwargs: Mapping[str, Any]) -> "Traced":
    """A module or an exported program at tensor level."""
    from torch import nn
    from torch.export import ExportedProgram

    from dfc.frontends import trace_exported, trace_module

    if isinstance(model, ExportedProgram):
        return trace_exported(model)
    if isinstance(model, nn.Module):
        step("tracing the model")
        return trace_module(model, args, kwargs)
    found = type(model).__name__
    raise InputError(f"expected a module, an exported program or text, got `{found}`")
