"""Norms and activations of PyTorch, as the front end makes them: each becomes one kernel, with the interpreter's values."""

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pass_testing import apply_to_clone, function
from torch import Tensor, nn

from dfc.api import trace
from dfc.passes.convert_rows_to_vector import ConvertRowsToVectorPass
from dfc.runtime.interpreter import run
from dfc.runtime.interpreter.dtypes import Array, dtype_of, shape_of
from dfc.runtime.native.kernel import load_kernels

TOKENS, COLUMNS = 5, 53


def root_mean_square(x: Tensor, w: Tensor) -> Tensor:
    """As in transformers."""
    wide = x.float()
    factor = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)
    return w * (wide * factor).to(x.dtype)


FORMS: dict[str, Callable[["Module", Tensor, Tensor], Tensor]] = {
    "norm of a sum": lambda m, x, y: root_mean_square(x + y, m.w),
    "gemma's norm": lambda m, x, _: root_mean_square(x.float(), 1 + m.w.float()),
    "relu squared": lambda m, x, y: root_mean_square(F.relu(x).square() * y, m.w),
    "silu": lambda _, x, y: F.silu(x) * y,
    "gelu": lambda _, x, y: F.gelu(x) * y,
    "gelu by tanh": lambda _, x, y: F.gelu(x, approximate="tanh") * y,
    "layer norm": lambda m, x, y: m.norm(x + y),
    "softmax": lambda _, x, y: F.softmax(x + y, -1),
    "softplus": lambda _, x, y: F.softplus(x) + torch.sigmoid(y),
    "clamp": lambda _, x, y: torch.where(x > y, x.clamp(-1, 1), torch.tanh(y)),
}


class Module(nn.Module):
    """One form."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = FORMS[form]
        self.norm = nn.LayerNorm(COLUMNS)
        self.w = nn.Parameter(torch.linspace(0.5, 1.5, COLUMNS))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.form(self, x, y)


def as_array(value: Tensor) -> Array:
    """A tensor's values."""
    if value.dtype == torch.bfloat16:
        return value.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return value.numpy()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_a_form_is_one_kernel(form: str, dtype: str):
    torch.manual_seed(0)
    kind = getattr(torch, dtype)
    module = Module(form).to(kind)
    rows = [torch.randn(1, TOKENS, COLUMNS).to(kind) for _ in range(2)]
    made = trace(module, tuple(rows), {}).module
    main = function(made, "main")
    weights = module.state_dict()
    inputs = [as_array(each) for each in rows]
    for attributes in list(main.arg_attrs or ())[2:]:
        inputs.append(as_array(weights[attributes.data["dfc.weight"].data]))
    (expected,) = run(made, "main", inputs)
    kernel = load_kernels(apply_to_clone(ConvertRowsToVectorPass(), made))["main"]
    (result,) = main.function_type.outputs
    found = np.zeros(shape_of(result), dtype_of(result))
    kernel([each.ctypes.data for each in (*inputs, found)], TOKENS)
    eager = as_array(module(*rows)).astype(np.float64)
    tolerance = 3e-6 if dtype == "float32" else 2e-2
    for other in (expected.astype(np.float64), eager):
        np.testing.assert_allclose(
            found.astype(np.float64), other, rtol=tolerance, atol=tolerance
        )
