# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false
"""`dfc bench host`: a model's ternary linear layers beside bf16 PyTorch's, in one process."""

import copy
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from statistics import median
from typing import Any, cast

import torch
import torch._inductor.config
from torch import Tensor, nn

from dfc import zoo
from dfc.errors import InputError
from dfc.frontends.packing import pack
from dfc.frontends.preparation import linear_layers, ternary_rule
from dfc.host.result import SPREAD, spread
from dfc.progress import step
from dfc.runtime.native.bandwidth import Bandwidth, Reader, pause

COPIES = 64
"""Copies of a layer at most: each is part of the graph that is compiled."""

TOKENS = (1, 128)
"""Tokens at once: a step, and a prompt."""


class Layers(nn.Module):
    """Copies of a layer, each on activations of its own."""

    def __init__(self, copies: Sequence[nn.Module]) -> None:
        super().__init__()
        self.copies = nn.ModuleList(copies)

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Every copy's result."""
        return [one(x) for one, x in zip(self.copies, xs, strict=True)]


@dataclass
class Contender:
    """A way to compute a layer: seconds of one call of one copy, measured several times."""

    name: str
    call: Callable[..., Any]
    xs: list[Tensor]
    layer_bytes: int
    seconds: list[float] = field(default_factory=list[float])

    def run(self) -> None:
        """All copies once, on cores that are free."""
        pause()
        start = time.perf_counter()
        self.call(self.xs)
        self.seconds.append((time.perf_counter() - start) / len(self.xs))


def shapes(model: str) -> dict[tuple[int, int], str]:
    """Columns and rows of a model's ternary linear layers, with the names of those that have them."""
    if not model.startswith("zoo:"):
        raise InputError(f"expected `zoo:NAME`, got `{model}`", model)
    built = zoo.build(zoo.find(model.removeprefix("zoo:")))
    found: dict[tuple[int, int], list[str]] = {}
    for path, layer in linear_layers(built):
        if ternary_rule(layer) is not None:
            size = (cast(Any, layer).in_features, cast(Any, layer).out_features)
            found.setdefault(size, []).append(path.rpartition(".")[2])
    if not found:
        raise InputError(f"expected a model with ternary layers, `{model}` has none")
    return {size: ", ".join(dict.fromkeys(names)) for size, names in found.items()}


def contenders(
    size: tuple[int, int], tokens: int, bytes_: int
) -> Iterator[tuple[Contender, bool]]:
    """dfc first, then PyTorch's; whether freezing is on when the call is compiled."""
    columns, rows = size
    x = torch.randn(tokens, columns, dtype=torch.bfloat16)
    dense: list[Any] = [nn.Linear(columns, rows, bias=False, dtype=torch.bfloat16)]
    dense += [copied(dense[0]) for _ in range(count(2 * rows * columns, bytes_) - 1)]
    layer = zoo.bitnet_layer(dense[0], "bitlinear", torch.bfloat16)
    zoo.draw_weights(layer, columns**-0.5)
    packed: list[Any] = [pack(layer)]
    size_ = packed[0].weight.nbytes
    packed += [copied(packed[0]) for _ in range(count(size_, bytes_) - 1)]
    host: dict[str, Any] = {"target": "host", "rest": "eager"}
    own, plain = Layers(packed).eval(), Layers(dense).eval()
    native = torch.compile(own, backend="dfc", options=host, dynamic=False)
    yield Contender("dfc", native, [x] * len(packed), size_), False
    xs, held = [x.clone() for _ in dense], 2 * rows * columns
    default = torch.compile(plain, dynamic=False)
    frozen = torch.compile(Layers(dense).eval(), dynamic=False)
    yield Contender("compile", default, xs, held), False
    yield Contender("freezing", frozen, xs, held), True
    yield Contender("eager", plain, xs, held), False


def count(size: int, bytes_: int) -> int:
    """How many copies fill so many bytes."""
    return min(COPIES, max(1, bytes_ // size))


def copied(layer: nn.Module) -> Any:
    """A layer on weights of its own."""
    return copy.deepcopy(layer)


@dataclass(frozen=True)
class Row:
    """A layer and a number of tokens: every contender's seconds."""

    layer: str
    size: tuple[int, int]
    tokens: int
    contenders: Sequence[Contender]
    memory: Bandwidth

    def as_dict(self) -> dict[str, object]:
        """The row for JSON and tables: microseconds, and PyTorch's times over dfc's."""
        own, *others = self.contenders
        taken = median(own.seconds)
        ratios = {f"{o.name} / dfc": median(o.seconds) / taken for o in others}
        return {
            "layer": self.layer,
            "size": f"{self.size[0]} -> {self.size[1]}",
            "tokens": self.tokens,
            "dfc_us": taken * 1e6,
            "spread": spread(own.seconds),
            **ratios,
            "memory_share": own.layer_bytes / taken / self.memory.best,
            "memory_gb_per_s": self.memory.best / 1e9,
            "memory_spread": self.memory.spread,
        }


def compare(
    model: str, threads: int | None, rounds: int, bytes_: int
) -> tuple[list[Row], list[str]]:
    """A row for each size and number of tokens; why they are no verdict."""
    busy = os.getloadavg()[0] > 0.5
    if threads is not None:
        torch.set_num_threads(threads)
    reader, rows = Reader(bytes_), list[Row]()
    for size, names in shapes(model).items():
        for tokens in TOKENS:
            step(f"measuring {names}, {tokens} tokens")
            rows.append(measured(size, names, tokens, rounds, reader))
    doubts = ["other work was running"] if busy else []
    if any(row.memory.spread > SPREAD for row in rows):
        doubts.append(f"reads of the memory spread by more than {SPREAD:.0%}")
    return rows, doubts


def measured(
    size: tuple[int, int], names: str, tokens: int, rounds: int, reader: Reader
) -> Row:
    """Contenders in turns, the memory read between."""
    taking: list[Contender] = []
    reads: list[float] = []
    torch.compiler.reset()
    with torch.no_grad():
        for one, freezing in contenders(size, tokens, reader.memory.size):
            patch: Any = torch._inductor.config.patch(freezing=True)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
            with patch if freezing else nullcontext():
                one.call(one.xs)
            one.run()
            one.seconds.clear()
            taking.append(one)
        for _ in range(rounds):
            reads.append(reader.read(torch.get_num_threads()))
            for one in taking:
                one.run()
    return Row(names, size, tokens, taking, Bandwidth(tuple(reads)))
