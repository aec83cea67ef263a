"""`dfc.prepare` and `dfc.ternarize`: what they replace, and that values stay or become a BitNet's."""

import numpy as np
import pytest
import torch
from frontend_testing import agree, error
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import dfc
from dfc import zoo
from dfc.frontends import ops, trace_language_model, trace_module
from dfc.frontends.preparation import TernaryLinear
from dfc.runtime.interpreter import attention as interpreter_attention
from dfc.runtime.interpreter import ternary as interpreter_ternary


@pytest.mark.parametrize(
    "linear", ["bitlinear", "autobitlinear", "autobitlinear-online"]
)
def test_each_bitnet_class_keeps_its_values(linear: str):
    entry = zoo.find("bitnet-tiny").model_copy(update={"linear": linear})
    model = zoo.build(entry, abstract=False)
    prepared = dfc.prepare(model)
    ids = torch.arange(7)[None]
    with torch.no_grad():
        want = model(ids, use_cache=False).logits
        assert error(prepared(ids, use_cache=False).logits, want) < 1e-5
    traced = trace_language_model(model, prefill=4, decode=0, capacity=4)
    agree(traced, "prefill", traced.random_inputs("prefill"))
    names = [op.name for op in traced.module.walk()]
    assert names.count("ternary.linear") == 7


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("online", [False, True])
def test_autobitlinear_scales_its_bias_as_shipped(bias: bool, online: bool):
    from transformers.integrations.bitnet import AutoBitLinear

    with zoo.seeded(0):
        layer = AutoBitLinear(8, 6, bias=bias, online_quant=online, use_rms_norm=True)
        x = torch.randn(3, 5, 8)
        if not online:
            layer.weight.data = torch.randint(-1, 2, (6, 8)).float()
            layer.weight_scale.fill_(0.3)
    with torch.no_grad():
        assert error(dfc.prepare(layer)(x), layer(x)) < 1e-5


def test_unpack_is_the_inverse_of_transformers_packing():
    from transformers.integrations.bitnet import pack_weights

    trits = torch.randint(-1, 2, (12, 5))
    packed = pack_weights(trits.clone())
    found = ops.unpack(packed, 12, 5, "trits1in2", "quarters")
    assert torch.equal(found, trits.to(torch.int8))


def test_a_linear_layer_is_ternary_by_its_weights_values():
    with zoo.seeded(0):
        model = nn.Sequential(nn.Linear(16, 8), nn.Linear(8, 4))
    model[0].weight.data = torch.randint(-1, 2, (8, 16)) * 0.5
    prepared = dfc.prepare(model)
    assert [type(layer) for layer in prepared] == [TernaryLinear, nn.Linear]
    assert prepared[0].weight is model[0].weight
    assert type(model[0]) is nn.Linear
    model[0].weight.data[0, 0] = 0.25
    assert type(dfc.prepare(model)[0]) is nn.Linear


def test_abstract_weights_are_ternary_by_class_only():
    with torch.device("meta"):
        model = nn.Linear(4, 4)
    assert type(dfc.prepare(model)) is nn.Linear


def test_ternarize_leaves_the_head_and_what_is_skipped():
    model = zoo.build(zoo.find("llama-tiny"), abstract=False)
    made = dfc.ternarize(model, skip=["model.layers.1.mlp"])
    kinds = {
        n: type(m).__name__ for n, m in made.named_modules() if hasattr(m, "weight")
    }
    assert kinds["model.layers.0.mlp.up_proj"] == "TernaryLinear"
    assert kinds["model.layers.1.mlp.up_proj"] == "Linear"
    assert kinds["model.layers.1.self_attn.q_proj"] == "TernaryLinear"
    assert kinds["lm_head"] == "Linear"


def test_ternarize_is_absmean_weights_and_absmax_activations():
    with zoo.seeded(0):
        layer, x = nn.Linear(32, 8), torch.randn(4, 32)
    w = layer.weight.detach().numpy().astype(np.float64)
    scale = np.abs(w).mean()
    trits = np.clip(np.rint(w / scale), -1, 1)
    s = 127 / np.abs(x.numpy()).max(1, keepdims=True)
    q = np.clip(np.rint(x.numpy() * s), -128, 127)
    want = q @ trits.T / s * scale + layer.bias.detach().numpy()
    with torch.no_grad():
        assert error(dfc.ternarize(layer)(x), want) < 1e-6
    traced = trace_module(dfc.ternarize(layer), (x,))
    assert {"ternary.ternarize", "ternary.linear"} <= {
        op.name for op in traced.module.walk()
    }
    agree(traced, "main", [x.numpy()])


def test_a_weight_that_is_not_three_valued_cannot_be_taken_as_one():
    with pytest.raises(ValueError, match="-s, 0 and s only"):
        ops.ternarize(torch.tensor([[1.0, 0.5]]), "exact")
    trits, scale = ops.ternarize(torch.zeros(2, 2), "exact")
    assert (trits.abs().sum(), scale) == (0, 1)


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("softcap", [None, 2.0])
def test_sdpa_is_pytorchs_attention(window: int | None, softcap: float | None):
    with zoo.seeded(0):
        q, k, v = (
            torch.randn(2, 4, 6, 8),
            torch.randn(2, 2, 6, 8),
            torch.randn(2, 2, 6, 8),
        )
    row, key = torch.arange(6)[:, None], torch.arange(6)[None]
    seen = (key <= row) & (key > row - (window or 6))
    scores = q @ k.repeat_interleave(2, 1).mT * 0.3
    scores = scores if softcap is None else softcap * torch.tanh(scores / softcap)
    want = torch.softmax(
        scores.masked_fill(~seen, -torch.inf), -1
    ) @ v.repeat_interleave(2, 1)
    got = ops.sdpa(q, k, v, None, None, True, window, 0.3, softcap)
    assert error(got, want) < 1e-6


def test_sdpa_reads_a_cache_up_to_its_position_only():
    with zoo.seeded(0):
        q, k, v = (
            torch.randn(1, 2, 1, 4),
            torch.randn(1, 2, 8, 4),
            torch.randn(1, 2, 8, 4),
        )
    want = ops.sdpa(q, k[:, :, :6], v[:, :, :6])
    k[:, :, 6:], v[:, :, 6:] = torch.nan, torch.nan
    assert error(ops.sdpa(q, k, v, torch.tensor(5), causal=True), want) < 1e-6


def test_padding_is_kept_as_a_mask():
    model = zoo.build(zoo.find("llama-tiny"), abstract=False)
    prepared = dfc.prepare(model)
    ids = torch.arange(10).reshape(2, 5)
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    with torch.no_grad():
        want = model(ids, attention_mask=mask, use_cache=False).logits
        got = prepared(ids, attention_mask=mask, use_cache=False).logits
    assert error(got[0], want[0]) < 1e-5
    assert error(got[1, 2:], want[1, 2:]) < 1e-5


def test_kv_write_refuses_what_does_not_fit():
    cache, new = torch.zeros(1, 1, 4, 2), torch.ones(1, 1, 2, 2)
    assert ops.kv_write(cache, new, torch.tensor(2)).sum() == 4
    with pytest.raises(ValueError, match="expected a position up to 2, got 3"):
        ops.kv_write(cache, new, torch.tensor(3))


def window_model():
    from transformers import MistralConfig, MistralForCausalLM

    config = MistralConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=64,
        sliding_window=3,
        pad_token_id=0,
    )
    with zoo.seeded(0):
        return MistralForCausalLM(config).eval()


@pytest.mark.parametrize("cache", [None, "static"])
@pytest.mark.parametrize("window", [False, True])
def test_generation_with_transformers_own_caches(cache: str | None, window: bool):
    model = (
        window_model() if window else zoo.build(zoo.find("llama-tiny"), abstract=False)
    )
    prepared = dfc.prepare(model)
    ids = torch.arange(1, 11).reshape(2, 5)
    options = {"max_new_tokens": 4, "do_sample": False, "cache_implementation": cache}
    options |= {"output_logits": True, "return_dict_in_generate": True}
    want, got = (m.generate(ids, **options) for m in (model, prepared))
    assert torch.equal(got.sequences, want.sequences)
    assert error(torch.stack(got.logits), torch.stack(want.logits)) < 1e-5


def test_a_chunk_of_a_prompt_after_another():
    model = zoo.build(zoo.find("llama-tiny"), abstract=False)
    prepared = dfc.prepare(model)
    ids = torch.arange(1, 8)[None]
    with torch.no_grad():
        want = model(ids, use_cache=False).logits[:, 3:]
        first = prepared(ids[:, :3], use_cache=True)
        got = prepared(ids[:, 3:], past_key_values=first.past_key_values).logits
    assert error(got, want) < 1e-5


def test_packed_sequences_do_not_see_each_other():
    model = zoo.build(zoo.find("llama-tiny"), abstract=False)
    ids = torch.arange(1, 8)[None]
    places = torch.tensor([[0, 1, 2, 0, 1, 2, 3]])
    with torch.no_grad():
        want = model(ids, position_ids=places, use_cache=False).logits
        got = dfc.prepare(model)(ids, position_ids=places, use_cache=False).logits
    assert error(got, want) < 1e-5


@pytest.mark.parametrize("seed", range(8))
def test_the_operator_ternarizes_as_the_interpreter_does(seed: int):
    torch.manual_seed(seed)
    w = 0.05 * torch.randn(512, 192)
    trits, scale = ops.ternarize(w, "absmean")
    expected, expected_scale = interpreter_ternary.ternarize(w.numpy(), "absmean")
    # bit by bit: a float32 mean depends on the order of its sum
    assert scale.item() == expected_scale.item()
    assert np.array_equal(trits.numpy(), expected)


def test_a_row_without_a_key_is_zero_in_eager_the_interpreter_and_torch():
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 3, 8) for _ in range(3))
    mask = torch.zeros(1, 1, 3, 3)
    mask[..., 1, :] = -torch.inf
    found = ops.sdpa(q, k, v, mask=mask)
    assert (found[:, :, 1] == 0).all()
    with sdpa_kernel(SDPBackend.MATH):
        want = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    ours = interpreter_attention.sdpa(
        q.numpy(), k.numpy(), v.numpy(), mask=mask.numpy()
    )
    assert torch.allclose(found, want, atol=1e-6)
    assert np.allclose(ours, want.numpy(), atol=1e-6)
