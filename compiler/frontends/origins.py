# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false
"""Origins: every op says which FX node it comes from, and each node's value has one name."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

import torch
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, StringAttr, TensorType
from xdsl.ir import Attribute, Operation

from dfc.frontends.functions import Function
from dfc.runtime.mlir import ORIGIN

ELEMENTS = {
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.float32: "f32",
    torch.float64: "f64",
    torch.uint8: "i8",
    torch.int8: "i8",
    torch.int16: "i16",
    torch.int32: "i32",
    torch.int64: "i64",
    torch.bool: "i1",
}
"""How the elements of a torch tensor are written in MLIR, which has no signs."""


def name_values(op: func.FuncOp, function: Function) -> None:
    """
    Number the ops of each FX node.

    The last op with the node's own shape and dtype carries `module.path:node`, the others
    `module.path:node~1`, `~2`, … in order; an op without an FX node counts as its function's.
    """
    expected = {
        node.meta["dfc.origin"]: node.meta.get("val") for node in function.graph.nodes
    }
    groups: dict[str, list[Operation]] = defaultdict(list)
    for each in op.body.block.ops:
        groups[origin_name(each, function.name)].append(each)
    for name, ops in groups.items():
        matching = [each for each in ops if stands_for(each, expected.get(name))]
        last = matching[-1] if matching else None
        number = 0
        for each in ops:
            number += each is not last
            own = name if each is last else f"{name}~{number}"
            label(each, own)


def origin_name(op: Operation, function: str) -> str:
    """The FX node an op was made for; of several the last."""
    found: Attribute | None = op.attributes.get(ORIGIN)
    if isinstance(found, ArrayAttr):
        found = found.data[-1]
    return found.data if isinstance(found, StringAttr) else f":{function}"


def stands_for(op: Operation, value: Any) -> bool:
    """Whether an op gives the value of an FX node, judged by shape and dtype."""
    if isinstance(op, func.CallOp | func.ReturnOp):
        return True
    if isinstance(value, tuple | list):
        parts = cast("Sequence[Any]", value)
        return bool(parts) and len(parts) == len(op.results)
    if value is None or len(op.results) != 1:
        return False
    kind = op.results[0].type
    if not isinstance(kind, TensorType) or tuple(kind.get_shape()) != tuple(
        value.shape
    ):
        return False
    return str(cast(Any, kind).element_type) == ELEMENTS.get(value.dtype)


def label(op: Operation, origin: str) -> None:
    """Set an op's origin; the ops of its regions share it."""
    for each in op.walk():
        each.attributes[ORIGIN] = StringAttr(origin)
