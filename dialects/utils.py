"""What the dialects' verifiers and formats share: shapes, dtypes, buffers and keyed attribute parameters."""

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import (
    BFloat16Type,
    FixedBitwidthType,
    Float16Type,
    Float32Type,
    IntegerType,
    MemRefType,
    ShapedType,
    Signedness,
    StringAttr,
    TensorType,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.parser import AttrParser
from xdsl.pattern_rewriter import RewritePattern
from xdsl.printer import Printer
from xdsl.traits import (
    EffectInstance,
    HasCanonicalizationPatternsTrait,
    MemoryEffect,
    MemoryEffectKind,
)
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
    kind = value.type
    if isinstance(kind, TensorType | MemRefType):
        return cast("TensorType[Attribute] | MemRefType[Attribute]", kind).element_type
    return kind


def is_float(value: SSAValue) -> bool:
    """Whether the elements are one of `f` (f32, bf16, f16)."""
    return isinstance(element(value), FLOATS)


def is_f32(value: SSAValue) -> bool:
    """Whether the elements are f32."""
    return isinstance(element(value), Float32Type)


def is_int(value: SSAValue, width: int) -> bool:
    """Whether the elements are signless integers of this width."""
    kind = element(value)
    if not isinstance(kind, IntegerType):
        return False
    kind = cast("IntegerType[int, Signedness]", kind)
    return kind.width.data == width and kind.signedness.data is Signedness.SIGNLESS


def expect(condition: bool, expected: str, got: object) -> None:
    """Raise a `VerifyException` saying what was expected and what was found."""
    if not condition:
        raise VerifyException(f"expected {expected}, got {got}")


def expect_shape(name: str, value: SSAValue, expected: Sequence[int]) -> None:
    """Check one value's shape; the message names the value."""
    if tuple(expected) != shape(value):
        want = "x".join(map(str, expected)) or "()"
        got = "x".join(map(str, shape(value))) or "()"
        raise VerifyException(f"expected `{name}` of shape {want}, got shape {got}")


def expect_float(name: str, value: SSAValue) -> None:
    """Check that a value's elements are f32, bf16 or f16."""
    expect(is_float(value), f"`{name}` of f32, bf16 or f16", element(value))


def expect_int(name: str, value: SSAValue, width: int) -> None:
    """Check that a value's elements are signless integers of this width."""
    expect(is_int(value, width), f"`{name}` of i{width}", element(value))


def expect_element(name: str, value: SSAValue, kind: Attribute) -> None:
    """Check a value's element type."""
    if element(value) != kind:
        raise VerifyException(f"expected `{name}` of {kind}, got {element(value)}")


def expect_type(name: str, value: SSAValue, kind: Attribute) -> None:
    """Check a value's type."""
    if value.type != kind:
        raise VerifyException(f"expected `{name}` of type {kind}, got {value.type}")


def expect_types(
    what: str, found: Sequence[Attribute], wanted: Sequence[Attribute]
) -> None:
    """Check a list of types."""
    if list(found) != list(wanted):
        want = ", ".join(map(str, wanted)) or "none"
        got = ", ".join(map(str, found)) or "none"
        raise VerifyException(f"expected {what} {want}, got {got}")


def expect_rank(name: str, value: SSAValue, rank: int) -> None:
    """Check one value's number of dimensions; the message names the value."""
    expect(len(shape(value)) == rank, f"{rank}-d `{name}`", f"shape {shape(value)}")


def expect_static(name: str, value: SSAValue) -> None:
    """Check that no dimension of a value is dynamic."""
    expect(min(shape(value), default=0) >= 0, f"`{name}` of static shape", value.type)


def tier_of(value: SSAValue) -> str:
    """The tier of a memref value; a `VerifyException` when its memory space is no string."""
    kind = value.type
    space = kind.memory_space if isinstance(kind, MemRefType) else None
    if not isinstance(space, StringAttr):
        raise VerifyException(f"expected a memref in a tier, got {kind}")
    return space.data


def expect_buffers(values: Sequence[SSAValue]) -> None:
    """Check that those values that are memrefs have a tier and elements of whole bytes."""
    for value in values:
        if isinstance(value.type, MemRefType):
            tier_of(value)
            kind = element(value)
            whole = isinstance(kind, FixedBitwidthType) and kind.bitwidth % 8 == 0
            expect(whole, "a memref of whole-byte elements", kind)


def optional(value: SSAValue | Operation | None) -> list[SSAValue | Operation]:
    """The operand list of an optional operand."""
    return [] if value is None else [value]


class AllocatesResults(MemoryEffect):
    """An op whose results are its own: dropped when nothing uses them, never merged with an equal op."""

    @classmethod
    def get_effects(cls, op: Operation) -> set[EffectInstance]:
        """One allocation for each result."""
        return {EffectInstance(MemoryEffectKind.ALLOC, value) for value in op.results}


class Canonicalized(HasCanonicalizationPatternsTrait):
    """An op with rewrites in `dfc.dialects.canonicalization`."""

    def get_patterns(self, op: type[Operation]) -> tuple[RewritePattern, ...]:
        """The rewrites of this op."""
        from dfc.dialects.canonicalization import PATTERNS

        return PATTERNS[op]

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        """None without an op to look up."""
        return ()


def parse_keyed(
    parser: AttrParser,
    words: Sequence[str],
    numbers: Sequence[str] = (),
    head: str | None = None,
    optional_head: str | None = None,
) -> dict[str, str | int]:
    """
    Parse `<word, key = word, key = integer, …>`.

    With `head` the first entry is a bare word, stored under that name; with `optional_head`
    it may be one.

    Raises a parse error for a key that is in neither `words` nor `numbers`.
    """
    found: dict[str, str | int] = {}
    keys = (*words, *numbers)

    def entry() -> None:
        key = parser.parse_identifier()
        if not found and (head or (optional_head and key not in keys)):
            found[head or optional_head or ""] = key
            return
        if key not in keys:
            parser.raise_error(f"expected one of {', '.join(keys)}, got `{key}`")
        if key in found:
            parser.raise_error(f"expected `{key}` once, got it twice")
        parser.parse_punctuation("=")
        if key in numbers:
            found[key] = parser.parse_integer(allow_boolean=False)
        else:
            found[key] = parser.parse_identifier()

    parser.parse_comma_separated_list(parser.Delimiter.ANGLE, entry)
    if head is not None and not found:
        parser.raise_error(f"expected a {head}, got none")
    return found


def print_keyed(printer: Printer, parts: Sequence[str]) -> None:
    """Print `<part, part, …>`."""
    with printer.in_angle_brackets():
        printer.print_string(", ".join(parts))
