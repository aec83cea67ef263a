"""Models and compiled forms that tests of target `host` share."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import dfc
from dfc import zoo


class Layer(nn.Module):
    """The feed-forward half of a BitNet layer: norms, three ternary products, a residual."""

    def __init__(self, width: int = 32, inner: int = 48) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.inner_norm = nn.RMSNorm(inner, eps=1e-5)
        self.gate = dfc.ternarize(nn.Linear(width, inner, bias=False))
        self.up = dfc.ternarize(nn.Linear(width, inner, bias=False))
        self.down = dfc.ternarize(nn.Linear(inner, width, bias=True))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        y = torch.square(functional.relu(self.gate(y))) * self.up(y)
        return x + self.down(self.inner_norm(y))


def seeded(build: Any, *args: Any, seed: int = 0) -> Any:
    """A module with weights drawn from a seed."""
    with zoo.seeded(seed):
        return build(*args).eval()


def compiled(model: nn.Module, **options: Any) -> Any:
    """A model on target `host`, what is not ternary in eager unless said."""
    return torch.compile(
        model, backend="dfc", options={"target": "host", "rest": "eager", **options}
    )


def off(got: Tensor, want: Tensor) -> float:
    """The mean square of the difference, of that of what is wanted."""
    got, want = got.detach().double(), want.detach().double()
    difference = (got - want).square().mean()
    return float((difference / want.square().mean()).sqrt())


def only_graph() -> Any:
    """The report of the one graph of the last call."""
    (graph,) = dfc.last_report().graphs
    return graph


def language_model(name: str = "bitnet-tiny", **changes: Any) -> Any:
    """A prepared language model of the zoo with random weights."""
    entry = zoo.find(name)
    entry = entry.model_copy(update={"config": entry.config | changes})
    return dfc.prepare(zoo.build(entry, abstract=False))


def steps(
    run: Any, model: Any, ids: Tensor, lengths: Sequence[int], capacity: int = 64
) -> list[Tensor]:
    """Logits of the last token after so many tokens each time, on one static cache."""
    from transformers import StaticCache

    cache, start, found = (
        StaticCache(config=model.config, max_cache_len=capacity),
        0,
        [],
    )
    for length in lengths:
        part = ids[:, start : start + length]
        out = run(
            input_ids=part, past_key_values=cache, use_cache=True, logits_to_keep=1
        )
        found.append(out.logits)
        start += length
    return found
