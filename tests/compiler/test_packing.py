"""Packed weights and int8 layers: the operators, `dfc.pack`, and that every way to run them agrees."""

import numpy as np
import pytest
import torch
from frontend_testing import agree
from torch import Tensor, nn

import dfc
from dfc.dialects.ternary import PackingAttr
from dfc.frontends import ops, trace_module
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.packing import pack

WAYS = [("trits1in2", "rows"), ("trits1in2", "interleaved"), ("trits1in2", "quarters")]
WAYS += [("trits3in5", "rows"), ("trits5in8", "rows")]


def random_trits(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(
        np.random.default_rng(seed).integers(-1, 2, shape, dtype=np.int8)
    )


def packed(trits: Tensor, code: str, order: str) -> Tensor:
    """A weight as one tile of bytes, 1 x bytes."""
    shape = (trits.shape[0], trits.shape[1])
    array = pack(trits.numpy(), PackingAttr(code, order), shape)
    return torch.from_numpy(array.view(np.uint8))


class Unpacked(nn.Module):
    """A ternary layer on packed bytes."""

    def __init__(self, trits: Tensor, code: str, order: str, row: bool) -> None:
        super().__init__()
        stored = packed(trits, code, order)
        self.weight = nn.Buffer(stored if row else stored.reshape(-1, 4))
        self.scale = nn.Buffer(torch.tensor(0.5))
        self.way = (*trits.shape, code, order)

    def forward(self, x: Tensor) -> Tensor:
        return ops.linear(x, ops.unpack(self.weight, *self.way), self.scale)


@pytest.mark.parametrize(("code", "order"), WAYS)
def test_unpack_is_the_inverse_of_pack(code: str, order: str):
    trits = random_trits(0, 20, 33)
    found = ops.unpack(packed(trits, code, order), 20, 33, code, order)
    assert torch.equal(found, trits)
    assert found.dtype == torch.int8


def test_unpack_counts_the_bytes_and_refuses_what_is_no_code():
    with pytest.raises(ExecutionError, match=r"expected 16 packed bytes .* got 15"):
        ops.unpack(torch.zeros(15, dtype=torch.uint8), 8, 8, "trits1in2", "rows")
    with pytest.raises(ExecutionError, match="stands for no trits"):
        ops.unpack(torch.full((16,), 255, dtype=torch.uint8), 8, 8, "trits1in2", "rows")


@pytest.mark.parametrize("row", [True, False])
@pytest.mark.parametrize(("code", "order"), WAYS[:3])
def test_unpack_becomes_the_op_of_the_dialect(code: str, order: str, row: bool):
    layer = Unpacked(random_trits(1, 16, 32), code, order, row)
    x = torch.randn(3, 32)
    traced = trace_module(layer, (x,))
    (op,) = [op for op in traced.module.walk() if op.name == "ternary.unpack"]
    assert str(op.properties["packing"]).endswith(f"<{code}, order = {order}>")
    agree(traced, "main", [x.numpy()])


def test_bitlinear_weights_are_unpacked_and_packed_for_the_target():
    from transformers.integrations.bitnet import BitLinear, pack_weights

    layer, trits = BitLinear(40, 24, bias=False), random_trits(3, 24, 40)
    layer.weight.copy_(pack_weights(trits.clone()))
    layer.weight_scale.fill_(2.0)
    prepared, x = dfc.prepare(layer), torch.randn(3, 40)
    program = dfc.compile(prepared, (x,), target="tiny-npu")
    (weights, *_) = program.module("tiled").ops
    names = [op.name.partition(".")[2] for op in weights.walk()]
    assert names[1:4] == ["collapse_shape", "unpack", "pack"]
    assert "order = quarters" in str(weights)
    with torch.no_grad():
        want = ops.linear(x, trits, torch.tensor(0.5))
        torch.testing.assert_close(program(x), want, rtol=1e-6, atol=1e-5)


class Int8(nn.Module):
    """A layer in 8-bit integers."""

    def __init__(self, bias: bool, dtype: torch.dtype) -> None:
        super().__init__()
        random = np.random.default_rng(2)
        w = random.integers(-127, 128, (24, 40), dtype=np.int8)
        self.weight = nn.Buffer(torch.from_numpy(w))
        self.scale = nn.Buffer(torch.linspace(0.01, 0.02, 24))
        self.bias = nn.Buffer(torch.linspace(-3, 3, 24).to(dtype)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return ops.linear_int8(x, self.weight, self.scale, self.bias)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_linear_int8_is_its_equation(bias: bool, dtype: torch.dtype):
    layer = Int8(bias, dtype)
    x = torch.randn(5, 40).to(dtype)
    wide = x.double()
    s = 127 / wide.abs().amax(1, keepdim=True)
    want = (wide * s).round() @ layer.weight.double().t() / s * layer.scale
    if layer.bias is not None:
        want = want + layer.bias
    found = layer(x)
    assert found.dtype == dtype
    torch.testing.assert_close(
        found.double(), want, rtol=2 * torch.finfo(dtype).eps, atol=1e-5
    )


def test_linear_int8_is_an_exact_product_in_the_ir():
    layer, x = Int8(True, torch.float32), torch.randn(3, 40)
    traced = trace_module(layer, (x,))
    names = [op.name for op in traced.module.walk()]
    assert names.count("linalg.generic") == 1
    assert {"ternary.quantize", "ternary.dequantize"} <= set(names)
    agree(traced, "main", [x.numpy()])
    program = dfc.compile(layer, (x,), target="tiny-npu")
    with torch.no_grad():
        torch.testing.assert_close(program(x), layer(x), rtol=1e-6, atol=1e-5)


def test_linear_int8_sums_beyond_float32():
    # 127 * 127 * 2^14 is above 2^24, and one less stays one less
    k = 2**14
    x = torch.full((1, k), 127.0)
    w = torch.full((1, k), 127, dtype=torch.int8)
    w[0, -1] = 126
    assert (
        ops.linear_int8(x, w, torch.ones(1)).double()
        == torch.tensor(float(127 * 127 * k - 127)).double()
    )
