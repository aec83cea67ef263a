"""Clusters of target `host`: what joins, and what must stay outside."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx

from dfc.frontends import ops
from dfc.host.attention import host_sdpa
from dfc.host.backend import Lowering
from dfc.host.canonical import canonical, key_of
from dfc.host.clusters import Cluster, find_clusters
from dfc.host.graph import merge_equal, study
from dfc.host.rest import ordered
from dfc.host.rows import Rows
from dfc.region import Options

WEIGHT = torch.nn.Parameter(torch.eye(32), requires_grad=False)
OTHER = torch.nn.Parameter(torch.ones(32), requires_grad=False)


def linear(x: Tensor) -> Tensor:
    """A ternary linear layer."""
    trits, scale = ops.ternarize(WEIGHT, "absmean")
    return ops.linear(x.reshape(-1, 32), trits, scale, None).reshape(x.shape)


def graph_of(body: Callable[..., Any], *inputs: Tensor) -> tuple[fx.GraphModule, Any]:
    """What Dynamo gives a backend for a function."""
    found: list[Any] = []

    def backend(module: fx.GraphModule, given: Any) -> Any:
        found.append((module, list(given)))
        return module.forward

    torch._dynamo.reset()
    with torch.no_grad():
        torch.compile(body, backend=backend, fullgraph=True)(*inputs)
    return found[0]


def lowering(body: Callable[..., Any], *inputs: Tensor) -> Lowering:
    """The facts and clusters of a function, none compiled."""
    module, given = graph_of(body, *inputs)
    places = [n for n in module.graph.nodes if n.op == "placeholder"]
    held = dict(zip(places, given, strict=True))
    found = Lowering(module, held, Options())
    weights = [n for n, v in held.items() if isinstance(v, torch.nn.Parameter)]
    found.facts = study(module.graph, weights)
    return found


def clusters(body: Callable[..., Any], *inputs: Tensor) -> list[Cluster]:
    """The clusters of a function; that they can be put in order is checked."""
    facts = lowering(body, *inputs).facts
    found = find_clusters(facts, Rows(facts.weights, facts.touching, set()))
    ordered(facts, [canonical(cluster, facts) for cluster in found])
    return found


X = torch.randn(3, 32)


def products(found: list[Cluster]) -> list[int]:
    return [len(cluster.products) for cluster in found]


def test_row_operators_around_a_layer_join():
    def body(x: Tensor) -> Tensor:
        y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * OTHER
        return x + torch.relu(linear(y))

    (cluster,) = clusters(body, X)
    assert {n.target for n in cluster.nodes} >= {"pow", "mean", torch.relu}


def test_a_value_that_leaves_and_comes_back_ends_a_cluster():
    def body(x: Tensor) -> Tensor:
        y = linear(x)
        return linear(y) + linear(torch.cumsum(y, -1))

    assert products(clusters(body, X)) == [2, 1]


def test_layers_on_one_value_join_though_what_made_it_does_not():
    def body(x: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.cumsum(x, -1)
        return linear(y), linear(y) * 2

    assert products(clusters(body, X)) == [2]


@pytest.mark.parametrize(
    "outside",
    [
        lambda y: y.sum(0, keepdim=True),
        lambda y: y.mean(-1).unsqueeze(-1).expand(-1, 32),
        lambda y: y.t().reshape(3, 32),
        lambda y: y.double(),
        lambda y: y * torch.arange(3.0).reshape(3, 1).sum(),
        lambda y: y.reshape(6, 16),
        lambda y: torch.dropout(y, 0.5, True),
        lambda y: y.add_(1),
    ],
)
def test_what_is_no_work_on_rows_stays_outside(outside: Callable[[Tensor], Tensor]):
    (cluster,) = clusters(lambda x: outside(linear(x) * 1.5), X)
    last = cluster.nodes[-1].target
    assert str(getattr(last, "__name__", last)) in ("mul", "reshape")


def test_rows_that_are_spread_over_others_stay_outside():
    def body(x: Tensor, y: Tensor) -> Tensor:
        return linear(x) + y

    (cluster,) = clusters(body, X, torch.randn(2, 3, 32))
    assert "add" not in {getattr(n.target, "__name__", "") for n in cluster.nodes}


def test_writes_in_place_keep_their_order():
    def body(x: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        before = count * 2
        count.add_(1)
        return linear(x) + linear(x * 2), before + count

    found = lowering(body, X, torch.zeros(3, 32))
    form = [canonical(c, found.facts) for c in clusters(body, X, torch.zeros(3, 32))]
    assert len(form) == 1
    names = [n.name for n in ordered(found.facts, []) if isinstance(n, fx.Node)]
    writes = next(n for n in names if n.startswith("add_"))
    assert names.index("before") < names.index(writes)
    assert found.facts.touching


def test_equal_clusters_have_one_key_and_others_another():
    def body(x: Tensor) -> Tensor:
        y = torch.cumsum(linear(x) * 2.0, -1)
        y = torch.cumsum(linear(y) * 2.0, -1)
        return linear(y) * 3.0

    facts = lowering(body, X).facts
    found = find_clusters(facts, Rows(facts.weights, facts.touching, set()))
    first, second, third = (key_of(canonical(c, facts)) for c in found)
    assert first == second
    assert second != third


def test_equal_work_is_done_once_but_not_over_a_write():
    def body(x: Tensor, count: Tensor) -> Tensor:
        y = torch.cumsum(x, -1) + torch.cumsum(x, -1)
        first = torch.cumsum(count, -1)
        count.add_(1)
        return y + first + torch.cumsum(count, -1)

    found = lowering(body, X, torch.zeros(3, 32))
    graph = found.module.graph
    merge_equal(graph, found.facts)
    assert sum(n.target is torch.cumsum for n in graph.nodes) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("batch", "heads", "groups", "rows", "keys"),
    [(1, 4, 2, 1, 16), (2, 4, 4, 1, 9), (1, 4, 1, 5, 16), (2, 6, 2, 7, 7)],
)
def test_attention_says_what_dfcs_says(
    dtype: torch.dtype, batch: int, heads: int, groups: int, rows: int, keys: int
):
    torch.manual_seed(0)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    q = torch.randn(batch, heads, rows, 8).to(dtype)
    for start in (None, 0, 3):
        if start is not None and start + rows > keys:
            continue
        position = None if start is None else torch.tensor(start)
        k, v = (torch.randn(batch, groups, keys, 8).to(dtype) for _ in range(2))
        if start is not None:
            v[:, :, start + rows :] = float("nan")
        mask = torch.randn(batch, heads, rows, keys).to(dtype)
        mask[..., 0, :] = float("-inf")
        for causal, window in ((False, None), (True, None), (True, 4)):
            for given in (None, mask):
                want = ops.sdpa(q, k, v, position, given, causal, window, None, None)
                got = host_sdpa(q, k, v, position, given, causal, window, None)
                assert (got.float() - want.float()).abs().max() < tolerance
