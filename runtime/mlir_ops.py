"""xDSL's ops from what upstream MLIR says of them, where the two differ; no bindings are needed."""

import re
from collections.abc import Mapping, Sequence
from typing import cast

import ml_dtypes
import numpy as np
from xdsl.context import Context
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import (
    AffineMapAttr,
    ArrayAttr,
    DenseArrayBase,
    IndexType,
    IntegerAttr,
    StringAttr,
    TensorType,
    UnregisteredOp,
    i32,
)
from xdsl.dialects.linalg.attrs import IteratorTypeAttr
from xdsl.dialects.linalg.ops import GenericOp
from xdsl.dialects.tensor import ExtractOp, FromElementsOp
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.ir.affine import AffineDimExpr
from xdsl.irdl import IRDLOperation

from dfc.runtime.errors import DfcError


class LoweringError(DfcError):
    """Upstream MLIR refused a module; `origins` are those of the ops it named."""

    def __init__(self, message: str, origins: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.origins = tuple(origins)


def bfloat16_elements(text: str) -> np.ndarray:
    """The elements of `dense<…> : tensor<…xbf16>`, hex literals read as bits."""
    inner = text[text.index("<") + 1 : text.rindex("> :")]
    if inner.startswith('"0x'):
        return np.frombuffer(bytes.fromhex(inner[3:-1]), np.uint16)
    bits = [
        int(word, 16)
        if word.startswith("0x")
        else int(np.array(float(word), ml_dtypes.bfloat16).view(np.uint16))
        for word in re.findall(r"[^\s\[\],]+", inner)
    ]
    return np.array(bits, np.uint16)


def build(
    context: Context,
    name: str,
    operands: Sequence[SSAValue],
    types: Sequence[Attribute],
    attributes: Mapping[str, Attribute],
    regions: Sequence[Region],
) -> Operation:
    """
    One xDSL op by name; inherent attributes become properties where the op has them.

    A named linalg op that xDSL lacks becomes the `linalg.generic` it stands for.
    """
    kind = context.get_op(name)
    if name.startswith("linalg.") and issubclass(kind, UnregisteredOp):
        return generalise(name, operands, types, attributes, regions)
    if issubclass(kind, UnregisteredOp):
        return kind.create(
            operands=operands,
            result_types=types,
            attributes={**attributes, "op_name__": StringAttr(name)},
            regions=regions,
        )
    known = cast(
        "type[IRDLOperation]", kind
    ).get_irdl_definition().properties.keys() | {
        "operandSegmentSizes",
        "resultSegmentSizes",
    }
    return kind.create(
        operands=operands,
        result_types=types,
        properties={n: a for n, a in attributes.items() if n in known},
        attributes={n: a for n, a in attributes.items() if n not in known},
        regions=regions,
    )


def static_shape(kind: Attribute) -> tuple[int, ...]:
    """The shape of a tensor type."""
    return tuple(cast("TensorType[Attribute]", kind).get_shape())


RESHAPES = ("tensor.expand_shape", "tensor.collapse_shape")


def reshape_scalar(source: SSAValue, target: Attribute) -> list[Operation]:
    """
    A tensor of one element in another shape, one of the two of rank 0.

    xDSL's reshapes insist on dimensions to group: take the element out and put it back.
    """
    kind = cast("TensorType[Attribute]", source.type)
    zero = ConstantOp(IntegerAttr(0, IndexType()))
    places = [zero.result] * len(kind.get_shape())
    element = ExtractOp(source, places, kind.element_type)
    made = FromElementsOp.create(operands=[element.result], result_types=[target])
    return [*([zero] if places else []), element, made]


def generalise(
    name: str,
    operands: Sequence[SSAValue],
    types: Sequence[Attribute],
    attributes: Mapping[str, Attribute],
    regions: Sequence[Region],
) -> Operation:
    """A named linalg op as `linalg.generic`: a loop that no output depends on reduces."""
    maps = cast("ArrayAttr[AffineMapAttr] | None", attributes.get("indexing_maps"))
    if maps is None:
        raise LoweringError(f"no lowering for `{name}`, which has no indexing maps")
    outputs = len(types)
    kept = {
        expr.position
        for m in maps.data[-outputs:]
        for expr in m.data.results
        if isinstance(expr, AffineDimExpr)
    }
    kinds = [
        IteratorTypeAttr.parallel() if d in kept else IteratorTypeAttr.reduction()
        for d in range(maps.data[0].data.num_dims)
    ]
    segments = [len(operands) - outputs, outputs]
    return GenericOp.create(
        operands=operands,
        result_types=types,
        properties={
            "indexing_maps": maps,
            "iterator_types": ArrayAttr(kinds),
            "operandSegmentSizes": DenseArrayBase.from_list(i32, segments),
        },
        regions=regions,
    )
