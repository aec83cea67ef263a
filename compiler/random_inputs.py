"""Seeded random arguments for functions of a module, from their types alone."""

from collections.abc import Iterator

import numpy as np
from xdsl.dialects.builtin import (
    IndexType,
    ModuleOp,
    ShapedType,
    StringAttr,
)
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute

from dfc.dialects.attention import KvWriteOp, SdpaOp
from dfc.dialects.ternary import TernarizeOp, TritType
from dfc.dialects.utils import shape
from dfc.errors import InputError
from dfc.runtime.interpreter.dtypes import Array, dtype_of, element_type, is_float
from dfc.runtime.interpreter.entry import weight_name

Value = Array | int
# By bytes: all of i8, and of wider ones what sums of products stay exact with.
INTEGER_RANGES = {1: (-128, 128), 2: (-1000, 1000), 4: (-1000, 1000)}
# 64-bit integers index something (token ids, positions): few rows are certain to exist.
INDEX_RANGE = (0, 2)


def entry_functions(module: ModuleOp) -> Iterator[FuncOp]:
    """The functions that a user calls: public, with a body, all but `@weights`."""
    for op in module.ops:
        if isinstance(op, FuncOp) and not op.is_declaration:
            private = op.sym_visibility == StringAttr("private")
            if not private and op.sym_name.data != "weights":
                yield op


def random_arguments(
    function: FuncOp, rng: np.random.Generator, last_position: int
) -> list[Value]:
    """One value for every argument of a function that is not a weight."""
    types = function.function_type.inputs.data
    return [
        random_value(kind, rng, last_position)
        for index, kind in enumerate(types)
        if weight_name(function, index) is None
    ]


def random_weights(module: ModuleOp, rng: np.random.Generator) -> dict[str, Array]:
    """A value for every named weight of the entry functions and of `@weights`."""
    found: dict[str, Array] = {}
    functions = [op for op in module.ops if isinstance(op, FuncOp)]
    for function in functions:
        for index, kind in enumerate(function.function_type.inputs.data):
            name = weight_name(function, index)
            if name is None or name.startswith("@") or name in found:
                continue
            value = random_value(kind, rng, 0)
            if is_three_valued(function, index) and isinstance(value, np.ndarray):
                value = three_valued(value, rng)
            found[name] = np.asarray(value)
    return found


def is_three_valued(function: FuncOp, index: int) -> bool:
    """Whether an argument is marked as -s, 0 and s, or is read as that."""
    attrs = function.arg_attrs
    if attrs is not None and "dfc.ternary" in attrs.data[index].data:
        return True
    if function.is_declaration:
        return False
    return any(
        isinstance(op := use.operation, TernarizeOp)
        and op.method == "exact"
        and op.w is function.body.block.args[index]
        for use in function.body.block.args[index].uses
    )


def three_valued(like: Array, rng: np.random.Generator) -> Array:
    """Values -s, 0 and s of the same shape and dtype."""
    scale = 0.5 if is_float(like.dtype) else 1
    return (rng.integers(-1, 2, like.shape) * scale).astype(like.dtype)


def random_value(
    kind: Attribute, rng: np.random.Generator, last_position: int
) -> Value:
    """A value of one type; an `index` is a position that leaves room in every cache."""
    if isinstance(kind, IndexType):
        return int(rng.integers(0, last_position + 1))
    if not isinstance(kind, ShapedType) or not kind.has_static_shape():
        message = (
            f"expected tensors of static shape or `index` as arguments, got `{kind}`"
        )
        raise InputError(message)
    sizes, dtype = kind.get_shape(), dtype_of(kind)
    if is_float(dtype):
        return rng.standard_normal(sizes).astype(dtype)
    if isinstance(element_type(kind), TritType):
        return rng.integers(-1, 2, sizes).astype(dtype)
    low, high = INTEGER_RANGES.get(dtype.itemsize, INDEX_RANGE)
    if dtype == np.bool_:
        low, high = 0, 2
    return rng.integers(low, high, sizes).astype(dtype)


def last_position(module: ModuleOp) -> int:
    """The largest position at which every cache of the module has room for the new rows."""
    rooms = [room(op) for op in module.walk() if isinstance(op, SdpaOp | KvWriteOp)]
    return max(0, min(rooms, default=0))


def room(op: SdpaOp | KvWriteOp) -> int:
    """Capacity less new rows of one cache."""
    if isinstance(op, KvWriteOp):
        return shape(op.cache)[2] - shape(op.new)[2]
    return shape(op.k)[2] - shape(op.q)[2]
