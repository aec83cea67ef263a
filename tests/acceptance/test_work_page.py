"""docs/work.md says what `dfc roofline` counts: products by their parameters exactly, totals within 5% of them."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from dfc import zoo

ROOT = Path(__file__).parents[2]
TOKENS = 256


def script() -> ModuleType:
    """The script that writes the page."""
    spec = spec_from_file_location("work_page", ROOT / "scripts" / "work_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_every_large_model_of_the_zoo():
    assert set(script().MODELS) == {n for n in zoo.known() if not n.endswith("-tiny")}


def test_the_rows_of_one_model_and_of_the_targets_are_as_computed():
    made, text = script(), (ROOT / "docs" / "work.md").read_text()
    rows = made.model_rows("llama-3.2-1b")
    rows += [made.target_row(name) for name in made.TARGETS]
    for row in rows:
        assert f"| {' | '.join(row)} |" in text


@pytest.mark.slow
@pytest.mark.parametrize("model", script().MODELS)
def test_products_by_their_parameters_exactly_and_totals_within_five_percent(
    model: str,
):
    config = zoo.find(model).config
    width, layers = config["hidden_size"], config["num_hidden_layers"]
    assert TOKENS < 0.3 * width
    keys = width // config["num_attention_heads"] * config["num_key_value_heads"]
    layer = 2 * width * (width + keys) + 3 * width * config["intermediate_size"]
    body, head = layers * layer, config["vocab_size"] * width
    prefill, decode, training = script().phases(model)
    assert decode.work.parameters == body + head
    assert decode.work.linear_flops == 2 * (body + head)
    assert prefill.work.linear_flops == 2 * (body * TOKENS + head)
    assert training.work.linear_flops == 3 * 2 * (body + head) * TOKENS
    pairs = TOKENS * (TOKENS + 1) // 2
    assert prefill.work.attention_flops == 4 * layers * width * pairs
    for phase in (prefill, decode, training):
        assert phase.work.flops <= 1.05 * phase.work.linear_flops


@pytest.mark.slow
def test_the_page_is_as_the_script_writes_it():
    text = (ROOT / "docs" / "work.md").read_text()
    assert script().page(text) == text
    assert re.search(r"\| `llama2-70b` \| training \|", text)
