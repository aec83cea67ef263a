"""The names of dtypes and of elementwise functions that a target file may use as keys."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from xdsl.dialects import arith, math

from dfc.runtime.machine.work import FUNCTIONS

DTYPES = (
    *("f64", "f32", "f16", "bf16", "f8E4M3FN", "f8E5M2"),
    *("i64", "i32", "i16", "i8", "i4", "i1", "index"),
)

DEFAULT = "default"
"""The key that holds for every function without one of its own."""

ELEMENTWISE = (
    DEFAULT,
    "move",
    *sorted(
        {
            FUNCTIONS.get(name, name)
            for dialect in (arith.Arith, math.Math)
            for op in dialect.operations
            if (name := op.name.rpartition(".")[2]) != "constant"
        }
    ),
)


def expected_one_of(name: str, names: Iterable[str]) -> str:
    """`expected one of a, b, did you mean b`: the end of a sentence about a wrong name."""
    choices = tuple(names)
    near = get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f", did you mean `{near[0]}`" if near else ""
    return f"expected one of {', '.join(choices) or 'none'}{hint}"


def _dtype(name: str) -> str:
    if name not in DTYPES:
        raise ValueError(f"`{name}` is no dtype, {expected_one_of(name, DTYPES)}")
    return name


def _function(name: str) -> str:
    if name not in ELEMENTWISE:
        raise ValueError(
            f"`{name}` is no function, {expected_one_of(name, ELEMENTWISE)}"
        )
    return name


DtypeName = Annotated[
    str,
    AfterValidator(_dtype),
    WithJsonSchema({"type": "string", "enum": list(DTYPES)}),
]
"""A dtype, as MLIR writes it."""

FunctionName = Annotated[
    str,
    AfterValidator(_function),
    WithJsonSchema({"type": "string", "enum": list(ELEMENTWISE)}),
]
"""An elementwise function: one of `arith`'s and `math`'s as machine models call it, or `default`."""
