"""Target `host` on models that are built in unusual ways: each does what it does in eager."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from host_backend_testing import compiled, off, only_graph, seeded
from torch import Tensor, nn

import dfc

FLIPS = 0.01
"""The distance from eager that rounding flips explain in these models."""


@pytest.fixture(autouse=True)
def fresh() -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


class Model(nn.Module):
    """A ternary layer, vectors, and what is done with them."""

    def __init__(self, body: Callable[..., Any]) -> None:
        super().__init__()
        self.layer = dfc.ternarize(nn.Linear(32, 32))
        self.vector = nn.Parameter(torch.randn(32), requires_grad=False)
        self.row = nn.Parameter(torch.randn(1, 32), requires_grad=False)
        self.body = body

    def forward(self, *args: Any) -> Any:
        return self.body(self, *args)


def same_as_eager(body: Callable[..., Any], *inputs: Tensor) -> Any:
    """The results of a model with this body, compared with eager's; all are tensors."""
    model = seeded(Model, body)
    got, want = compiled(model)(*inputs), model(*inputs)
    for one, other in zip(got, want, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        assert off(one, other) < FLIPS
    return got


def moved(m: Model, x: Tensor) -> tuple[Tensor, ...]:
    y = x.transpose(0, 1).contiguous()
    return m.layer(y), y.view(-1)


def strided(m: Model, x: Tensor) -> tuple[Tensor, ...]:
    y = x.transpose(0, 1) * 2
    return m.layer(y), y.transpose(0, 1).view(-1)


@pytest.mark.parametrize("body", [moved, strided])
@pytest.mark.parametrize("dynamic", [False, True])
@torch.no_grad()
def test_values_that_leave_are_laid_out_as_in_eager(
    body: Callable[..., Any], dynamic: bool
):
    x = torch.randn(2, 3, 32)
    if dynamic:
        torch._dynamo.mark_dynamic(x, (0, 1))
    same_as_eager(body, x)
    assert only_graph().calls == 1


@torch.no_grad()
def test_a_copy_has_memory_of_its_own():
    def body(m: Model, x: Tensor) -> tuple[Tensor, ...]:
        y = x.to(torch.float32, copy=True)
        z = m.layer(y)
        return y, z, z.to(torch.float32, copy=True), z.view(-1)

    x = torch.randn(3, 32)
    y, z, copied, seen = same_as_eager(body, x)
    places = [t.untyped_storage().data_ptr() for t in (x, y, z, copied)]
    assert len(set(places)) == len(places)
    assert seen.untyped_storage().data_ptr() == z.untyped_storage().data_ptr()


@torch.no_grad()
def test_bits_read_as_another_dtype_are_no_view_of_rows():
    def body(m: Model, x: Tensor) -> tuple[Tensor, ...]:
        y = m.layer(x).bfloat16() * 1.5
        return (m.layer(y.view(torch.float16).float()),)

    same_as_eager(body, torch.randn(3, 32))


@pytest.mark.parametrize("name", ["vector", "row"])
@torch.no_grad()
def test_a_layer_on_what_weights_alone_give(name: str):
    def body(m: Model, x: Tensor) -> tuple[Tensor, ...]:
        return (m.layer(torch.relu(getattr(m, name))) + x,)

    same_as_eager(body, torch.randn(1, 32))


@pytest.mark.parametrize("inside", [False, True])
@torch.no_grad()
def test_autocast_means_what_it_means_in_eager(inside: bool):
    plain = nn.Linear(32, 32, bias=False)
    ternary = torch.randint(-1, 2, (32, 32)).float()
    plain.weight = nn.Parameter(ternary, requires_grad=False)

    def body(m: Model, x: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16, enabled=inside):
            y = m.layer(x)
            other = y @ ternary
            casted = plain(x) * 2
        return other, casted, m.layer(x + y) * torch.cumsum(x, -1)

    x = torch.randn(3, 32)
    same_as_eager(body, x)
    assert only_graph().calls == (2 if inside else 1)
    with torch.autocast("cpu", torch.bfloat16):
        same_as_eager(body, x)


@torch.no_grad()
def test_what_is_drawn_twice_is_not_drawn_once():
    def body(m: Model, x: Tensor) -> tuple[Tensor, ...]:
        first = nn.functional.gumbel_softmax(x) - nn.functional.gumbel_softmax(x)
        attend = nn.functional.scaled_dot_product_attention
        second = attend(x, x, x, dropout_p=0.5) - attend(x, x, x, dropout_p=0.5)
        return m.layer(x), first, second, torch.poisson(x * x) - torch.poisson(x * x)

    results = compiled(seeded(Model, body))(torch.randn(3, 32))
    assert all(one.any() for one in results)


@torch.no_grad()
def test_statistics_are_counted_at_each_call():
    norms = nn.BatchNorm1d(32), nn.BatchNorm1d(32)

    def body(m: Model, norm: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
        return m.layer(x), norm(x) + norm(x)

    model, x = seeded(Model, body), torch.randn(3, 32)
    compiled(model)(norms[0], x), model(norms[1], x)
    assert torch.equal(norms[0].running_mean, norms[1].running_mean)


@torch.no_grad()
def test_two_results_are_not_one_memory():
    def body(m: Model, x: Tensor) -> tuple[Tensor, ...]:
        made = [torch.cumsum(x, -1).view(-1) for _ in range(2)]
        return m.layer(x), *made

    _, first, second = same_as_eager(body, torch.randn(3, 32))
    assert first.data_ptr() != second.data_ptr()


@torch.library.custom_op("host_models::bump", mutates_args=("x",))
def bump(x: Tensor) -> None:
    """Add 1 in place."""
    x.add_(1)


@torch.no_grad()
def test_an_operator_of_the_users_that_writes_is_seen():
    def body(m: Model, x: Tensor) -> tuple[Tensor, ...]:
        y = m.layer(x) * 2
        torch.ops.host_models.bump(y)
        return m.layer(y), m.layer(x) * 2

    same_as_eager(body, torch.randn(3, 32))


@torch.no_grad()
def test_a_mapped_layer_stays_in_pytorch():
    plain = nn.Linear(32, 32)
    plain.weight = nn.Parameter(torch.eye(32), requires_grad=False)

    def body(m: Model, x: Tensor) -> tuple[Tensor, ...]:
        mapped = torch.vmap(lambda row: plain(row) * 2)(m.layer(x))
        return mapped, m.layer(mapped) + m.layer(x)

    same_as_eager(body, torch.randn(3, 32))
    assert only_graph().calls == 2


@torch.no_grad()
def test_an_embedding_that_is_given_its_weight_by_name():
    head = nn.Linear(32, 64, bias=False)

    def body(m: Model, ids: Tensor) -> tuple[Tensor, ...]:
        x = nn.functional.embedding(input=ids, weight=head.weight)
        return (head(m.layer(x)),)

    model, ids = seeded(Model, body), torch.arange(8)
    (got,) = compiled(model, quantize_lm_head=True)(ids)
    assert off(got, model(ids)[0]) < 0.05
    assert only_graph().calls == 1


@torch.library.custom_op("host_models::turned", mutates_args=())
def turned(x: Tensor) -> Tensor:
    """Columns as rows, which its fake says lie otherwise."""
    return x.t().clone().contiguous().t()


@turned.register_fake
def lies(x: Tensor) -> Tensor:
    """Rows as they are."""
    return torch.empty_like(x)


def through(m: Model, x: Tensor) -> Any:
    return turned(m.layer(x)) * 2, m.layer(x)


@torch.no_grad()
def test_an_operator_of_the_users_that_lies_about_strides_is_found_out():
    run = compiled(seeded(Model, through), rest="inductor")
    with pytest.raises(AssertionError, match="stride"):
        run(torch.randn(3, 32))
