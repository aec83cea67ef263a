"""`dfc bench`: measurements of this machine."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from dfc.cli_options import check_suffix
from dfc.cli_output import progress

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
) -> None:
    """Time the parts of a forward pass on this machine, each alone, for `dfc simulate -t FILE`."""
    check_suffix(output, ".toml")
    with progress():
        from dfc.host.describe import described

        text, doubts = described(Path(output).stem if output else "host", threads)
    if output is None:
        print(text, end="")
    else:
        Path(output).write_text(text)
    for doubt in doubts:
        print(f"no verdict: {doubt}", file=sys.stderr)
