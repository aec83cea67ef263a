"""The options and arguments that several commands share."""

from typing import Annotated

import typer

from dfc.errors import InputError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="`zoo:NAME`, `zoo:FILE.toml#NAME`, a `.mlir`, `.pt2` or `.dfc` file.",
    ),
]
TargetName = Annotated[
    str,
    typer.Option(
        "-t", "--target", metavar="TARGET", help="The name of a target or a file."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a value of the target file."
    ),
]
Prefill = Annotated[
    int | None, typer.Option(min=1, help="Tokens of the prompt (128 by default).")
]
Decode = Annotated[
    int | None, typer.Option(min=1, help="Tokens to generate (32 by default).")
]
Batch = Annotated[int, typer.Option(min=1, help="Sequences at once.")]
Dtype = Annotated[
    str | None,
    typer.Option(help="float32, float16 or bfloat16 instead of the model's."),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Threads; as many as PyTorch's by default."),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of random inputs and weights.")]


def check_suffix(path: str | None, *suffixes: str) -> None:
    """Refuse an output file of another kind, before any work is done."""
    if path is not None and not path.endswith(suffixes):
        kinds = " or ".join(f"`{suffix}`" for suffix in suffixes)
        message = f"expected an output file that ends in {kinds}, got `{path}`"
        raise InputError(message, path)


ClockScale = Annotated[
    float | None,
    typer.Option(
        "--clock-scale",
        metavar="K",
        help="Multiply every clock by K, as `--set clock_scale=K`; voltage follows.",
    ),
]


def overrides(
    pairs: list[str] | None, clock_scale: float | None = None
) -> dict[str, object]:
    """The `KEY=VALUE` of every `--set`; the target's reader knows what a value means."""
    found: dict[str, object] = {}
    if clock_scale is not None:
        found["clock_scale"] = clock_scale
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            message = f"expected KEY=VALUE, got `{pair}`"
            raise typer.BadParameter(message, param_hint="--set")
        found[key] = value
    return found
