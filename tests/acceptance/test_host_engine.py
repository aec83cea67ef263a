"""Whole models on the host engine beside eager PyTorch: region by region on the same inputs, flips counted end to end."""

from typing import Any

import pytest
import torch

import dfc
from dfc import zoo
from dfc.host.check import Check, compare_calls
from dfc.host.generate import Generator

STEPS = 3


def build(name: str, linear: str, **config: int) -> Any:
    found = zoo.find(name)
    changes = {"linear": linear, "config": {**found.config, **config}}
    return zoo.build(found.model_copy(update=changes), abstract=False)


def check(model: Any, prompt: int) -> tuple[Check, Any]:
    """A prompt and some steps, the same tokens for both; the report of the last call."""
    options: dict[str, Any] = {"target": "host", "rest": "eager"}
    compiled = torch.compile(model, backend="dfc", options=options, dynamic=False)
    ours = Generator(model, compiled, prompt + STEPS)
    eager = Generator(model, model, prompt + STEPS)
    inputs = [ours.prompt(prompt, 0), *ours.prompt(STEPS, 1).split(1, 1)]
    pairs = [
        (lambda ids=ids: ours.logits(ids), lambda ids=ids: eager.logits(ids))
        for ids in inputs
    ]
    # the first call compiles; regions are watched once they are there
    ours.logits(inputs[0])
    ours.logits(inputs[1])
    report = dfc.last_report()
    ours.cache.reset()
    return compare_calls(pairs), report


@pytest.mark.slow
@pytest.mark.parametrize("linear", ["bitlinear", "autobitlinear"])
@pytest.mark.parametrize("head", [False, True], ids=["float head", "int8 head"])
def test_a_small_model(linear: str, head: bool):
    model = build("bitnet-tiny", linear)
    packed = dfc.pack(model, quantize_lm_head=head)
    found, report = check(packed, 16)
    assert report.fallbacks == []
    assert found.passed, found.as_dict()
    layers = [row for row in found.rows.values() if "o_proj" in row.name]
    assert sum(row.calls for row in layers) == 2 * (1 + STEPS)
    for row in found.rows.values():
        assert row.count.wrong == 0
        assert row.count.flips <= row.count.integers / 1000
    # in float32 a flip is rare even end to end
    assert found.ends.wrong + found.ends.flips <= found.ends.integers / 100
    assert found.tokens == 1 + STEPS
    assert found.tokens_differing == 0


@pytest.mark.slow
def test_layers_of_full_width_in_bf16():
    model = build("bitnet-b1.58-2b-4t", "bitlinear", num_hidden_layers=2, vocab_size=1024,
                  bos_token_id=1, eos_token_id=2)  # fmt: skip
    found, report = check(dfc.pack(model), 16)
    assert report.fallbacks == []
    assert found.passed, found.as_dict()
    for row in found.rows.values():
        assert row.count.integers > 0
        # the first of a region sees the same inputs to the bit, those behind it its flips: 2.4% on a Zen 4
        assert row.count.flips + row.count.wrong <= row.count.integers / 20
    assert found.ends.flips + found.ends.wrong <= found.ends.integers / 4


class Block(torch.nn.Module):
    """The second half of a decoder layer: norm, feed-forward, residual."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.norm, self.mlp = layer.post_attention_layernorm, layer.mlp

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.mlp(self.norm(x))


@pytest.mark.slow
@torch.no_grad()
def test_flips_are_rounding():
    """The same layer in f64 is the truth: ours is as near to it as eager's, and nearer to eager's than to it."""
    model = build("bitnet-b1.58-2b-4t", "bitlinear", num_hidden_layers=1, vocab_size=512,
                  bos_token_id=1, eos_token_id=2)  # fmt: skip
    block = Block(model.model.layers[0]).eval()
    packed = dfc.pack(block)
    torch.manual_seed(0)
    x = torch.randn(1, 64, 2560, dtype=torch.bfloat16)
    compiled = torch.compile(packed, backend="dfc", options={"target": "host"})
    ours, eager = compiled(x).double(), packed(x).double()
    assert dfc.last_report().fallbacks == []
    truth = block.double()(x.double())

    def distance(one: torch.Tensor, other: torch.Tensor) -> float:
        return ((one - other).square().mean().sqrt()).item()

    assert distance(ours, truth) <= 1.05 * distance(eager, truth)
    assert distance(ours, eager) <= distance(eager, truth) / 2


def test_a_wrong_kernel_is_found(monkeypatch: pytest.MonkeyPatch):
    from dfc.host.region import HostRegion

    right = HostRegion.run

    def wrong(self: Any, rows: Any, weights: Any) -> Any:
        return [result * 1.01 for result in right(self, rows, weights)]

    monkeypatch.setattr(HostRegion, "run", wrong)
    found, _ = check(dfc.pack(build("bitnet-tiny", "bitlinear")), 4)
    assert not found.passed
    assert any(row.problems for row in found.rows.values())
