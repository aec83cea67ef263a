"""`dfc compile`, `dfc run` and `dfc simulate`: a model on a target."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfc.cli_options import (
    Batch,
    ClockScale,
    Decode,
    Dtype,
    Json,
    Model,
    Prefill,
    Seed,
    Set,
    TargetName,
    Threads,
    check_suffix,
    overrides,
)
from dfc.cli_output import print_json, progress

if TYPE_CHECKING:
    from dfc.runtime.simulator import Estimate

Context = Annotated[
    str | None,
    typer.Option(metavar="N,...", help="Tokens in the cache before each decode step."),
]
Emit = Annotated[
    str | None,
    typer.Option(
        metavar="LEVEL", help="tensor, fused, tiled, placed, program or native."
    ),
]
Output = Annotated[
    str | None, typer.Option("-o", metavar="FILE", help="Write it here.")
]


def contexts(text: str | None) -> tuple[int, ...] | None:
    """The numbers of `64,256,1000`."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        message = f"expected numbers as in 64,256,1000, got `{text}`"
        raise typer.BadParameter(message, param_hint="--context") from error


def compile_(
    model: Model,
    target: TargetName,
    output: Output = None,
    emit: Emit = None,
    prefill: Prefill = None,
    decode: Decode = None,
    context: Context = None,
    batch: Batch = 1,
    dtype: Dtype = None,
    seed: Seed = 0,
    sets: Set = None,
    as_json: Json = False,
) -> None:
    """Lower a model; print the IR of a level (`program`), or write that or all of it to a file."""
    numbers = contexts(context)
    level = "program" if emit is None else emit
    with progress():
        from dfc.api import asked, load
        from dfc.levels import check_level

        check_level(level)
        workload = asked(prefill, decode, numbers, batch)
        program = load(
            model,
            target,
            workload,
            dtype=dtype,
            overrides=overrides(sets),
            abstract=output is None or emit is not None,
            seed=seed,
        )
        text = program.ir(level)
        if output is not None and emit is None:
            program.save(output)
        elif output is not None:
            Path(output).write_text(text)
    written = {} if output else {"module": text}
    if as_json:
        print_json({"target": target, "level": level, "output": output, **written})
    elif output is None:
        print(text, end="")


def run(
    model: Model,
    target: TargetName,
    inputs: Annotated[
        str | None, typer.Option(metavar="X.npz", help="Inputs by name, or in order.")
    ] = None,
    seed: Seed = 0,
    prefill: Prefill = None,
    decode: Decode = None,
    batch: Batch = 1,
    dtype: Dtype = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Compare every level with PyTorch, by kernel."),
    ] = False,
    output: Output = None,
    sets: Set = None,
    quantize_lm_head: Annotated[
        bool,
        typer.Option(
            "--quantize-lm-head", help="LM head and embedding in int8 (`-t host`)."
        ),
    ] = False,
    threads: Threads = None,
    as_json: Json = False,
) -> int:
    """Compute a model's values on the modelled machine; `-t host`: on this one, on the clock."""
    check_suffix(output, ".npz")
    native = target == "host" and not model.endswith((".mlir", ".dfc"))
    for name, value in (
        ("--quantize-lm-head", quantize_lm_head or None),
        ("--threads", threads),
    ):
        if not native and value is not None:
            raise typer.BadParameter("it is for models on target host", param_hint=name)
    if native and sets:
        message = "target host runs on this machine, which has no values to set"
        raise typer.BadParameter(message, param_hint="--set")
    with progress():
        from dfc.api import asked
        from dfc.running import run_model

        workload = asked(prefill, decode, None, batch)
        if native:
            from dfc.host.run import Asked, run_host
            from dfc.workload import plan

            done = run_host(
                model,
                Asked(
                    workload or plan(),
                    seed,
                    dtype,
                    threads,
                    quantize_lm_head,
                    check,
                    inputs,
                ),
            )
        else:
            done = run_model(
                model,
                target,
                inputs=inputs,
                seed=seed,
                workload=workload,
                dtype=dtype,
                check=check,
                overrides=overrides(sets),
            )
    if output is not None:
        done.save(output)
    if as_json:
        print_json(done.as_dict())
    else:
        done.print()
    return 0 if done.passed else 1


def simulate(
    model: Model,
    target: TargetName,
    prefill: Prefill = None,
    decode: Decode = None,
    context: Context = None,
    batch: Batch = 1,
    dtype: Dtype = None,
    output: Output = None,
    page: Annotated[
        str | None,
        typer.Option(
            "--report", metavar="X.html", help="Write a page (or the numbers, `.json`)."
        ),
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option(metavar="X.json", help="Write a trace for Perfetto."),
    ] = None,
    fallback_rate: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of calls in which a branch on data is taken."
        ),
    ] = 0.0,
    clock_scale: ClockScale = None,
    sets: Set = None,
    closed_form: Annotated[
        bool,
        typer.Option("--estimate", help="Time in closed form, and its lower bound."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Simulate a model's time, energy and memory; weights are not needed."""
    check_suffix(output, ".json")
    check_suffix(page, ".html", ".json")
    check_suffix(trace, ".json")
    numbers = contexts(context)
    if closed_form and (page, trace, output) != (None, None, None):
        message = "it is printed, alone or with --json: leave out -o, --report, --trace"
        raise typer.BadParameter(message, param_hint="--estimate")
    with progress():
        from dfc.api import estimate, simulate
        from dfc.runtime.report import Report

        report = (estimate if closed_form else simulate)(
            model,
            target,
            prefill,
            decode,
            numbers,
            batch,
            dtype,
            overrides=overrides(sets, clock_scale),
            fallback_rate=fallback_rate,
        )
        if not isinstance(report, Report):
            return show_estimate(report, as_json)
        for path in (output, page):
            if path is not None:
                report.save(path)
        if trace is not None:
            report.save_trace(trace)
    if as_json:
        print(report.to_json())
    else:
        from dfc.cli_report import print_report

        print_report(report)


def show_estimate(found: "Estimate", as_json: bool) -> None:
    """Print an estimate."""
    if as_json:
        print(found.to_json())
    else:
        from dfc.cli_report import print_estimate

        print_estimate(found)
