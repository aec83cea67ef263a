"""Three-valued weights found by their values, wherever a linear layer uses them."""

import pytest
import torch
from frontend_testing import agree, function
from torch import Tensor, nn
from torch.nn import functional

from dfc.frontends.load import trace_module
from dfc.frontends.ops import SAMPLE, three_valued
from dfc.frontends.rewrite import linear
from dfc.frontends.traced import Traced
from dfc.tensors import to_numpy


def three_values(*shape: int, scale: float = 0.5) -> nn.Parameter:
    """A weight of -s, 0 and s."""
    generator = torch.Generator().manual_seed(shape[0])
    return nn.Parameter(torch.randint(-1, 2, shape, generator=generator) * scale)


class Raw(nn.Module):
    """A linear layer without a linear module."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight
        self.shift = nn.Parameter(torch.ones(weight.shape[0]))

    def forward(self, x: Tensor) -> Tensor:
        """`x` times the weight transposed, and a shift."""
        return functional.linear(x, self.weight, bias=self.shift)


def count(traced: Traced, name: str = "main") -> int:
    """The ternary layers of a function."""
    ops = function(traced, name).walk()
    return sum(op.name == "ternary.linear" for op in ops)


@pytest.mark.parametrize("ternary", [True, False])
def test_a_bare_weight_is_found_by_its_values(ternary: bool):
    weight = three_values(16, 8) if ternary else nn.Parameter(torch.randn(16, 8))
    model, x = Raw(weight), torch.randn(4, 8)
    traced = trace_module(model, (x,))
    assert count(traced) == int(ternary)
    (got,) = agree(traced, "main", [to_numpy(x)])
    want = linear(x, weight, model.shift) if ternary else model(x)
    assert abs(got - to_numpy(want)).max() < 1e-5


def test_a_weight_of_another_module_is_found():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(16, 8, _weight=three_values(16, 8).data)

        def forward(self, x: Tensor) -> Tensor:
            return functional.linear(x, self.table.weight)

    traced = trace_module(Tied(), (torch.randn(2, 8),))
    assert count(traced) == 1


def test_repeated_layers_are_equal_only_if_the_same_weights_are_ternary():
    weights = [three_values(8, 8), nn.Parameter(torch.randn(8, 8))] * 2
    model = nn.Sequential(*(Raw(weight) for weight in weights))
    x = torch.randn(2, 8)
    traced = trace_module(model, (x,))
    private = {name for name, f in traced.functions.items() if f.private}
    assert sorted(count(traced, name) for name in private) == [0, 1]
    agree(traced, "main", [to_numpy(x)])


def test_a_weight_without_values_is_no_ternary_one():
    with torch.device("meta"):
        model = Raw(nn.Parameter(torch.empty(8, 8)))
    traced = trace_module(model, (torch.empty(2, 8, device="meta"),))
    assert count(traced) == 0


def test_all_values_are_looked_at():
    weight = torch.ones(2, SAMPLE)
    assert three_valued(weight)
    weight[1, -1] = 0.25
    assert not three_valued(weight)
    weight[0, 0] = 0.5
    assert not three_valued(weight)
