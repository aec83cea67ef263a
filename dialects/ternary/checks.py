"""The constraints that several ops of `ternary` share."""

from xdsl.ir import SSAValue

from dfc.dialects.ternary.types import is_trit
from dfc.dialects.utils import (
    element,
    expect,
    expect_float,
    expect_int,
    expect_rank,
    expect_shape,
    expect_static,
    expect_type,
    is_f32,
    shape,
)


def expect_trits(name: str, value: SSAValue) -> None:
    """Check that a value is a 2-d tensor of trits, of static shape."""
    expect(is_trit(value), f"`{name}` of !ternary.trit", element(value))
    expect_rank(name, value, 2)
    expect_static(name, value)


def expect_scale(scale: SSAValue, columns: int) -> None:
    """Check that a weight's scale is `tensor<f32>` or one f32 per row of the weight."""
    good = is_f32(scale) and shape(scale) in ((), (columns,))
    expect(good, f"`scale` of type tensor<f32> or tensor<{columns}xf32>", scale.type)


def expect_bias(bias: SSAValue | None, columns: int) -> None:
    """Check that an optional bias is a float per column of the result."""
    if bias is not None:
        expect_float("bias", bias)
        expect_shape("bias", bias, (columns,))


def expect_columns(w: SSAValue, columns: int) -> None:
    """Check that `w` is a tensor of trits with this many columns."""
    expect_trits("w", w)
    expect(shape(w)[1] == columns, f"`w` with {columns} columns", shape(w)[1])


def verify_product(rows: int, w: SSAValue, acc: SSAValue | None, a: SSAValue) -> None:
    """Check `a` (rows x N of i32) of a product with `w` (N x K), and what is added to it."""
    expect_shape("a", a, (rows, shape(w)[0]))
    expect_int("a", a, 32)
    if acc is not None:
        expect_type("acc", acc, a.type)
