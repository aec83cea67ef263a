"""
Linear layers on the host beside PyTorch's, in one run: `python benchmarks/host_kernels.py --threads 1`.

Each layer's weights rotate through a buffer that no cache holds; contenders take turns, round by round, and each round
reads 1 GiB of memory once with a kernel from the same compiler. Times are wall times: medians over rounds, with the
quartiles behind. Only ratios within the run mean anything. A layer whose reads or whose times spread by more than 15%
(half the quartiles' distance, for times) is measured again, at most three times, whichever way it went; the last counts.
A run whose reads still spread, or on a machine with other work, has no verdict, and says so.
"""

import argparse
import gc
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

import torch
from harness import header, table
from host_contenders import Contender, Layer, Shape

from dfc.runtime.native.bandwidth import Bandwidth, Reader, pause
from dfc.runtime.native.cpu import choose_isa

SHAPES = [
    Shape("q, k and v", 2560, 3840, 30),
    Shape("attention output", 2560, 2560, 30),
    Shape("gate or up", 2560, 6912, 0),
    Shape("gate and up", 2560, 13824, 30),
    Shape("down", 6912, 2560, 30),
    Shape("LM head, int8", 2560, 128256, 0, bytes=True),
]
"""The linear layers of BitNet b1.58 2B4T, and how often each counts in the total; what can be one product is."""

SPREAD = 0.15
"""Spread of the reads from which there is no verdict."""

TRIES = 3
"""How often a layer is measured whose times do not hold still."""

BURST = 0.02
"""Seconds of calls in a row that are timed at once."""

COMPILED, FROZEN, INTEGERS = "torch.compile bf16", "with freezing", "_int_mm"


@dataclass(frozen=True)
class Measured:
    """Seconds of a layer by contender and round, and the reads between."""

    shape: Shape
    tokens: int
    seconds: dict[str, list[float]]
    reads: Bandwidth

    def ratio(self, other: str) -> float:
        """How much longer another takes than dfc, in the medians."""
        return median(self.seconds[other]) / median(self.seconds["dfc"])

    @property
    def steady(self) -> bool:
        """Whether reads and everybody's times held still."""
        return max(self.reads.spread, *map(uneven, self.seconds.values())) <= SPREAD

    @property
    def share(self) -> float:
        """Bytes of the weight per second, as a share of the fastest read."""
        taken = median(self.seconds["dfc"])
        return self.shape.weight_bytes / taken / self.reads.best


def uneven(taken: Sequence[float]) -> float:
    """Half the distance of the quartiles, as a share of the median."""
    low, middle, high = quantiles(taken, n=4)
    return (high - low) / 2 / middle


def seconds(contender: Contender, calls: int) -> float:
    """Seconds of a layer, over several calls in a row on cores that are free."""
    pause()
    start = time.perf_counter()
    for _ in range(calls):
        contender.call()
    return (time.perf_counter() - start) / calls / contender.layers


def contenders(layer: Layer, isa: str) -> dict[str, Contender]:
    """Who takes part, dfc first, whose values are checked."""
    host, y = layer.host(isa)
    host.call()
    layer.check(y)
    found = {"dfc": host, COMPILED: layer.compiled(), "eager bf16": layer.eager()}
    if layer.shape.bytes:
        return found | {"_weight_int8pack_mm": layer.packed_bytes()}
    return found | {FROZEN: layer.frozen(), INTEGERS: layer.integers()}


def measure(layer: Layer, reader: Reader, chosen: argparse.Namespace) -> Measured:
    """A layer with all contenders, which are warmed first."""
    torch._dynamo.reset()
    every = contenders(layer, chosen.isa)
    for contender in every.values():
        seconds(contender, 3)
    calls = {
        name: max(1, int(BURST / contender.layers / seconds(contender, 2)))
        for name, contender in every.items()
    }
    for _ in range(TRIES):
        found = in_turns(layer, every, calls, reader, chosen.rounds)
        if found.steady:
            break
    return found


def in_turns(
    layer: Layer,
    every: Mapping[str, Contender],
    calls: Mapping[str, int],
    reader: Reader,
    rounds: int,
) -> Measured:
    """Contenders and reads of the memory, round by round."""
    taken: dict[str, list[float]] = {name: [] for name in every}
    reads: list[float] = []
    for _ in range(rounds):
        reads.append(reader.read(layer.threads))
        for name, contender in every.items():
            taken[name].append(seconds(contender, calls[name]))
    return Measured(layer.shape, layer.tokens, taken, Bandwidth(tuple(reads)))


def times(found: Measured) -> list[object]:
    """A row of the table of times."""
    size = f"{found.shape.columns} -> {found.shape.rows}"
    cells: list[object] = [found.shape.name, size, found.tokens]
    for name in ("dfc", COMPILED, FROZEN, "eager bf16", INTEGERS):
        if name not in found.seconds:
            name = "_weight_int8pack_mm" if name == INTEGERS else ""
        cells.append(spread(found.seconds[name]) if name else "")
    best = found.reads.best / 1e9
    return [*cells, found.share, f"{best:.1f}", found.reads.spread]


def spread(taken: Sequence[float]) -> str:
    """The median and the quartiles, in microseconds."""
    low, middle, high = quantiles(taken, n=4)
    return f"{middle * 1e6:.0f} ({low * 1e6:.0f}-{high * 1e6:.0f})"


def total(found: Sequence[Measured], other: str) -> float:
    """How much longer another takes for all layers of the model."""
    sums = [
        sum(each.shape.times * median(each.seconds[name]) for each in found)
        for name in (other, "dfc")
    ]
    return sums[0] / sums[1]


def criteria(
    found: Sequence[Measured], threads: int
) -> list[tuple[str, float, float, float]]:
    """What is wanted: its name, the least, the figure for the model's layers, and that of the worst layer."""
    rows: list[tuple[str, float, float, float]] = []
    one, more = (
        [m for m in found if m.shape.times and (m.tokens == 1) == single]
        for single in (True, False)
    )
    wanted = [
        (one, COMPILED, 12 if threads == 1 else 8),
        (one, FROZEN, 6),
        (more, COMPILED, 2),
        (more, INTEGERS, 1),
    ]
    for group, other, least in wanted:
        if group:
            name = f"{other} / dfc, {group[0].tokens} tokens"
            worst = min(each.ratio(other) for each in group)
            rows.append((name, least, total(group, other), worst))
    if one and threads == 1:
        shares = [each.share for each in one]
        size = sum(each.shape.times * each.shape.weight_bytes for each in one)
        taken = sum(each.shape.times * median(each.seconds["dfc"]) for each in one)
        whole = size / taken / max(each.reads.best for each in one)
        rows.append(("share of the best read, 1 token", 0.85, whole, min(shares)))
    return rows


def verdict(found: Sequence[Measured], threads: int, load: float) -> None:
    """Say of each criterion whether it is met, or why there is nothing to say."""
    rows = criteria(found, threads)
    if not rows:
        print("\nno verdict: none of the layers measured counts")
        return
    columns = ["", "wanted", "all layers", "worst layer"]
    moved = [each.shape.name for each in found if each.reads.spread > SPREAD]
    if load > 0.5 or moved:
        table(columns, rows)
        why = f"reads of the memory spread by more than 15% ({', '.join(moved)})"
        print(
            f"\nno verdict: {why if moved else f'other work was running ({load:.1f})'}"
        )
        return
    said = [[*row, "yes" if row[2] >= row[1] else "no"] for row in rows]
    table([*columns, "met"], said)


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").strip().split("\n", maxsplit=1)[0]
    )
    names = [shape.name for shape in SHAPES]
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1, 128])
    parser.add_argument("--layers", nargs="+", default=names, choices=names)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--gib", type=float, default=1, help="weights of a contender")
    parser.add_argument("--isa", default=choose_isa(), type=choose_isa)
    return parser.parse_args()


def main() -> None:
    """Print what was measured, and whether it says anything."""
    chosen = options()
    torch.set_num_threads(chosen.threads)
    torch.set_grad_enabled(False)
    load = os.getloadavg()[0]
    header()
    print(
        f"{chosen.threads} threads, {chosen.isa}, PyTorch {torch.__version__}, load {load:.1f}"
    )
    reader = Reader()
    found: list[Measured] = []
    for tokens in chosen.tokens:
        for shape in SHAPES:
            if shape.name in chosen.layers:
                size = int(chosen.gib * 2**30)
                layer = Layer(shape, tokens, size, chosen.threads)
                found.append(measure(layer, reader, chosen))
                del layer
                gc.collect()
    heads = ["dfc µs", COMPILED, FROZEN, "eager bf16", "_int_mm or _weight_int8pack_mm"]
    ends = ["share of best read", "best GB/s", "spread"]
    table(["layer", "size", "tokens", *heads, *ends], [times(each) for each in found])
    verdict(found, chosen.threads, load)


if __name__ == "__main__":
    main()
