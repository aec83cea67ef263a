"""The command `dfc`: finds the command, prints errors as one sentence, sets the exit status."""

import gc
import json
import os
import sys
from collections.abc import Sequence

import typer

from dfc.cli_bench import bench
from dfc.cli_compare import compare
from dfc.cli_graph import graph
from dfc.cli_lists import models, passes, targets
from dfc.cli_opt import opt
from dfc.cli_program import compile_, run, simulate
from dfc.cli_reproduce import reproduce
from dfc.cli_roofline import roofline

app = typer.Typer(
    name="dfc",
    help="Compile PyTorch models for modelled accelerators, run and simulate them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for name, command in (
    ("compile", compile_),
    ("run", run),
    ("simulate", simulate),
    ("compare", compare),
    ("roofline", roofline),
    ("graph", graph),
    ("reproduce", reproduce),
    ("opt", opt),
    ("passes", passes),
    ("targets", targets),
    ("models", models),
):
    app.command(name)(command)
app.add_typer(bench)


def main() -> None:
    """The entry point of the script `dfc`."""
    tune_process()
    code = status(sys.argv[1:])
    gc.freeze()  # else Python looks through all objects once more before it drops them
    sys.exit(code)


def tune_process() -> None:
    """
    Settings for a process that runs one command.

    Most of the objects it makes live to its end, so looking for cycles as often as Python does is
    a fifth of its time. It compiles nothing with Dynamo; left on, the decorators in transformers'
    BitNet load the whole of inductor.
    """
    gc.set_threshold(200_000, 30, 30)
    os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
    # PyTorch's profiler says when it runs
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")


def status(args: Sequence[str]) -> int:
    """Run one command line; 0, 1 for bad input, 2 for a wrong option or a missing argument."""
    try:
        return app(args=list(args), prog_name="dfc", standalone_mode=False) or 0
    except typer.TyperException as error:
        report(error, error.format_message(), None, "--json" in args)
        return error.exit_code
    except typer.Abort:
        return 130
    except BrokenPipeError:
        # the reader of our output is gone: leave without a second attempt to write
        sys.stdout = None
        return 1
    except BaseException as error:
        from dfc.diagnostics import explain

        explained = explain(error)
        if explained is None:
            raise
        report(error, *explained, "--json" in args)
        return 1


def report(
    error: BaseException, message: str, where: str | None, in_json: bool
) -> None:
    """Print an error, if there is more to say than was printed: JSON on stdout, or a sentence on stderr."""
    if not message:
        return
    if in_json:
        from dfc.diagnostics import as_json

        print(json.dumps(as_json(error, message, where)))
    else:
        print(f"error: {message}", file=sys.stderr)
