"""Models of which a part is trained, on target `host`: the frozen part in regions, gradients as in eager."""

from collections.abc import Callable
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
)
from torch import Tensor, nn

import dfc


@pytest.fixture(autouse=True)
def fresh() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)


class Frozen(nn.Module):
    """A ternary backbone without gradients, and a head that is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(Layer(), Layer())
        self.head = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
        self.body.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class Switched(Frozen):
    """The same by `torch.no_grad()`; the backbone's parameters could be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.body.requires_grad_(True)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.head[0].bias.sum()
        with torch.no_grad():
            y = self.body(x)
        z = self.head(y) * scale
        with torch.no_grad():
            w = self.body[0](torch.sin(y.detach()))
        return z + self.head(w)


class Detached(Frozen):
    """Values that are trained, cut off in front of frozen layers."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.head[0](x)
        z = self.body(y.detach())
        return self.head[2](y.detach().reshape(-1, 32) * 2 + z) + self.head(z)


def trained(run: Callable[[Tensor], Tensor], model: nn.Module, x: Tensor) -> Any:
    """A result and the gradients of all parameters."""
    model.zero_grad()
    result = run(x)
    result.square().sum().backward()
    found = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return result, found


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("build", [Frozen, Switched, Detached])
def test_a_frozen_backbone_runs_in_regions_and_the_head_is_trained(
    build: type[nn.Module], pack: bool
):
    model, x = seeded(build), torch.randn(5, 32)
    model = dfc.pack(model) if pack else model
    run = compiled(model)
    got, gradients = trained(run, model, x)
    graph = only_graph()
    assert graph.calls >= 1
    assert (graph.fallbacks, graph.notes) == ([], ["gradients are wanted"])
    want, expected = trained(model, model, x)
    assert got.requires_grad
    assert off(got, want) < 0.01
    assert gradients.keys() == expected.keys()
    assert all(off(gradients[name], expected[name]) < 0.01 for name in expected)


@pytest.mark.slow
@pytest.mark.parametrize("build", [Frozen, Switched])
def test_the_head_is_trained_through_inductor(build: type[nn.Module]):
    model, x = seeded(build), torch.randn(5, 32)
    got, gradients = trained(compiled(model, rest="inductor"), model, x)
    assert only_graph().calls >= 1
    want, expected = trained(model, model, x)
    assert off(got, want) < 0.01
    assert gradients.keys() == expected.keys()
    assert all(off(gradients[name], expected[name]) < 0.01 for name in expected)


def test_steps_of_training_are_eagers():
    mine, plain = seeded(Frozen), seeded(Frozen)
    run = compiled(mine)
    losses: dict[int, list[float]] = {}
    for model, call in ((mine, run), (plain, plain)):
        optimizer = torch.optim.SGD(model.head.parameters(), 0.1)
        for turn in range(4):
            x = torch.randn(5, 32, generator=torch.Generator().manual_seed(turn))
            loss = call(x).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.setdefault(id(model), []).append(loss.item())
    assert losses[id(mine)] == pytest.approx(losses[id(plain)], rel=0.02)


def test_the_same_model_with_and_without_gradients():
    model, x = seeded(Frozen), torch.randn(5, 32)
    run = compiled(model)
    with torch.no_grad():
        assert not run(x).requires_grad
    assert run(x).requires_grad
    with torch.no_grad():
        assert not run(x).requires_grad


def test_three_valued_weights_that_are_trained_are_pytorchs():
    model, x = (
        seeded(nn.Sequential, nn.Linear(8, 8), nn.Linear(8, 4)),
        torch.randn(3, 8),
    )
    for layer in model:
        layer.weight.data.sign_()
    model[0].requires_grad_(False)
    run = compiled(model)
    result, gradients = trained(run, model, x)
    graph = only_graph()
    assert graph.calls == 1
    first = dfc.prepare(model[0])(x)
    assert off(result, model[1](first)) < 1e-5
    want = 2 * model[1](first).T @ first
    assert off(gradients["1.weight"], want) < 1e-5


def test_gradients_that_would_go_through_dfcs_operators_are_not_made():
    model, x = seeded(Frozen), torch.randn(5, 32)
    model.body[1].norm.requires_grad_(True)
    result = compiled(model)(x)
    assert not result.requires_grad
    assert (only_graph().calls, only_graph().notes) == (1, [])


def test_an_int8_lm_head_that_is_trained_stays_as_it_is():
    class Headed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.lm_head = Layer(), nn.Linear(32, 64)
            self.body.requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            return self.lm_head(self.body(x))

    model, x = seeded(Headed), torch.randn(5, 32)
    _, gradients = trained(compiled(model, quantize_lm_head=True), model, x)
    _, expected = trained(model, model, x)
    assert off(gradients["lm_head.weight"], expected["lm_head.weight"]) < 0.01


def test_the_lm_head_of_a_frozen_language_model_is_trained():
    model = language_model(num_hidden_layers=1)
    model.requires_grad_(False)
    model.lm_head.weight.requires_grad_(True)
    ids = torch.randint(0, 512, (2, 8))

    def run(call: Any) -> tuple[Tensor, Tensor]:
        loss = call(input_ids=ids, labels=ids, use_cache=False).loss
        model.zero_grad()
        loss.backward()
        return loss, model.lm_head.weight.grad.clone()

    loss, gradient = run(compiled(model))
    assert only_graph().calls == 2
    want, expected = run(model)
    assert off(loss, want) < 0.01
    assert off(gradient, expected) < 0.01
