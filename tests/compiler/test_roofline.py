"""`dfc roofline`: two operations per parameter and token exactly, attention by its formula, bytes of what is read."""

import json

import pytest

from dfc import zoo
from dfc.api import load
from dfc.cli import status
from dfc.roofline import Phase, roofline
from dfc.workload import plan

MODELS = ("bitnet-tiny", "llama-tiny")
TOKENS = 12


def phases(
    model: str, target: str = "tiny-npu", batch: int = 1, tokens: int = TOKENS
) -> dict[str, Phase]:
    """The phases of a model of the zoo, by name."""
    program = load(f"zoo:{model}", target, plan(tokens, 1, None, batch))
    return {phase.name: phase for phase in roofline(program)}


def sizes(model: str) -> tuple[int, int, int, int]:
    """Layers, width, parameters of the layers' products, and of the LM head's, by the configuration."""
    config = zoo.find(model).config
    width, layers = config["hidden_size"], config["num_hidden_layers"]
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    keys = width // heads * groups
    layer = (
        2 * width * width + 2 * width * keys + 3 * width * config["intermediate_size"]
    )
    return layers, width, layers * layer, config["vocab_size"] * width


@pytest.mark.parametrize("model", MODELS)
def test_the_linear_part_is_two_operations_per_parameter_and_token(model: str):
    found = phases(model)
    _, _, body, head = sizes(model)
    assert found["decode"].work.parameters == body + head
    assert found["decode"].work.linear_flops == 2 * (body + head)
    # prefill gives the logits of the last token only
    assert found["prefill"].work.linear_flops == 2 * (body * TOKENS + head)
    # forward, and backward by input and by weight, with the loss of every token
    assert found["training"].work.linear_flops == 3 * 2 * (body + head) * TOKENS


@pytest.mark.parametrize("model", MODELS)
def test_attention_is_four_operations_per_layer_width_and_pair(model: str):
    found = phases(model)
    layers, width, _, _ = sizes(model)
    pairs = TOKENS * (TOKENS + 1) // 2
    assert found["prefill"].work.attention_flops == 4 * layers * width * pairs
    assert found["training"].work.attention_flops == 3 * 4 * layers * width * pairs
    # a step sees the context and itself
    assert found["decode"].work.attention_flops == 4 * layers * width * (TOKENS + 1)


def test_totals_are_within_five_percent_of_the_linear_part_at_a_short_context():
    # papers: while n < 0.3 d
    work = phases("llama-tiny")["decode"].work
    assert work.linear_flops <= work.flops <= 1.05 * work.linear_flops


def test_a_batch_multiplies_operations_and_not_weights():
    one, four = phases("llama-tiny"), phases("llama-tiny", batch=4)
    for name in ("prefill", "decode"):
        assert four[name].work.linear_flops == 4 * one[name].work.linear_flops
        assert four[name].work.parameters == one[name].work.parameters
    rows = 3 * 192 * 4  # the embeddings of three more tokens
    assert four["decode"].work.weight_bytes == one["decode"].work.weight_bytes + rows


def test_trits_have_the_bytes_of_their_packing():
    _, width, body, head = sizes("bitnet-tiny")
    two_bits = phases("bitnet-tiny")["decode"].work
    packed = phases("bitnet-tiny", "tellme-kv260")["decode"].work
    # five bits for three trits instead of two for each
    assert two_bits.weight_bytes - packed.weight_bytes == body / 4 - body * 5 / 24
    rest = two_bits.weight_bytes - body / 4 - 4 * head
    # norms, scales and one row of the embedding besides the products' weights
    assert 4 * width < rest < 0.02 * two_bits.weight_bytes


def test_a_step_reads_its_cache_and_writes_one_row():
    config = zoo.find("llama-tiny").config
    depth = config["hidden_size"] // config["num_attention_heads"]
    row = config["num_key_value_heads"] * depth * 4
    layers = config["num_hidden_layers"]
    found = phases("llama-tiny")
    assert found["decode"].work.cache_bytes == 2 * layers * row * (TOKENS + 1 + 1)
    assert found["prefill"].work.cache_bytes == 2 * layers * row * TOKENS


def test_a_step_is_bound_by_bytes_and_a_long_prompt_by_operations():
    found = phases("bitnet-tiny")
    step = found["decode"]
    assert step.bound_by == "bytes of ddr"
    assert step.seconds == pytest.approx(step.work.compulsory_bytes / (25.6e9 * 0.8))
    training = phases("bitnet-tiny", tokens=128)["training"]
    # 32 x 32 multipliers at 500 MHz
    assert training.bound_by == "operations"
    assert training.seconds == pytest.approx(training.work.flops / (2 * 1024 * 500e6))


def test_the_command_prints_a_row_per_phase(capsys: pytest.CaptureFixture[str]):
    assert status(["roofline", "zoo:llama-tiny", "-t", "tiny-npu", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["phases"]
    assert [row["phase"] for row in rows] == ["prefill", "decode", "training"]
    for row in rows:
        bytes_ = row["weight_bytes"] + row["cache_bytes"]
        assert row["intensity"] == pytest.approx(row["flops"] / bytes_)
    assert (
        status(["roofline", "zoo:llama-tiny", "-t", "tiny-npu", "--prefill", "8"]) == 0
    )
    assert "FLOP per byte" in capsys.readouterr().out
