"""The `ternary` dialect: linear layers whose weights are -1, 0 or 1, from quantisation to packed bytes."""

from xdsl.ir import Dialect

from dfc.dialects.ternary.linear import DequantizeOp, LinearOp, MatmulOp, QuantizeOp
from dfc.dialects.ternary.lookup import BuildTablesOp, LookupMatmulOp
from dfc.dialects.ternary.types import (
    INTERLEAVED,
    ORDERS,
    TRITS_PER_GROUP,
    PackingAttr,
    TritType,
    is_trit,
)
from dfc.dialects.ternary.weights import RULES, PackOp, TernarizeOp, UnpackOp

__all__ = [
    "INTERLEAVED",
    "ORDERS",
    "RULES",
    "TRITS_PER_GROUP",
    "BuildTablesOp",
    "DequantizeOp",
    "LinearOp",
    "LookupMatmulOp",
    "MatmulOp",
    "PackOp",
    "PackingAttr",
    "QuantizeOp",
    "TernarizeOp",
    "Ternary",
    "TritType",
    "UnpackOp",
    "is_trit",
]

Ternary = Dialect(
    "ternary",
    [
        QuantizeOp,
        MatmulOp,
        DequantizeOp,
        LinearOp,
        BuildTablesOp,
        LookupMatmulOp,
        PackOp,
        UnpackOp,
        TernarizeOp,
    ],
    [TritType, PackingAttr],
)
