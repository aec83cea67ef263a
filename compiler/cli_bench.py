"""`dfc bench`: measurements of this machine."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dfc.cli_options import Json, check_suffix
from dfc.cli_output import print_json, print_table, progress

LEFT_OUT = ("memory_gb_per_s", "memory_spread")
"""Columns for which a table has no room; `--json` has them."""

bench = typer.Typer(
    name="bench",
    help="Measure this machine.",
    no_args_is_help=True,
    add_completion=False,
)


@bench.callback()
def group() -> None:
    """Measure this machine."""


@bench.command()
def host(
    describe: Annotated[
        bool, typer.Option("--describe", help="Write a target file for this machine.")
    ] = False,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="A `.toml` file; else stdout."
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads; as many as PyTorch's by default."),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="Whose linear layers are compared.")
    ] = "zoo:bitnet-b1.58-2b-4t",
    rounds: Annotated[int, typer.Option(min=2, help="Rounds of a comparison.")] = 10,
    mib: Annotated[
        int, typer.Option(min=1, help="MiB of weights of each, so that none is cached.")
    ] = 512,
    as_json: Json = False,
) -> None:
    """
    Compare ternary linear layers with bf16 PyTorch's, for 1 and 128 tokens, in turns.

    With `--describe`: time the parts of a forward pass, each alone, for `dfc simulate -t FILE`.
    """
    check_suffix(output, ".toml")
    if not describe:
        if output is not None:
            message = "it is for `--describe`: a comparison is printed"
            raise typer.BadParameter(message, param_hint="-o")
        return comparison(model, threads, rounds, mib << 20, as_json)
    with progress():
        from dfc.host.describe import described

        text, doubts = described(Path(output).stem if output else "host", threads)
    if output is None:
        print(text, end="")
    else:
        Path(output).write_text(text)
    for doubt in doubts:
        print(f"no verdict: {doubt}", file=sys.stderr)


def comparison(
    model: str, threads: int | None, rounds: int, size: int, as_json: bool
) -> None:
    """Print how a model's layers compare."""
    os.environ.pop(
        "TORCHDYNAMO_DISABLE", None
    )  # the command line compiles nothing else
    with progress():
        from dfc.host.bench import compare

        rows, doubts = compare(model, threads, rounds, size)
    shown = [row.as_dict() for row in rows]
    if as_json:
        print_json({"model": model, "rows": shown, "doubts": doubts})
    else:
        narrow = [{k: v for k, v in row.items() if k not in LEFT_OUT} for row in shown]
        print_table("", tuple(narrow[0]), [tuple(row.values()) for row in narrow])
    for doubt in doubts:
        print(f"no verdict: {doubt}", file=sys.stderr)
