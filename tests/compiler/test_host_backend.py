"""`torch.compile(model, backend="dfc")` on target `host`: values, seams, weights that change, reports."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from host_backend_testing import (
    Layer,
    compiled,
    language_model,
    off,
    only_graph,
    seeded,
    steps,
)
from torch import Tensor, nn

import dfc
from dfc.errors import DfcError, InputError
from dfc.frontends.functions import Function
from dfc.host import compiled as compiled_module
from dfc.host import rest
from dfc.host.compiled import Compiled
from dfc.torch import parse_options

FLIPS = 0.01
"""The distance from eager that rounding flips explain in these models."""

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*should not be instantiated:DeprecationWarning"
)


@pytest.fixture(autouse=True)
def fresh() -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


@pytest.fixture
def ids() -> Tensor:
    return torch.randint(0, 512, (1, 32), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_a_layer_is_one_region():
    model, x = seeded(Layer), torch.randn(2, 3, 32)
    got = compiled(model)(x)
    assert off(got, model(x)) < FLIPS
    assert got.shape == x.shape
    graph = only_graph()
    assert (graph.calls, graph.fallbacks, graph.lowered_share) == (1, [], 1.0)


@pytest.mark.parametrize("name", ["bitnet-tiny", "llama-tiny"])
@torch.no_grad()
def test_prefill_and_decode_with_a_static_cache(name: str, ids: Tensor):
    model = language_model(name)
    model = dfc.ternarize(model) if name == "llama-tiny" else model
    run, lengths = compiled(model), (8, 1, 1, 1)
    got, want = steps(run, model, ids, lengths), steps(model, model, ids, lengths)
    for one, other in zip(got, want, strict=True):
        assert off(one, other) < FLIPS
    graph = only_graph()
    assert (graph.calls, graph.distinct, graph.fallbacks) == (3, 3, [])
    again = steps(run, model, ids, (5, 1, 3))
    assert off(again[-1], steps(model, model, ids, (5, 1, 3))[-1]) < FLIPS


@torch.no_grad()
def test_equal_layers_are_one_region_in_prefill_and_decode(
    monkeypatch: pytest.MonkeyPatch, ids: Tensor
):
    made: list[Function] = []
    honest = compiled_module.compile_region

    def counting(function: Function, **options: Any) -> Any:
        made.append(function)
        return honest(function, **options)

    monkeypatch.setattr(compiled_module, "compile_region", counting)
    model = language_model(num_hidden_layers=5)
    steps(compiled(model), model, ids, (8, 1, 1))
    graph = only_graph()
    assert (graph.calls, graph.distinct, len(made)) == (6, 3, 3)


@pytest.mark.slow
@torch.no_grad()
def test_what_is_not_ternary_goes_through_inductor(ids: Tensor):
    model = language_model()
    run = compiled(model, rest="inductor")
    for one, other in zip(
        steps(run, model, ids, (8, 1, 1, 1)),
        steps(model, model, ids, (8, 1, 1, 1)),
        strict=True,
    ):
        assert off(one, other) < FLIPS
    assert only_graph().rest == "inductor"


@pytest.mark.parametrize("how", ["inductor", "eager"])
@torch.no_grad()
def test_nothing_is_copied_at_the_seams(monkeypatch: pytest.MonkeyPatch, how: str):
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = Layer(), Layer()

        def forward(self, x: Tensor) -> Tensor:
            return self.second(torch.sin(self.first(x)))

    seen: list[tuple[Tensor, list[Tensor]]] = []
    honest = Compiled.run

    def spy(self: Compiled, rows: Sequence[Tensor], weights: Sequence[Tensor]) -> Any:
        results = honest(self, rows, weights)
        seen.append((rows[0], results))
        return results

    monkeypatch.setattr(Compiled, "run", spy)
    model, x = seeded(Model), torch.randn(2, 3, 32)
    run = compiled(model, rest=how)
    run(x)
    seen.clear()
    got = run(x)
    (first, _), (second, results) = seen
    assert first.data_ptr() == x.data_ptr()
    assert second.is_contiguous()
    assert got.data_ptr() == results[0].data_ptr()


@pytest.mark.parametrize("how", ["inductor", "eager"])
@torch.no_grad()
def test_caches_stay_where_they_are(how: str, ids: Tensor):
    from torch.profiler import ProfilerActivity, profile

    from dfc.frontends.huggingface import Decode, cache_shapes

    model = language_model(num_hidden_layers=1)
    shapes = cache_shapes(model, 1, 512)
    run = torch.compile(
        Decode(model), backend="dfc", options={"target": "host", "rest": how}
    )
    mine, plain = ([torch.zeros(shape) for shape in shapes] for _ in range(2))
    for at in range(3):
        position = torch.tensor(at)
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as trace:
            logits, *caches = run(ids[:, at : at + 1], position, *mine)
        want, *plain = Decode(model)(ids[:, at : at + 1], position, *plain)
        assert off(logits, want) < FLIPS
        for one, cache, right in zip(caches, mine, plain, strict=True):
            assert one.data_ptr() == cache.data_ptr()
            assert torch.allclose(one, right, atol=1e-3)
    copies = {"aten::copy_", "aten::clone", "aten::contiguous", "aten::_to_copy"}
    moved = [e for e in trace.events() if e.name in copies]
    assert all(list(shapes[0]) not in e.input_shapes for e in moved)


@torch.no_grad()
def test_sizes_that_vary_need_no_other_code():
    model = seeded(Layer)
    run = torch.compile(
        model, backend="dfc", dynamic=True, options={"target": "host", "rest": "eager"}
    )
    numbers = set()
    for rows in (2, 3, 7, 40):
        x = torch.randn(rows, 5, 32)
        assert off(run(x), model(x)) < FLIPS
        numbers.add(only_graph().calls)
    assert numbers == {1}
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@torch.no_grad()
def test_leading_shapes_that_differ_inside_a_region():
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = Layer()

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            flat = self.layer.norm(x).reshape(-1, 32)
            return flat, self.layer(x) + flat.reshape(x.shape)

    model = seeded(Model)
    run = torch.compile(
        model, backend="dfc", dynamic=True, options={"target": "host", "rest": "eager"}
    )
    for shape in ((2, 3, 32), (4, 5, 32)):
        x = torch.randn(shape)
        for got, want in zip(run(x), model(x), strict=True):
            assert got.shape == want.shape
            assert off(got, want) < FLIPS


@torch.no_grad()
def test_a_three_valued_weight_is_ternary_until_it_is_not():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 16)
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.count.add_(1)
            return self.linear(x) + self.count

    model, x = seeded(Counting), torch.randn(3, 8)
    trits = torch.randint(-1, 2, (16, 8), generator=torch.Generator().manual_seed(1))
    model.linear.weight.copy_(trits * 0.5)
    run = compiled(model)
    for turn in range(1, 3):
        want = dfc.prepare(model.linear)(x) + turn
        assert torch.allclose(run(x), want, atol=1e-5)
    assert only_graph().calls == 1
    model.linear.weight.copy_(torch.randn(16, 8))
    assert torch.allclose(run(x), model.linear(x) + 3, atol=1e-5)
    assert "-s, 0" in dfc.last_report().fallbacks[0].reason
    assert model.count.item() == 3
    model.linear.weight.copy_(trits * 0.25)
    assert torch.allclose(run(x), dfc.prepare(model.linear)(x) + 4, atol=1e-5)
    assert dfc.last_report().fallbacks == []


@torch.no_grad()
def test_instances_that_share_a_graph_keep_their_own_weights():
    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(Layer() for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            for block in self.blocks:
                x = block(x)
                torch._dynamo.graph_break()
            return x

    model, x = seeded(Stack), torch.randn(2, 32)
    run = compiled(model)
    assert off(run(x), model(x)) < FLIPS
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    model.blocks[1].gate.weight.mul_(-1)
    assert off(run(x), model(x)) < FLIPS
    model.blocks[2].load_state_dict(seeded(Layer, seed=5).state_dict())
    assert off(run(x), model(x)) < FLIPS
    model.blocks[0].up.weight.data = torch.randn(48, 32)
    assert off(run(x), model(x)) < FLIPS
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == before
    assert before == 1
    model.blocks[0].up.weight = nn.Parameter(torch.randn(48, 32))
    assert off(run(x), model(x)) < FLIPS


def test_gradients_are_pytorchs_and_the_report_says_so():
    model, x = seeded(nn.Linear, 8, 4), torch.randn(3, 8)
    with torch.no_grad():
        model.weight.copy_(model.weight.sign())
    compiled(model)(x).square().sum().backward()
    want = 2 * model(x).T @ x
    assert torch.allclose(model.weight.grad, want, atol=1e-5)
    graph = only_graph()
    assert (graph.calls, graph.notes) == (0, ["gradients are wanted"])


@torch.no_grad()
def test_a_region_that_cannot_be_lowered_becomes_smaller_ones(
    monkeypatch: pytest.MonkeyPatch,
):
    honest = compiled_module.compile_region

    def picky(function: Function, **options: Any) -> Any:
        targets = [n.target for n in function.graph.nodes]
        if torch.ops.aten.relu.default in targets:
            raise DfcError("no native form for relu")
        return honest(function, **options)

    monkeypatch.setattr(compiled_module, "compile_region", picky)
    model, x = seeded(Layer, 32, 80), torch.randn(3, 32)
    assert off(compiled(model)(x), model(x)) < FLIPS
    graph = only_graph()
    assert graph.calls == 2
    assert 0 < graph.lowered_share < 1
    (fallback,) = graph.fallbacks
    assert fallback.reason == "no native form for relu"
    assert fallback.operators > 1


@torch.no_grad()
def test_what_cannot_be_lowered_at_all_is_pytorchs_or_an_error(
    monkeypatch: pytest.MonkeyPatch,
):
    def never(function: Function, **options: Any) -> Any:
        raise DfcError("no native form")

    monkeypatch.setattr(compiled_module, "compile_region", never)
    model, x = seeded(Layer, 32, 64), torch.randn(3, 32)
    assert torch.allclose(compiled(model)(x), model(x), atol=1e-5)
    graph = only_graph()
    assert (graph.calls, graph.lowered_share) == (0, 0.0)
    torch._dynamo.reset()
    with pytest.raises(Exception, match="cannot be lowered: no native form"):
        compiled(model, fallback="error")(x)


@torch.no_grad()
def test_check_values_passes_for_right_values_and_names_a_wrong_one(
    monkeypatch: pytest.MonkeyPatch,
):
    model, x = seeded(Layer), torch.randn(3, 32)
    run = compiled(model, check_values=True)
    run(x)
    honest = compiled_module.HostRegion.run
    monkeypatch.setattr(
        compiled_module.HostRegion,
        "run",
        lambda *a: [r * 1.1 for r in honest(*a)],
    )
    with pytest.raises(dfc.DfcError, match="is off eager's value by"):
        run(x)


@torch.no_grad()
def test_the_lm_head_and_its_embedding_in_int8(ids: Tensor):
    model = language_model(tie_word_embeddings=True)
    run = compiled(model, quantize_lm_head=True)
    got, want = (steps(f, model, ids, (4, 1, 1)) for f in (run, model))
    for one, other in zip(got, want, strict=True):
        assert off(one, other) < 0.06
    assert not torch.equal(got[0], want[0])
    graph = only_graph()
    assert (graph.calls, graph.fallbacks) == (4, [])
    model.lm_head.weight.mul_(2)
    assert (
        off(steps(run, model, ids, (4,))[0], steps(model, model, ids, (4,))[0]) < 0.06
    )


@pytest.mark.parametrize("head", [False, True])
@torch.no_grad()
def test_packed_models(head: bool, ids: Tensor):
    model = dfc.pack(language_model(tie_word_embeddings=True), quantize_lm_head=head)
    got, want = (steps(f, model, ids, (4, 1)) for f in (compiled(model), model))
    for one, other in zip(got, want, strict=True):
        assert off(one, other) < FLIPS
    graph = only_graph()
    assert (graph.calls, graph.fallbacks) == (3 + head, [])


@torch.no_grad()
def test_an_lm_head_that_cannot_be_lowered_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch, ids: Tensor
):
    def never(function: Function, **options: Any) -> Any:
        raise DfcError("no native form")

    monkeypatch.setattr(compiled_module, "compile_region", never)
    model = language_model(num_hidden_layers=1, vocab_size=96)
    ids = ids % 96
    run = compiled(model, quantize_lm_head=True)
    got, want = (steps(f, model, ids, (4,))[0] for f in (run, model))
    assert torch.allclose(got, want, atol=1e-4)


@torch.no_grad()
def test_packings_give_equal_values():
    model, x = seeded(Layer, 35, 61), torch.randn(3, 35)
    found: list[Tensor] = []
    codes = ("trits1in2", "trits3in5")
    for packing in codes:
        torch._dynamo.reset()
        run = compiled(model, packing=packing, fallback="error", check_values=True)
        found.append(run(x))
        regions = list(compiled_module.COMPILED.values())
        assert any(region.options.packing == packing for region in regions)
    assert torch.equal(*found)
    assert off(found[0], model(x)) < FLIPS


def test_without_a_compiler_the_rest_is_eager(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rest, "has_compiler", lambda: False)
    model, x = seeded(Layer), torch.randn(2, 32)
    with torch.no_grad():
        torch.compile(model, backend="dfc", options={"target": "host"})(x)
    assert only_graph().rest == "eager"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rest": "triton"}, "expected inductor or eager for option `rest`"),
        ({"pipeline": "dataflow"}, "is for modelled machines"),
        ({"rest": 1}, "expected a word for option `rest`"),
        (
            {"packing": "trits5in8"},
            "expected trits1in2 or trits3in5 for .* `trits5in8`",
        ),
        ({"packing": 5}, "expected a word for option `packing`"),
        ({"target": "tiny-npu", "packing": "trits1in2"}, "is for target `host` only"),
        ({"target": "tiny-npu", "rest": "eager"}, "is for target `host` only"),
    ],
)
def test_wrong_options_are_one_sentence(options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        parse_options(options)


@torch.no_grad()
def test_generate_of_transformers(ids: Tensor):
    model = language_model()
    settings = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
    settings |= {"cache_implementation": "static", "disable_compile": True}
    want = model.generate(ids[:, :5], **settings)
    model.forward = compiled(model.forward)
    got = model.generate(ids[:, :5], **settings)
    assert got.shape == want.shape
    assert torch.equal(got, want)
    assert dfc.last_report().graphs[0].calls == 3
