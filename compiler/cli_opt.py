"""`dfc opt`: run passes on text, and compare values before and after each."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfc.cli_options import Json, Seed, Set, overrides
from dfc.cli_output import print_json, progress
from dfc.errors import InputError

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

    from dfc.value_check import ValueCheck


def opt(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="MLIR text at any level.")
    ],
    passes: Annotated[
        str, typer.Option("-p", "--passes", help="'pass,pass{option=value}'")
    ] = "",
    target: Annotated[
        str | None, typer.Option("-t", "--target", help="Attach this target first.")
    ] = None,
    sets: Set = None,
    check_values: Annotated[
        bool, typer.Option("--check-values", help="Run it before and after every pass.")
    ] = False,
    output: Annotated[str | None, typer.Option("-o", help="Write the IR here.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> int:
    """Run passes on a text file and print the result."""
    from dfc.driver import new_context, parse_passes, read_module, run_passes
    from dfc.printing import to_text

    context = new_context()
    pipeline = parse_passes(passes)
    module = read_module(file, context)
    if target is None and sets:
        message = "expected a target for --set to override, got none: add -t"
        raise InputError(message, "--set")
    if target is not None:
        from dfc.levels import attach_target

        attach_target(module, target, overrides(sets))
    check = value_check(module, seed) if check_values else None
    with progress():
        run_passes(pipeline, module, context, check and check.after)
    text = to_text(module)
    if output is not None:
        Path(output).write_text(text)
    if as_json:
        ir = {} if output else {"module": text}
        names = [str(one) for one in pipeline]
        print_json({"passes": names, "checks": check.rows if check else [], **ir})
    elif output is None:
        print(text, end="")
    if check is not None and not as_json:
        for one in check.rows:
            print(f"values unchanged by {one['pass']}: {said(one)}", file=sys.stderr)
    return 0


def value_check(module: "ModuleOp", seed: int) -> "ValueCheck":
    """The check of values, imported when it is asked for."""
    from dfc.value_check import ValueCheck

    return ValueCheck(module, seed)


def said(row: dict[str, object]) -> str:
    """How close the values of one pass were."""
    if row["exact"]:
        return "equal bit by bit"
    return f"error {row['error']:.2g}, {row['rounding_flips']} rounding flips"
