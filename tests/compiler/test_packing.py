"""Packed weights and int8 layers: the operators, `dfc.pack`, and that every way to run them agrees."""

import weakref

import numpy as np
import pytest
import torch
from frontend_testing import agree
from torch import Tensor, nn

import dfc
from dfc import zoo
from dfc.dialects.ternary import PackingAttr
from dfc.errors import InputError
from dfc.frontends import ops, trace_language_model, trace_module
from dfc.frontends.int8 import Int8Embedding, Int8Linear, quantize_rows
from dfc.frontends.packing import PackedLinear
from dfc.runtime.errors import ExecutionError, ModelError
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
    s = 127 / x.float().abs().amax(1, keepdim=True)
    q = (x.float() * s).round().double()
    want = q @ layer.weight.double().t() / s.double() * layer.scale
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


IDS = torch.arange(7)[None]


def bitnet(linear: str = "autobitlinear", tied: bool = False) -> nn.Module:
    entry = zoo.find("bitnet-tiny").model_copy(update={"linear": linear})
    model = zoo.build(entry, abstract=False)
    if tied:
        model.lm_head.weight = model.model.embed_tokens.weight
    return model


def logits(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model(IDS, use_cache=False).logits


@pytest.mark.parametrize(
    ("linear", "code"),
    [
        ("bitlinear", "trits1in2"),
        ("autobitlinear", "trits3in5"),
        ("autobitlinear-online", "trits5in8"),
    ],
)
def test_a_packed_model_gives_the_prepared_ones_numbers(linear: str, code: str):
    model = bitnet(linear)
    packed_model = dfc.pack(model, code)
    kinds = [type(m).__name__ for m in packed_model.modules()]
    assert kinds.count("PackedLinear") == 14
    assert "TernaryLinear" not in kinds
    assert torch.equal(logits(packed_model), logits(dfc.prepare(model)))


@pytest.mark.parametrize("bias", [False, True])
def test_a_packed_layer_keeps_scale_bias_and_norm(bias: bool):
    from transformers.integrations.bitnet import AutoBitLinear

    layer = AutoBitLinear(20, 7, bias=bias, use_rms_norm=True)
    layer.weight.data = random_trits(4, 7, 20).float() * 0.5
    layer.weight_scale.fill_(0.3)
    x = torch.randn(2, 3, 20)
    with torch.no_grad():
        assert torch.equal(dfc.pack(layer)(x), dfc.prepare(layer)(x))


def test_a_packed_copy_holds_bytes_only_and_leaves_the_original():
    layer = nn.Linear(64, 32, bias=False)
    layer.weight.data = random_trits(5, 32, 64).float()
    before = layer.weight.data_ptr()
    found = dfc.pack(layer)
    assert type(found) is PackedLinear
    held = sum(t.nbytes for t in (*found.parameters(), *found.buffers()))
    assert held == 32 * 64 // 4 + 4
    assert (type(layer), layer.weight.data_ptr()) == (nn.Linear, before)
    gone = weakref.ref(layer.weight)
    del layer
    assert gone() is None


def test_a_layer_in_two_places_is_packed_in_both():
    layer = nn.Linear(16, 16, bias=False)
    layer.weight.data = random_trits(6, 16, 16).float()
    found = dfc.pack(dfc.prepare(nn.Sequential(layer)))
    twice = dfc.pack(nn.ModuleList([found[0], found[0]]))
    assert twice[0] is twice[1]
    shared = dfc.prepare(nn.Sequential(layer))
    both = dfc.pack(nn.ModuleDict({"a": shared[0], "b": shared[0]}))
    assert type(both["a"]) is PackedLinear
    assert both["a"] is both["b"]


@pytest.mark.parametrize("code", ["trits1in2", "trits3in5"])
def test_state_round_trip(code: str):
    one = dfc.pack(bitnet(), code, quantize_lm_head=True)
    other = bitnet()
    with torch.no_grad():
        for p in other.parameters():
            p.neg_()
    other = dfc.pack(other, code, quantize_lm_head=True)
    assert not torch.equal(logits(one), logits(other))
    other.load_state_dict(one.state_dict())
    assert torch.equal(logits(one), logits(other))


def test_casting_a_packed_model_keeps_its_trits():
    model = dfc.pack(bitnet(), quantize_lm_head=True).bfloat16()
    want = dfc.pack(bitnet(), quantize_lm_head=True)
    layer = model.model.layers[0].mlp.up_proj
    assert layer.weight.dtype == torch.uint8
    assert logits(model).shape == logits(want).shape


@pytest.mark.parametrize("tied", [False, True])
def test_the_head_in_int8(tied: bool):
    model = bitnet(tied=tied)
    found = dfc.pack(model, quantize_lm_head=True)
    head, embedding = found.lm_head, found.model.embed_tokens
    assert (type(head), type(embedding)) == (Int8Linear, Int8Embedding)
    assert (head.weight is embedding.weight) == tied
    assert (head.weight_scale is embedding.weight_scale) == tied
    w = model.lm_head.weight.detach()
    torch.testing.assert_close(
        head.weight * head.weight_scale[:, None], w, rtol=0, atol=w.abs().max() / 250
    )
    want = logits(dfc.pack(model))
    assert (logits(found) - want).abs().max() < 0.1 * want.abs().max()
    traced = trace_language_model(found, prefill=4, decode=1, capacity=5)
    agree(traced, "prefill", traced.random_inputs("prefill"))
    names = [op.name for op in traced.module.walk()]
    assert names.count("ternary.unpack") == 2 * 7  # layers are equal: one function each


def test_rows_are_quantised_by_their_largest():
    w = torch.tensor([[0.5, -1.0], [0.0, 0.0], [254.0, 3.0]]).bfloat16()
    rows, scales = quantize_rows(w)
    # 0.5 * 127 rounds half to even; 3 / 2 too
    assert rows.tolist() == [[64, -127], [0, 0], [127, 2]]
    assert scales.tolist() == [float(np.float32(1) / np.float32(127)), 1.0, 2.0]


def test_many_rows_are_quantised_in_parts(monkeypatch: pytest.MonkeyPatch):
    w = torch.randn(50, 8)
    rows, scales = quantize_rows(w)
    monkeypatch.setattr(ops, "ROWS", 7)
    again, same = quantize_rows(w)
    assert torch.equal(rows, again)
    assert torch.equal(scales, same)


@pytest.mark.parametrize("options", [{"backend": "aot_eager"}, {"backend": "dfc"}])
def test_packed_models_under_torch_compile(options: dict[str, str]):
    model = dfc.pack(bitnet(tied=True), quantize_lm_head=True)
    if options["backend"] == "dfc":
        chosen = {"target": "tiny-npu", "fallback": "error"}
        compiled = torch.compile(model, backend="dfc", options=chosen)
    else:
        compiled = torch.compile(model, **options)
    torch.testing.assert_close(logits(compiled), logits(model), rtol=1e-4, atol=1e-5)


def test_a_packed_layer_on_a_machine_is_packed_again_for_it():
    layer = nn.Linear(40, 24)
    layer.weight.data = random_trits(7, 24, 40).float()
    model, x = dfc.pack(layer), torch.randn(3, 40)
    program = dfc.compile(model, (x,), target="tiny-npu")
    (weights, *_) = program.module("tiled").ops
    names = [op.name for op in weights.walk()]
    assert {"ternary.unpack", "ternary.pack"} <= set(names)
    with torch.no_grad():
        torch.testing.assert_close(program(x), model(x), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("code", ["trits1in2", "trits3in5"])
def test_the_host_uses_packed_bytes_where_they_stand(code: str):
    layer = nn.Linear(40, 24)
    layer.weight.data = random_trits(8, 24, 40).float()
    model, x = dfc.pack(layer, code), torch.randn(3, 40)
    packing = f"{code}, order = interleaved"
    overrides = {"unit.product.packing": packing}
    program = dfc.compile(model, (x,), target="host", overrides=overrides)
    (weights, *_) = program.module("tiled").ops
    assert [op.name for op in weights.body.block.ops] == ["func.return"]
    with torch.no_grad():
        torch.testing.assert_close(program(x), model(x), rtol=1e-6, atol=1e-5)


def test_what_cannot_be_packed():
    with pytest.raises(InputError, match="no code is called `trits2in3`"):
        dfc.pack(nn.Linear(4, 4), "trits2in3")
    with pytest.raises(ModelError, match="an LM head to quantise, got `Linear`"):
        dfc.pack(nn.Linear(4, 4), quantize_lm_head=True)
    with torch.device("meta"):
        model = nn.Linear(4, 4)
    with pytest.raises(ModelError, match="an abstract one in `weight`"):
        dfc.pack(model)
