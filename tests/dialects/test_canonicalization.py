"""What canonicalize and cse rewrite computes the same values as before."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects import test
from xdsl.dialects.builtin import IndexType, ModuleOp, TensorType, i8
from xdsl.dialects.func import FuncOp
from xdsl.dialects.shard import GridOp
from xdsl.parser import Parser
from xdsl.transforms.canonicalize import CanonicalizePass
from xdsl.transforms.common_subexpression_elimination import (
    CommonSubexpressionElimination,
)
from xdsl.universe import Universe

from dfc.dialects.ternary import TritType
from dfc.runtime.interpreter import run

FILES = Path(__file__).parents[1] / "filecheck/dialects"


def context() -> Context:
    """A context that knows every dialect."""
    made = Context()
    for name, load in Universe.get_multiverse().all_dialects.items():
        made.register_dialect(name, load)
    return made


def functions() -> list[Any]:
    """The functions of the dialects' canonicalize.mlir that map tensors to tensors."""
    found: list[Any] = []
    for path in sorted(FILES.glob("*/canonicalize.mlir")):
        module = Parser(context(), path.read_text()).parse_module()
        for op in module.ops:
            if isinstance(op, GridOp):
                continue
            assert isinstance(op, FuncOp)
            kinds = (*op.function_type.inputs, *op.function_type.outputs)
            plain = all(isinstance(kind, TensorType | IndexType) for kind in kinds)
            opaque = any(isinstance(inner, test.TestOp) for inner in op.walk())
            if plain and not opaque and op.function_type.outputs.data:
                name = f"{path.parent.name}.{op.sym_name.data}"
                found.append(pytest.param(op, id=name))
    return found


def random_input(kind: Any, rng: np.random.Generator) -> Any:
    """A value of a type: position 3 for an index, trits, 2-bit codes of trits or floats for a tensor."""
    if isinstance(kind, IndexType):
        return 3
    if kind.element_type == i8:
        codes = rng.integers(0, 3, (4, *kind.get_shape()), np.uint8)
        return sum(code << 2 * place for place, code in enumerate(codes)).view(np.int8)
    if isinstance(kind.element_type, TritType):
        return rng.integers(-1, 2, kind.get_shape(), np.int8)
    return rng.standard_normal(kind.get_shape()).astype(np.float32)


@pytest.mark.parametrize("function", functions())
def test_values_stay(function: FuncOp):
    rng = np.random.default_rng(0)
    inputs = [random_input(kind, rng) for kind in function.function_type.inputs]
    parent = function.parent_op()
    assert isinstance(parent, ModuleOp)
    grids = [op.clone() for op in parent.ops if isinstance(op, GridOp)]
    module = ModuleOp([*grids, function.clone()])
    before = run(module, function.sym_name.data, inputs)
    for rewrite in (CanonicalizePass(), CommonSubexpressionElimination()):
        rewrite.apply(context(), module)
        module.verify()
    after = run(module, function.sym_name.data, inputs)
    assert len(before) == len(after)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_rewrite_over_tensors_is_among_them():
    names = {case.id for case in functions()}
    assert names >= {
        "ternary.unpack_of_pack",
        "ternary.padded_tile",
        "ternary.pack_of_unpack",
        "ternary.pack_of_unpacked_row",
        "attention.wide_window",
        "stream.fork_of_one",
        "stream.dead_nodes",
        "stream.converted",
        "socket.values",
    }
