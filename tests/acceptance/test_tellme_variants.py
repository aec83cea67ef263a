"""Other prompts, schedules, sizes and batches than BitNet b1.58 large's, on the modelled KV260."""

from math import ceil

import pytest
from tellme_testing import HIDDEN, REGION, Run, board, variant

from dfc.api import simulate
from dfc.errors import InputError

pytestmark = pytest.mark.slow
"""A layer takes seconds to lower; each program is lowered once."""

ITERATIONS = {
    (32, "reversed"): 8 * (1 + 2 + 3 + 4),
    (64, "reversed"): 8 * (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8),
    (32, "naive"): 4 * 32,
    (64, "naive"): 8 * 64,
}
"""Pairs of a block of 8 query rows and a key: reversed 8 (1 + … + N/8), naive (N/8) N."""


@pytest.mark.parametrize(("tokens", "order"), ITERATIONS)
def test_prompts_and_schedules_differ_by_their_iterations(tokens: int, order: str):
    schedule = None if order == "reversed" else order  # what the board does by itself
    run = Run(variant(prefill=tokens, schedule=schedule), "prefill")
    spent = run.spent("attention")["unit.attention: iterations"]
    each = 16 * board().unit["attention"].head_iteration_cycles.value
    launches = tokens // 8
    assert spent == pytest.approx(ITERATIONS[tokens, order] * each, abs=launches)


def test_a_prompt_twice_as_long_takes_the_lookup_unit_twice_as_long():
    short, long = (Run(variant(prefill=tokens), "prefill") for tokens in (32, 64))
    busy = [run.total("busy", "unit.tlmm") for run in (short, long)]
    assert busy[1] == 2 * busy[0]
    loaded = [run.total("written", "uram") for run in (short, long)]
    assert loaded == [13 * REGION, 13 * REGION]


OUTSIDE = ("embed_tokens", "lm_head", "norm", "rotary_emb")


def is_of_a_layer(kernel: str) -> bool:
    """Whether a kernel is in a layer: not the embedding, the last norm, the positions, the head."""
    return kernel.removeprefix("decode_").removeprefix("prefill_") not in OUTSIDE


@pytest.mark.parametrize(("entry", "position"), [("prefill", 0), ("decode", 64)])
def test_half_the_layers_take_half_of_everything_but_embedding_and_head(
    entry: str, position: int
):
    whole, half = (Run(variant(layers=n), entry, position) for n in (24, 12))
    outside: list[int] = []
    for run, layers in ((whole, 24), (half, 12)):
        inside = sum(
            ticks
            for category, ticks in run.call.composition.items()
            if is_of_a_layer(category.kernel)
        )
        outside.append(run.call.cycles - inside)
        assert run.total("written", "uram") == layers * 13 * REGION
    # up to what of a norm hides behind a load
    assert outside[1] == pytest.approx(outside[0], rel=1e-3)
    rest = whole.call.cycles - outside[0]
    assert half.call.cycles - outside[0] == pytest.approx(rest / 2, rel=1e-4)


def test_half_the_layers_move_half_the_bytes():
    whole, half = (Run(variant(layers=n), "decode", 64) for n in (24, 12))
    for key, amount in whole.call.counters.items():
        if key.quantity in ("read", "written", "busy") and is_of_a_layer(key.kernel):
            assert half.call.counters[key] == amount / 2, key


def test_an_inner_size_of_4100_pads_to_49_blocks():
    # 4096 / 84 is 48.8, 4100 / 84 is 48.8 too, 4117 / 84 is more than 49
    run = Run(variant(inner=4100), "decode", 64)
    assert ceil(4100 / 84) == 49
    assert run.total("busy", "unit.tlmm", "down_proj") == 49 * (84 + 10 + 96 * 2)
    outputs = ceil(4100 / 16)
    for kernel in ("gate_proj", "up_proj"):
        busy = run.total("busy", "unit.tlmm", kernel)
        assert busy == 19 * (84 + 10 + outputs * 2)
    # in memory these stay three equal regions each: 57 blocks, and 4,608 outputs
    assert run.total("written", "uram") == 13 * REGION
    assert run.total("busy", "unit.tlmm", "down_proj") == Run(
        variant(), "decode", 64
    ).total("busy", "unit.tlmm", "down_proj")


def test_a_batch_shares_the_weights_and_nothing_else():
    one, two = (Run(variant(batch=n), "decode", 64) for n in (1, 2))
    assert two.total("written", "uram") == one.total("written", "uram")
    assert two.total("busy", "unit.tlmm") == 2 * one.total("busy", "unit.tlmm")
    keys = [run.total("read", "ddr", "attention") for run in (one, two)]
    assert keys[1] == 2 * keys[0] == 2 * 2 * 65 * HIDDEN * 2


def test_more_tokens_than_the_board_holds_are_refused():
    message = "at most 1024 tokens on `tellme-kv260`, got 1025"
    with pytest.raises(InputError, match=message):
        simulate("zoo:bitnet-b1.58-large", "tellme-kv260", prefill=1000, decode=25)
