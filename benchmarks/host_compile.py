"""
What the code of a 30-layer model's regions costs to make, and to find again: `python benchmarks/host_compile.py`.

BitNet b1.58 2B4T has three different regions between its attentions: norm, q, k and v of the first layer; from the
attention's output to the next layer's q, k and v; from the last attention's to the last norm. Each is made from its
tiled IR, as `torch.compile` makes it, in CPU seconds, medians over runs; modules are imported before.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from harness import header, table
from torch import Tensor
from torch.nn.functional import relu

from dfc.frontends.lower import lower
from dfc.host import code, region
from dfc.runtime.native import jit, kernel
from dfc.runtime.native.cache import ObjectCache
from dfc.runtime.native.cpu import choose_isa

sys.path.append(str(Path(__file__).parent.parent / "tests" / "compiler"))
from region_testing import linear, norm, traced

WIDTH, INNER, KEYS = 2560, 6912, 640
"""Columns of the rows, of the feed-forward layer, and of keys and values."""

LIMIT, FOUND, TIMES = 0.5, 0.05, 2
"""Seconds for all, seconds from the cache, and how often LLVM's own time if that is more."""

LLVM = "LLVM: machine code"

STEPS: list[tuple[Any, str, str | Callable[..., str]]] = [
    (code, "apply", lambda one, *_: f"running {one.name}"),
    (kernel, "plain_text", "writing the code as text"),
    (jit, "to_llvm", "MLIR: reading, lowering"),
    (jit, "generated", LLVM),
]
"""Functions that are timed, and under which names."""


def first(x: Tensor, gain: Tensor, *weights: Tensor) -> list[Tensor]:
    """In front of the first attention."""
    y = norm(x, gain)
    return [linear(y, w) for w in weights]


def half(x: Tensor, r: Tensor, *weights: Tensor) -> Tensor:
    """Output of the attention and feed-forward layer, each added to what came before."""
    g0, o, g1, gate, up, g2, down = weights
    h = r + linear(norm(x, g0), o)
    y = norm(h, g1)
    y = relu(linear(y, gate)).pow(2) * linear(y, up)
    return h + linear(norm(y, g2), down)


def layer(x: Tensor, r: Tensor, *weights: Tensor) -> list[Tensor]:
    """Between two attentions."""
    h = half(x, r, *weights[:7])
    return [h, *first(h, *weights[7:])]


def last(x: Tensor, r: Tensor, *weights: Tensor) -> list[Tensor]:
    """Behind the last attention."""
    return [norm(half(x, r, *weights[:7]), weights[7])]


FRONT = [(WIDTH,), (WIDTH, WIDTH), (KEYS, WIDTH), (KEYS, WIDTH)]
HALF = [(WIDTH,), (WIDTH, WIDTH), (WIDTH,), (INNER, WIDTH), (INNER, WIDTH), (INNER,)]
HALF += [(WIDTH, INNER)]
REGIONS = [(first, 1, FRONT), (layer, 2, HALF + FRONT), (last, 2, [*HALF, (WIDTH,)])]


def tiled() -> list[tuple[Any, Sequence[str]]]:
    """The regions at *tiled*, and the passes from there."""
    found = []
    for body, rows, shapes in REGIONS:
        weights = [torch.empty(shape, dtype=torch.bfloat16) for shape in shapes]
        function = traced(body, [WIDTH] * rows, weights, torch.bfloat16)
        module = lower([function])
        found.append((module, region.tile(module).native))
    return found


@contextmanager
def timing(seconds: dict[str, float]) -> Iterator[None]:
    """Add the CPU time of every step to `seconds`."""
    with ExitStack() as stack:
        for owner, name, label in STEPS:
            inner = getattr(owner, name)

            def call(*args: Any, inner: Any = inner, label: Any = label) -> Any:
                start = time.process_time()
                try:
                    return inner(*args)
                finally:
                    said = label if isinstance(label, str) else label(*args)
                    seconds[said] += time.process_time() - start

            stack.enter_context(patch.object(owner, name, call))
        yield


def make(modules: list[tuple[Any, Sequence[str]]], folder: Path) -> dict[str, float]:
    """CPU seconds by step, of all, and of all once more."""
    seconds: dict[str, float] = defaultdict(float)
    isa, cache = choose_isa(), ObjectCache(folder)
    for label in ("all", "from the cache"):
        code.MADE.clear()
        start = time.process_time()
        with timing(seconds):
            for module, passes in modules:
                code.code_of(module, passes, isa, cache)
        seconds[label] = time.process_time() - start
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    header()
    modules = tiled()
    runs: list[dict[str, float]] = []
    for _ in range(given.runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(make(modules, Path(folder)))
    found = {name: median(run[name] for run in runs[1:]) for name in runs[0]}
    rows = [[name, f"{value:.3f}"] for name, value in found.items()]
    table(["CPU seconds", "3 regions"], rows)
    limit = max(LIMIT, TIMES * found[LLVM])
    print(f"all / limit of {limit:.2f} s: {found['all'] / limit:.2f}")
    print(f"all / LLVM's own: {found['all'] / found[LLVM]:.2f}")
    print(f"from the cache / {FOUND} s: {found['from the cache'] / FOUND:.2f}")


if __name__ == "__main__":
    main()
