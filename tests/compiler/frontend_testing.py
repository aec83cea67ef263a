"""What the tests of front ends share: run a traced function at tensor level and compare it with eager."""

import numpy as np
from xdsl.dialects.builtin import FunctionType, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp

from dfc.frontends import Traced, eager_run
from dfc.frontends.traced import Value
from dfc.runtime.interpreter import run


def function(traced: Traced, name: str) -> FuncOp:
    """A function of the traced module."""
    for op in traced.module.ops:
        if isinstance(op, FuncOp) and op.sym_name.data == name:
            return op
    raise KeyError(name)


def error(got: object, want: object) -> float:
    """The largest difference relative to the largest wanted value."""
    a, b = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert a.shape == b.shape
    return float(np.abs(a - b).max() / max(1e-30, np.abs(b).max()))


def agree(
    traced: Traced, name: str, inputs: list[Value], tolerance: float = 1e-5
) -> list[np.ndarray]:
    """Eager's results, compared with those of the interpreter at tensor level."""
    want = eager_run(traced, name, inputs)
    got = run(traced.module, name, inputs, weights=traced.weights)
    assert len(got) == len(want)
    assert max(map(error, got, want)) < tolerance
    return want


def expose(traced: Traced, name: str) -> list[str]:
    """Make an entry function return every value that stands for a node; their identities."""
    op = function(traced, name)
    last = op.body.block.last_op
    assert isinstance(last, ReturnOp)
    identities: list[str] = []
    extra = []
    for each in op.body.block.ops:
        origin = each.attributes.get("dfc.origin")
        if isinstance(origin, StringAttr) and "~" not in origin.data and each.results:
            single = len(each.results) == 1
            for index, result in enumerate(each.results):
                identities.append(origin.data if single else f"{origin.data}.{index}")
                extra.append(result)
    last.operands = [*last.operands, *extra]
    outputs = [value.type for value in last.operands]
    op.properties["function_type"] = FunctionType.from_lists(
        list(op.function_type.inputs), outputs
    )
    return identities
