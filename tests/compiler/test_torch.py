"""`torch.compile(model, backend="dfc")`: values, regions, fallbacks, weights that change, reports."""

import pytest
import torch
from torch import Tensor, nn

import dfc
from dfc import region, zoo
from dfc.eager_work import EagerWork, eager_work
from dfc.errors import InputError
from dfc.runtime.machine import load_target
from dfc.runtime.machine.units.fixed_rate import FixedRate
from dfc.torch import parse_options


@torch.library.custom_op("dfc_test::odd", mutates_args=())
def odd(x: Tensor) -> Tensor:
    """An operator that nothing lowers."""
    return torch.sin(x) * 1.01


@odd.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


@pytest.fixture(autouse=True)
def tensor_level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Values at tensor level, but for the tests that say `program`: what is tested is the road there."""
    if "program" not in request.node.name:
        monkeypatch.setattr(region, "LEVEL", "tensor")
    torch._dynamo.reset()


def compiled(model: nn.Module, **options: object) -> nn.Module:
    """On a modelled machine; test_host_backend.py is about the host."""
    options = {"target": "tiny-npu"} | options
    return torch.compile(model, backend="dfc", options=options)


def close(got: Tensor, want: Tensor, tolerance: float = 1e-5) -> bool:
    return bool((got - want).abs().max() <= tolerance * want.abs().max())


def regions() -> list[int]:
    return [graph.regions for graph in dfc.last_report().graphs]


def small(seed: int = 0) -> nn.Module:
    with zoo.seeded(seed):
        return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)).eval()


@torch.no_grad()
def test_values_and_report_of_a_module():
    model, x = small(), torch.randn(3, 8)
    assert close(compiled(model)(x), model(x))
    report = dfc.last_report()
    assert (regions(), report.fallbacks, report.lowered_share) == ([1], [], 1.0)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("name", ["bitnet-tiny", "llama-tiny"])
@pytest.mark.parametrize("prepared", [False, True])
@torch.no_grad()
def test_language_models_as_they_are_and_prepared(name: str, prepared: bool):
    model = zoo.build(zoo.find(name), abstract=False)
    model = dfc.prepare(model) if prepared else model
    ids = torch.arange(6)[None]
    want = model(ids, use_cache=False).logits
    got = compiled(model)(ids, use_cache=False)
    assert close(got.logits, want)
    assert type(got).__name__ == "CausalLMOutputWithPast"
    assert (regions(), dfc.last_report().fallbacks) == ([1], [])


@torch.no_grad()
def test_program_on_the_modelled_machine_and_its_time():
    model, x = small(), torch.randn(3, 8)
    assert close(compiled(model, target="tiny-npu")(x), model(x))
    report = dfc.last_report()
    assert (regions(), report.fallbacks) == ([1], [])
    assert report.cycles > 0
    assert report.latency_s > 0
    assert report.energy_j > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bitnet-tiny", "llama-tiny"])
@torch.no_grad()
def test_program_of_a_language_model(name: str):
    model = dfc.prepare(zoo.build(zoo.find(name), abstract=False))
    ids = torch.arange(6)[None]
    want = model(ids, use_cache=False).logits
    assert close(compiled(model)(ids, use_cache=False).logits, want)
    assert (regions(), dfc.last_report().fallbacks) == ([1], [])


@torch.no_grad()
def test_one_unsupported_operator_makes_two_regions():
    model = zoo.build(zoo.find("llama-tiny"), abstract=False)
    first = model.model.layers[0]
    before = first.forward
    first.forward = lambda *args, **kwargs: torch.ops.dfc_test.odd(
        before(*args, **kwargs)
    )
    ids = torch.arange(6)[None]
    want = model(ids, use_cache=False).logits
    assert close(compiled(model)(ids, use_cache=False).logits, want)
    (graph,) = dfc.last_report().graphs
    assert graph.regions == 2
    (fallback,) = graph.fallbacks
    assert fallback.origin == "model.layers.0:odd"
    assert "dfc_test::odd" in fallback.reason
    assert 0.99 < graph.lowered_share < 1
    # 6 tokens of 192 float32 in and out
    assert (graph.eager.operators, graph.eager.elements) == (1, 6 * 192)
    assert graph.eager.bytes == 2 * 6 * 192 * 4


@torch.no_grad()
def test_eager_work_is_priced_on_a_host_unit_and_missing_without_one(
    monkeypatch: pytest.MonkeyPatch,
):
    class Model(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ops.dfc_test.odd(x) @ x.to(torch.int8).to(x.dtype)

    x = torch.randn(4, 4)
    compiled(Model())(x)
    (graph,) = dfc.last_report().graphs
    target = load_target("tiny-npu")
    host = next(u for u in target.unit.values() if isinstance(u, FixedRate))
    per_element = 1e-9 / float(host.gelement_per_s)
    want = 16 * per_element + float(host.overhead_ns) * 1e-9
    assert graph.eager_s == pytest.approx(want)
    assert dfc.last_report().missing.flops == 0
    monkeypatch.setattr(EagerWork, "seconds_on", lambda self, target: None)
    assert dfc.last_report().missing.flops == 16
    assert dfc.last_report().missing.bytes == 2 * 16 * 4


def test_eager_contractions_are_counted_by_their_multiplications():
    graph = torch.fx.Graph()
    a, b = graph.placeholder("a"), graph.placeholder("b")
    a.meta["val"], b.meta["val"] = torch.empty(3, 5), torch.empty(5, 7)
    mm = graph.call_function(torch.ops.aten.mm.default, (a, b))
    mm.meta["val"] = torch.empty(3, 7)
    work = eager_work([mm])
    assert (work.macs, work.elements, work.flops) == (105, 0, 210)
    assert work.bytes == 4 * (15 + 35 + 21)


@torch.no_grad()
def test_an_operator_that_upstream_refuses_is_found_and_named():
    class Model(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.special.i0(x + 1) * 2

    x = torch.randn(4)
    assert close(compiled(Model())(x), Model()(x))
    (fallback,) = dfc.last_report().fallbacks
    assert "i0" in fallback.origin
    assert "i0" in fallback.reason
    assert regions() == [2]


@torch.no_grad()
def test_int8_matmul_never_reaches_the_child():
    class Model(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x @ x) + 1

    x = torch.randint(-3, 3, (4, 4), dtype=torch.int8)
    assert torch.equal(compiled(Model())(x), Model()(x))
    assert "int8" in dfc.last_report().fallbacks[0].reason


@torch.no_grad()
def test_a_pass_that_fails_is_a_fallback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG", logger="dfc")

    def broken(*_: object) -> None:
        raise KeyError("nothing")

    monkeypatch.setattr(region, "run_passes", broken)
    model, x = small(), torch.randn(2, 8)
    assert torch.equal(compiled(model)(x), model(x))
    (fallback,) = dfc.last_report().fallbacks
    assert "'nothing' (KeyError)" in fallback.reason
    assert fallback.operators > 1
    assert "in broken" in caplog.text  # the traceback, down to where it was raised


@torch.no_grad()
def test_fallback_error():
    class Model(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ops.dfc_test.odd(x) + 1

    with pytest.raises(Exception, match="no lowering for the custom operator"):
        compiled(Model(), fallback="error")(torch.randn(2))


def test_training_gives_pytorchs_gradients():
    model, x = small(), torch.randn(3, 8)
    model(x).square().sum().backward()
    want = model[0].weight.grad.clone()
    model.zero_grad()
    compiled(model)(x).square().sum().backward()
    assert close(model[0].weight.grad, want)


@pytest.mark.parametrize("gradients", [False, True])
def test_pytorchs_attention_with_and_without_gradients(gradients: bool):
    class Attending(nn.Module):
        def forward(self, q: Tensor) -> Tensor:
            return nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True)

    q, same = (torch.ones(1, 2, 5, 8).requires_grad_(gradients) for _ in range(2))
    with torch.no_grad():
        q.normal_(generator=torch.Generator().manual_seed(0))
        same.copy_(q)
    got, want = compiled(Attending())(q), Attending()(same)
    assert close(got, want)
    assert dfc.last_report().fallbacks == []
    if gradients:
        got.square().sum().backward(), want.square().sum().backward()
        assert close(q.grad, same.grad)


@torch.no_grad()
def test_in_place_updates_of_inputs_and_buffers():
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(3))

        def forward(self, x: Tensor) -> Tensor:
            self.count.add_(1)
            x.mul_(2)
            return x + self.count

    model, x = Counter(), torch.ones(3)
    run = compiled(model)
    assert run(x).tolist() == [3] * 3
    assert (x.tolist(), model.count.tolist()) == ([2] * 3, [1] * 3)
    assert run(x).tolist() == [6] * 3


@torch.no_grad()
def test_sizes_that_vary_are_specialised_eight_times():
    model = small()
    options = {"target": "tiny-npu"}
    run = torch.compile(model, backend="dfc", dynamic=True, options=options)
    for rows in range(2, 12):
        x = torch.randn(rows, 8)
        assert close(run(x), model(x))
    assert dfc.last_report().graphs[0].regions == 0
    assert "8 sets of shapes" in dfc.last_report().fallbacks[0].reason


@torch.no_grad()
def test_a_three_valued_weight_is_ternary_until_it_is_not():
    model, x = small(), torch.randn(3, 8)
    model[0].weight.copy_(torch.randint(-1, 2, (16, 8)) * 0.5)
    run = compiled(model)
    prepared = dfc.prepare(model)(x)
    assert close(run(x), prepared)
    assert not close(run(x), model(x))
    model[0].weight.copy_(torch.randn(16, 8))
    assert close(run(x), model(x))
    assert "other values" in dfc.last_report().fallbacks[0].reason
    model[0].weight.copy_(torch.randint(-1, 2, (16, 8)) * 0.25)
    assert close(run(x), dfc.prepare(model)(x))


@torch.no_grad()
def test_instances_that_share_a_graph_keep_their_own_weights():
    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(
                dfc.ternarize(nn.Linear(8, 8)) for _ in range(3)
            )

        def forward(self, x: Tensor) -> Tensor:
            for block in self.blocks:
                x = block(x)
                torch._dynamo.graph_break()
            return x

    model, x = Stack().eval(), torch.randn(2, 8)
    run = compiled(model)
    for _ in range(2):
        assert close(run(x), model(x))
    model.blocks[1].weight.mul_(-1)
    assert close(run(x), model(x))
    model.blocks[2].weight = nn.Parameter(torch.randn(8, 8))
    assert close(run(x), model(x))


@torch.no_grad()
def test_last_report_holds_the_last_outermost_call():
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = x + 1
            torch._dynamo.graph_break()
            return x * 2

    run, other = compiled(Broken()), compiled(small())
    for _ in range(3):
        run(torch.ones(2))
        assert len(dfc.last_report().graphs) == 2
    other(torch.randn(1, 8))
    assert len(dfc.last_report().graphs) == 1


@torch.no_grad()
def test_check_values_passes_for_right_values_and_names_a_wrong_one(
    monkeypatch: pytest.MonkeyPatch,
):
    model, x = small(), torch.randn(3, 8)
    run = compiled(model, check_values=True)
    run(x)
    honest = region.run
    monkeypatch.setattr(region, "run", lambda *a, **k: [r + 1 for r in honest(*a, **k)])
    with pytest.raises(dfc.DfcError, match="is off eager's value by"):
        run(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targett": "host"}, "no option is called `targett`: did you mean `target`"),
        ({"fallback": "stop"}, "expected eager or error"),
        ({"freeze": 1}, "expected true or false for option `freeze`"),
        ({"target": 3}, "expected a word for option `target`"),
        (
            {"target": "tiny-npu", "quantize_lm_head": True},
            "is for target `host` only",
        ),
    ],
)
def test_wrong_options_are_one_sentence(options: dict, message: str):
    with pytest.raises(InputError, match=message):
        parse_options(options)
