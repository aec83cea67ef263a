"""The ops that a program of rows may compute with, and what holds of each."""

from typing import cast

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    IntegerType,
    f32,
    i1,
    i64,
)
from xdsl.ir import Attribute, Operation

NARROW = (Float16Type, BFloat16Type)
"""Floats that are held in f32 and rounded after each op."""

FOLDS: dict[type[Operation], float | None] = {
    arith.AddfOp: 0.0,
    arith.MulfOp: 1.0,
    arith.AddiOp: 0,
    arith.MuliOp: 1,
    arith.MaximumfOp: None,
    arith.MinimumfOp: None,
    arith.MaxnumfOp: None,
    arith.MinnumfOp: None,
    arith.MaxSIOp: None,
    arith.MinSIOp: None,
    arith.MaxUIOp: None,
    arith.MinUIOp: None,
    arith.AndIOp: None,
    arith.OrIOp: None,
}
"""Ops that fold a row in any order; what changes nothing, None where taking a value twice changes nothing."""

EXACT: frozenset[type[Operation]] = frozenset(
    {
        arith.NegfOp,
        arith.MaximumfOp,
        arith.MinimumfOp,
        arith.MaxnumfOp,
        arith.MinnumfOp,
        arith.SelectOp,
        arith.ExtFOp,
        math.AbsFOp,
        math.CopySignOp,
    }
)
"""Ops whose results have the operands' precision."""

ROUNDED: frozenset[type[Operation]] = frozenset(
    {
        arith.AddfOp,
        arith.SubfOp,
        arith.MulfOp,
        arith.DivfOp,
        arith.TruncFOp,
        arith.SIToFPOp,
        arith.UIToFPOp,
        math.SqrtOp,
        math.FloorOp,
        math.CeilOp,
        math.TruncOp,
        math.RoundEvenOp,
    }
)
"""Ops that are rounded once."""

FUNCTIONS: dict[type[Operation], int] = {
    math.RsqrtOp: 20,
    math.ExpOp: 20,
    math.LogOp: 30,
    math.Log1pOp: 40,
    math.TanhOp: 40,
    math.ErfOp: 40,
}
"""Functions that are made of several ops, and about how many."""

INTEGER: frozenset[type[Operation]] = frozenset(
    {
        arith.AddiOp,
        arith.SubiOp,
        arith.MuliOp,
        arith.AndIOp,
        arith.OrIOp,
        arith.XOrIOp,
        arith.MinSIOp,
        arith.MaxSIOp,
        arith.MinUIOp,
        arith.MaxUIOp,
        arith.ExtSIOp,
        arith.ExtUIOp,
        arith.TruncIOp,
        arith.CmpiOp,
        arith.CmpfOp,
        arith.BitcastOp,
        arith.FPToSIOp,
        arith.FPToUIOp,
    }
)
"""Ops that have integers as result, or keep all bits."""


def is_held(kind: Attribute) -> bool:
    """Whether values of this element type can stand in lanes."""
    if isinstance(kind, IntegerType):
        return cast("IntegerType[int]", kind).width.data in (1, 8, 16, 32, 64)
    return isinstance(kind, Float16Type | BFloat16Type | Float32Type | Float64Type)


def is_stored(kind: Attribute) -> bool:
    """Whether values of this element type can stand in memory."""
    return is_held(kind) and kind != i1


def working(kind: Attribute) -> Attribute:
    """The element type that a value is computed in."""
    return f32 if isinstance(kind, NARROW) else kind


def applies(op: Operation) -> bool:
    """Whether a scalar op has a form in lanes."""
    kinds = [value.type for value in (*op.operands, *op.results)]
    if len(op.results) != 1 or not all(map(is_held, kinds)):
        return False
    if type(op) in FUNCTIONS:
        return working(kinds[0]) == f32 or isinstance(op, math.RsqrtOp)
    if isinstance(op, arith.BitcastOp):
        return not any(isinstance(kind, NARROW) for kind in kinds)
    if isinstance(op, arith.FPToSIOp | arith.FPToUIOp):
        return kinds[-1] != i1
    if isinstance(op, arith.UIToFPOp):
        return kinds[0] != i64
    return type(op) in EXACT | ROUNDED | INTEGER


def cost(op: type[Operation], kind: Attribute) -> int:
    """About how many instructions an op takes for a vector."""
    rounding = 0
    if op not in EXACT and isinstance(kind, NARROW):
        rounding = 7 if isinstance(kind, BFloat16Type) else 2
    return FUNCTIONS.get(op, 1) + rounding
