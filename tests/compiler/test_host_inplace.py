"""Rows written in place on target `host`: those that a graph makes itself join regions, no other's memory changes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from host_backend_testing import only_graph
from torch import Tensor
from torch.nn import functional

from dfc.frontends import ops
from dfc.host.graph import written

WEIGHT = torch.nn.Parameter(
    torch.randint(-1, 2, (32, 32), generator=torch.Generator().manual_seed(0)).float(),
    requires_grad=False,
)


@pytest.fixture(autouse=True)
def fresh() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)


def linear(x: Tensor) -> Tensor:
    """A ternary linear layer whose results are whole numbers times a scale."""
    trits, scale = ops.ternarize(WEIGHT, "exact")
    y = ops.linear(x.reshape(-1, 32), trits, scale, None).reshape(x.shape)
    return y * 0.1


def residual(x: Tensor) -> Tensor:
    x = torch.sin(x)
    x += linear(x)
    x += linear(x)
    return x


def methods(x: Tensor) -> Tensor:
    y = linear(x).mul_(2).clamp_(-3, 3)
    y.add_(x, alpha=0.5)
    return functional.relu(y, inplace=True)


def functions(x: Tensor) -> Tensor:
    y = functional.dropout(linear(x), 0.1, False, True)
    y = functional.leaky_relu(y, 0.2, True)
    return torch.relu_(y - 1)


def old_name(x: Tensor) -> Tensor:
    y = torch.sin(x)
    same = y
    y *= linear(y)
    return same + linear(same)


def view_afterwards(x: Tensor) -> tuple[Tensor, Tensor]:
    y = linear(x)
    y += 1
    return y, y.view(-1)


def run(body: Callable[..., Any], *inputs: Tensor, rest: str = "eager") -> Any:
    """A function's results on target `host`."""
    options = {"target": "host", "rest": rest, "fallback": "error"}
    with torch.no_grad():
        return torch.compile(body, backend="dfc", options=options)(*inputs)


def check(body: Callable[..., Any], *inputs: Tensor, rest: str = "eager") -> None:
    """The same results and inputs as in eager, and the same results in one memory."""
    mine, plain = ([one.clone() for one in inputs] for _ in range(2))
    got = torch.utils._pytree.tree_leaves(run(body, *mine, rest=rest))
    with torch.no_grad():
        want = torch.utils._pytree.tree_leaves(body(*plain))
    for one, other in zip((*got, *mine), (*want, *plain), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.stride() == other.stride()
        assert torch.allclose(
            one, other, rtol=1e-2, atol=1e-2
        )  # inductor rounds bf16 later
    assert same_memory((*got, *mine)) == same_memory((*want, *plain))


def same_memory(tensors: Any) -> list[int]:
    """For each tensor the first that lies in its memory."""
    places = [one.untyped_storage().data_ptr() for one in tensors]
    return [places.index(place) for place in places]


@pytest.mark.parametrize(
    "rest", ["eager", pytest.param("inductor", marks=[pytest.mark.slow])]
)
@pytest.mark.parametrize(
    "body", [residual, methods, functions, old_name, view_afterwards]
)
def test_rows_of_the_graphs_own_join_regions(body: Callable[..., Any], rest: str):
    check(body, torch.randn(3, 32), rest=rest)
    graph = only_graph()
    outside = body in (residual, old_name, view_afterwards)
    assert (graph.calls, graph.operators - graph.lowered) == (1, int(outside))


def an_input(x: Tensor) -> Tensor:
    x += linear(x)
    return x * 2


def view_of_an_input(x: Tensor) -> Tensor:
    y = x.reshape(-1, 32)
    y.add_(linear(y))
    return y * 2


def view_before(x: Tensor) -> Tensor:
    y = linear(x)
    view = y.view(-1)
    y += 1
    return view * 2


def view_that_leaves(x: Tensor) -> tuple[Tensor, Tensor]:
    y = linear(x)
    view = y.view(-1)
    y += 1
    return view, y


def part(x: Tensor) -> Tensor:
    y = linear(x)
    head = y[:1]
    head += linear(head)
    return linear(y)


def half(x: Tensor) -> Tensor:
    first, second = linear(x).chunk(2, 0)
    first += 1
    return linear(first) + second


def item(x: Tensor) -> Tensor:
    y = linear(x)
    y[0] = 1
    y += linear(y)
    y[1] = 2
    return linear(y)


def narrow_dtype(x: Tensor) -> Tensor:
    y = linear(x).bfloat16()
    y += linear(x)
    return y.float() * 2


def no_rows(x: Tensor) -> Tensor:
    y = linear(x).t()
    y += 1
    return y.reshape(x.shape) * 2


def written_twice(x: Tensor, cache: Tensor) -> Tensor:
    y = linear(x)
    cache[:3].copy_(y)
    seen = cache[:3]
    seen += y
    y += seen
    return linear(y) + cache[1:4]


@pytest.mark.parametrize(
    "body",
    [
        an_input,
        view_of_an_input,
        view_before,
        view_that_leaves,
        part,
        half,
        item,
        narrow_dtype,
        no_rows,
    ],
)
@pytest.mark.parametrize(
    "rest", ["eager", pytest.param("inductor", marks=[pytest.mark.slow])]
)
def test_memory_that_others_read_is_written(body: Callable[..., Any], rest: str):
    check(body, torch.randn(4, 32), rest=rest)


def test_a_cache_is_written():
    check(written_twice, torch.randn(3, 32), torch.randn(6, 32))


@pytest.mark.parametrize(
    "body", [an_input, view_of_an_input, view_before, view_that_leaves, part, half]
)
def test_no_write_to_it_is_taken_away(body: Callable[..., Any]):
    from dfc.host.inplace import functionalise

    found: list[int] = []

    def backend(module: torch.fx.GraphModule, given: Any) -> Any:
        functionalise(module.graph)
        found.append(sum(bool(written(node)) for node in module.graph.nodes))
        return module.forward

    with torch.no_grad():
        torch.compile(body, backend=backend, fullgraph=True)(torch.randn(4, 32))
    assert found == [1]
