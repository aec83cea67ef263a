"""How the values of the IR's types stand in numpy."""

from typing import Any, TypeGuard, cast

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import (
    BFloat16Type,
    DenseIntOrFPElementsAttr,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    ShapedType,
)
from xdsl.ir import Attribute

from dfc.dialects.ternary import TritType
from dfc.runtime.errors import ExecutionError

Array = NDArray[Any]
"""A tensor; trits are int8 in -1, 0, 1, bf16 is `ml_dtypes.bfloat16`."""

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NARROW_FLOATS = (np.dtype(np.float16), BFLOAT16)
"""The floats whose sums and products are formed in f32 and rounded once."""

FLOATS: dict[type[Attribute], np.dtype[Any]] = {
    Float64Type: np.dtype(np.float64),
    Float32Type: np.dtype(np.float32),
    Float16Type: np.dtype(np.float16),
    BFloat16Type: BFLOAT16,
}
INTEGERS = {
    1: np.dtype(np.bool_),
    8: np.dtype(np.int8),
    16: np.dtype(np.int16),
    32: np.dtype(np.int32),
    64: np.dtype(np.int64),
}
UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
"""The unsigned dtype of as many bytes."""


def element_type(kind: Attribute) -> Attribute:
    """The element type of a tensor or memref type, the type itself otherwise."""
    if isinstance(kind, ShapedType):
        return cast("Any", kind).element_type
    return kind


def dtype_of(kind: Attribute) -> np.dtype[Any]:
    """The numpy dtype of a type's elements."""
    kind = element_type(kind)
    if isinstance(kind, IntegerType):
        width = cast("IntegerType[int]", kind).width.data
        if width in INTEGERS:
            return INTEGERS[width]
    if isinstance(kind, IndexType):
        return INTEGERS[64]
    if isinstance(kind, TritType):
        return INTEGERS[8]
    for each, dtype in FLOATS.items():
        if isinstance(kind, each):
            return dtype
    raise ExecutionError(f"no values of type `{kind}` exist in the interpreter")


def shape_of(kind: Attribute) -> tuple[int, ...]:
    """The shape of a tensor or memref type, `()` of any other."""
    return tuple(kind.get_shape()) if isinstance(kind, ShapedType) else ()


def is_array(value: object) -> TypeGuard[Array]:
    """Whether a value is a tensor."""
    return isinstance(value, np.ndarray)


def typed(value: Any, kind: Attribute) -> Any:
    """A computed value in the form of its type: arrays keep their shape, an index is an int."""
    if is_array(value) and (value.ndim or isinstance(kind, ShapedType)):
        return value.astype(dtype_of(kind), copy=False)
    if isinstance(kind, IndexType):
        return int(value)
    if isinstance(kind, ShapedType):
        return np.asarray(value, dtype_of(kind))
    return dtype_of(kind).type(value)


def constant(attribute: Attribute) -> Any:
    """The value of a constant attribute; arrays of constants are not to be written to."""
    if isinstance(attribute, DenseIntOrFPElementsAttr):
        return dense(cast("DenseIntOrFPElementsAttr[Any]", attribute))
    if isinstance(attribute, IntegerAttr):
        # an i1 is printed as -1 or true
        return typed(attribute.value.data, cast("IntegerAttr[Any]", attribute).type)
    if isinstance(attribute, FloatAttr):
        return typed(attribute.value.data, cast("FloatAttr[Any]", attribute).type)
    raise ExecutionError(f"no value is known for the constant `{attribute}`")


def dense(attribute: DenseIntOrFPElementsAttr[Any]) -> Array:
    """The array of a dense constant, read from its bytes; a splat is broadcast."""
    shape = attribute.get_shape()
    data = np.frombuffer(attribute.data.data, storage(attribute.type.element_type))
    data = data.astype(dtype_of(attribute.type), copy=False)
    return np.broadcast_to(data[0], shape) if len(data) == 1 else data.reshape(shape)


def storage(kind: Attribute) -> np.dtype[Any]:
    """The dtype of a dense constant's bytes: an i1 takes one."""
    dtype = dtype_of(kind)
    return np.dtype(np.uint8) if dtype == np.bool_ else dtype


def unsigned(value: Any) -> Any:
    """The same bits as an unsigned integer; ints, as indices, are as they are."""
    if isinstance(value, int):
        return value
    array = np.asarray(value)
    return array if array.dtype == np.bool_ else array.view(UNSIGNED[array.itemsize])


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is a float of any width."""
    return dtype == BFLOAT16 or dtype.kind == "f"
