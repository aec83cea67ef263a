"""Pipeline `host`: what of a layer is one kernel, that its values stay on the way to functions, and that all have native code."""

from collections.abc import Sequence

import ml_dtypes
import numpy as np
import pytest
import torch
from region_testing import NOMINAL, linear, norm, ternary_weight, traced
from torch import Tensor
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import CallOp, FuncOp

from dfc.driver import new_context, run_passes
from dfc.frontends.lower import lower
from dfc.levels import attach_target, passes_to, pipeline_of
from dfc.passes.outline_kernels import OutlineKernelsPass
from dfc.pipelines import NATIVE
from dfc.runtime.interpreter import run

HIDDEN, INNER, KEYS = 52, 100, 20
NUMPY = {torch.float32: np.float32, torch.bfloat16: ml_dtypes.bfloat16}


def layer(
    mixed: Tensor, residual: Tensor, *weights: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """From one attention of a BitNet to the next: output projection, MLP, and q, k and v of the next layer."""
    mixed_norm, o, mlp_norm, gate, up, inner_norm, down, next_norm, q, k, v = weights
    h = residual + linear(norm(mixed, mixed_norm), o)
    x = norm(h, mlp_norm)
    y = torch.relu(linear(x, gate)).square() * linear(x, up)
    h = h + linear(norm(y, inner_norm), down)
    x = norm(h, next_norm)
    return linear(x, q), linear(x, k), linear(x, v), h


def weights(dtype: torch.dtype) -> list[Tensor]:
    """What `layer` multiplies by."""

    def scales(size: int) -> Tensor:
        return torch.linspace(0.5, 1.5, size).to(dtype)

    shapes = [
        (HIDDEN, HIDDEN), (INNER, HIDDEN), (INNER, HIDDEN), (HIDDEN, INNER),
        (HIDDEN, HIDDEN), (KEYS, HIDDEN), (KEYS, HIDDEN),
    ]  # fmt: skip
    o, gate, up, down, q, k, v = (
        ternary_weight(*shape, dtype, seed) for seed, shape in enumerate(shapes)
    )
    return [
        scales(HIDDEN), o, scales(HIDDEN), gate, up, scales(INNER), down,
        scales(HIDDEN), q, k, v,
    ]  # fmt: skip


def levels(dtype: torch.dtype) -> dict[str, ModuleOp]:
    """The layer at the levels that lead to native code."""
    function = traced(layer, [HIDDEN, HIDDEN], weights(dtype), dtype)
    module, context = lower([function]), new_context()
    attach_target(module, "host", {})
    pipeline = pipeline_of(module)
    found: dict[str, ModuleOp] = {}
    for level in ("tensor", "fused", "tiled"):
        run_passes(passes_to(level, pipeline), module, context)
        found[level] = module.clone()
    found["outlined"] = module.clone()
    run_passes([OutlineKernelsPass()], found["outlined"], context)
    run_passes(passes_to(NATIVE, pipeline, "portable"), module, context)
    found[NATIVE] = module
    return found


def arrays(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Tensors as the interpreter takes them."""
    return [t.float().numpy().astype(NUMPY[t.dtype]) for t in tensors]


def functions(module: ModuleOp) -> dict[str, FuncOp]:
    """The functions of a module by name."""
    return {op.sym_name.data: op for op in module.ops if isinstance(op, FuncOp)}


def values(module: ModuleOp, rows: Sequence[np.ndarray], dtype: torch.dtype):
    """The results of the layer, its weights prepared at this level."""
    given = arrays(weights(dtype))
    named = {f"w{n}": value for n, value in enumerate(given, len(rows))}
    made = run(module, "weights", (), weights=named)
    prepared = {f"@weights:{n}": np.asarray(value) for n, value in enumerate(made)}
    return run(module, "region", rows, weights=named | prepared)


@pytest.mark.parametrize("dtype", NUMPY, ids=str)
def test_a_layer_is_eight_calls_whose_values_stay(dtype: torch.dtype):
    made = levels(dtype)
    found = functions(made["outlined"])
    calls = [op for op in found["region"].walk() if isinstance(op, CallOp)]
    assert [len(call.results) for call in calls] == [2, 1, 3, 2, 2, 1, 3, 3]
    products = [
        sum(
            op.name == "ternary.matmul"
            for op in found[call.callee.string_value()].walk()
        )
        for call in calls
    ]
    assert products == [0, 1, 0, 2, 0, 1, 0, 3]
    random = torch.Generator().manual_seed(1)
    rows = arrays(
        [torch.randn(NOMINAL, HIDDEN, generator=random).to(dtype) for _ in range(2)]
    )
    expected = values(made["tensor"], rows, dtype)
    for level in ("fused", "tiled", "outlined"):
        got = values(made[level], rows, dtype)
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_every_kernel_of_a_layer_has_native_code():
    made = levels(torch.bfloat16)
    called = functions(made["outlined"]).keys() - {"weights", "region"}
    found = functions(made[NATIVE])
    assert {found[name].attributes["dfc.isa"].data for name in called} == {"portable"}
    dialects = {op.name.partition(".")[0] for op in made[NATIVE].walk()}
    assert not dialects & {"ternary", "linalg", "tensor", "accel", "stream"}
