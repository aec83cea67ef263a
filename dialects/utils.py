"""What the dialects' verifiers and formats share: shapes, dtypes and keyed attribute parameters."""

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import (
    BFloat16Type,
    Float16Type,
    Float32Type,
    IntegerType,
    MemRefType,
    ShapedType,
    TensorType,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

FLOATS = (Float32Type, BFloat16Type, Float16Type)
"""The float dtypes `f` of the dialects; arithmetic is in f32."""


def shape(value: SSAValue) -> tuple[int, ...]:
    """The shape of a tensor or memref value; `()` for a value that has none."""
    if not isinstance(value.type, ShapedType):
        return ()
    return tuple(value.type.get_shape())


def element(value: SSAValue) -> Attribute:
    """The element type of a tensor or memref value, or its type when it has none."""
    if isinstance(value.type, TensorType | MemRefType):
        return cast("TensorType[Attribute]", value.type).element_type
    return value.type


def is_float(value: SSAValue) -> bool:
    """Whether the elements are one of `f` (f32, bf16, f16)."""
    return isinstance(element(value), FLOATS)


def is_int(value: SSAValue, width: int) -> bool:
    """Whether the elements are signless integers of this width."""
    kind = element(value)
    return isinstance(kind, IntegerType) and kind.width.data == width


def expect(condition: bool, expected: str, got: object) -> None:
    """Raise a `VerifyException` saying what was expected and what was found."""
    if not condition:
        raise VerifyException(f"expected {expected}, got {got}")


def expect_shape(name: str, value: SSAValue, expected: Sequence[int]) -> None:
    """Check one value's shape; the message names the value."""
    want = "x".join(map(str, expected)) or "()"
    got = "x".join(map(str, shape(value))) or "()"
    expect(tuple(expected) == shape(value), f"`{name}` of shape {want}", f"shape {got}")


def expect_float(name: str, value: SSAValue) -> None:
    """Check that a value's elements are f32, bf16 or f16."""
    expect(is_float(value), f"`{name}` of f32, bf16 or f16", element(value))


def expect_rank(name: str, value: SSAValue, rank: int) -> None:
    """Check one value's number of dimensions; the message names the value."""
    expect(len(shape(value)) == rank, f"{rank}-d `{name}`", f"shape {shape(value)}")


def optional(value: SSAValue | Operation | None) -> list[SSAValue | Operation]:
    """The operand list of an optional operand."""
    return [] if value is None else [value]


def parse_keyed(
    parser: AttrParser,
    keys: Sequence[str],
    head: str | None = None,
    optional_head: str | None = None,
) -> dict[str, str | int]:
    """
    Parse `<word, key = word | integer, …>`.

    With `head` the first entry is a bare word, stored under that name; with `optional_head`
    it may be one.

    Raises a parse error for a key that is not in `keys`.
    """
    found: dict[str, str | int] = {}

    def entry() -> None:
        key = parser.parse_identifier()
        if head is not None and not found:
            found[head] = key
            return
        if optional_head is not None and not found and key not in keys:
            found[optional_head] = key
            return
        if key not in keys:
            parser.raise_error(f"expected one of {', '.join(keys)}, got `{key}`")
        if key in found:
            parser.raise_error(f"expected `{key}` once, got it twice")
        parser.parse_punctuation("=")
        number = parser.parse_optional_integer(allow_boolean=False)
        found[key] = number if number is not None else parser.parse_identifier()

    with parser.in_angle_brackets():
        entry()
        while parser.parse_optional_punctuation(",") is not None:
            entry()
    return found


def print_keyed(printer: Printer, parts: Sequence[str]) -> None:
    """Print `<part, part, …>`."""
    with printer.in_angle_brackets():
        printer.print_string(", ".join(parts))
