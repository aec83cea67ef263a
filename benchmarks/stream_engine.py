"""
What exact cycles of stream graphs cost: token-firings per second, beside simpy and numba.

The first table is attention as it is lowered from `attention.sdpa`, with FIFOs sized, values not
computed and nothing skipped; compiling stands apart. The second is one uniform pipeline run by dfc,
by a recurrence in numba and by processes in simpy. The third is windowed attention with whole
periods added in closed form. Needs the extra `bench`.

    python benchmarks/stream_engine.py --length 4096 --runs 7
"""

import argparse
import resource
import time
from collections.abc import Callable
from itertools import pairwise

import numba
import numpy as np
import simpy
from harness import header, per_call, table

from dfc.reproduce.attention import SIZED, Attention
from dfc.runtime.graph import Edge, Graph, Node, Rate, simulate
from dfc.runtime.graph.machine_code import COMPILED
from dfc.runtime.graph.native import NativeRun
from dfc.runtime.graph.schedule import Scheduler

SCHEDULES = {
    "naive": "naive",
    "reordered": "reordered",
    "streaming": "streaming",
    "windowed, 512": "windowed",
}
STAGES, DEPTH = 10, 2
WINDOW = 512
LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
SIMPY_TOKENS = 2_000


def attention(name: str, length: int) -> Graph:
    """Attention of one head by one of the schedules, as the passes make it."""
    windowed = name.startswith("windowed")
    return Attention(
        length, SCHEDULES[name], causal=windowed, window=WINDOW if windowed else None
    ).graph(SIZED)


def compile_ms(graph: Graph) -> float:
    """CPU milliseconds to schedule a graph and compile its steps, less what a second time takes."""

    def make() -> float:
        start = time.process_time()
        NativeRun(graph, Scheduler(graph).run(), statistics=False)
        return time.process_time() - start

    COMPILED.clear()
    first = make()
    return 1e3 * (first - make())


def rate(graph: Graph, statistics: bool, runs: int) -> float:
    """Millions of firings per CPU second of a whole call of `simulate`, compiled before."""

    def work() -> None:
        simulate(graph, statistics=statistics, skip=False)

    work()
    return graph.firings / per_call(work, runs) / 1e6


def attention_rows(length: int, runs: int) -> list[tuple[object, ...]]:
    """Each schedule's graph: firings, cycles, compile time, and rates without and with statistics."""
    rows: list[tuple[object, ...]] = []
    for name in SCHEDULES:
        graph = attention(name, length)
        compiled = compile_ms(graph)
        cycles = simulate(graph, statistics=False).cycles
        rates = [rate(graph, statistics, runs) for statistics in (False, True)]
        rows.append((name, graph.firings, cycles, round(compiled), *map(round, rates)))
    return rows


def pipeline(tokens: int) -> Graph:
    """A chain of equal nodes and short FIFOs."""
    one = Rate.each()
    names = [f"stage {n}" for n in range(STAGES)]
    return Graph(
        tuple(Node(name, tokens) for name in names),
        tuple(Edge(f"{a}, {b}", a, b, one, one, DEPTH) for a, b in pairwise(names)),
    )


@numba.njit(cache=False)
def recurrence(tokens: int, stages: int, depth: int) -> int:
    """The last cycle of a pipeline: token by token, each stage behind the one before and its room."""
    last = np.full(stages, -1, np.int64)
    taken = np.full((stages, depth), -1, np.int64)
    for token in range(tokens):
        slot = token % depth
        for stage in range(stages):
            cycle = last[stage] + 1
            if stage > 0:
                cycle = max(cycle, last[stage - 1] + 1)
            if stage < stages - 1:
                cycle = max(cycle, taken[stage + 1, slot] + 1)
            taken[stage, slot] = cycle
            last[stage] = cycle
    return last[stages - 1]


def processes(tokens: int) -> int:
    """The same pipeline as simpy's processes and stores."""
    world = simpy.Environment()
    stores = [simpy.Store(world, DEPTH) for _ in range(STAGES - 1)]

    def stage(number: int):
        for token in range(tokens):
            if number > 0:
                yield stores[number - 1].get()
            yield world.timeout(1)
            if number < STAGES - 1:
                yield stores[number].put(token)

    last = [world.process(stage(number)) for number in range(STAGES)][-1]
    world.run(last)
    return int(world.now)


def pipeline_rows(tokens: int, runs: int) -> list[tuple[object, ...]]:
    """The pipeline by each engine: tokens, and millions of firings per CPU second."""
    graph = pipeline(tokens)
    works: dict[str, tuple[int, Callable[[], object]]] = {
        "dfc": (tokens, lambda: simulate(graph, statistics=False, skip=False)),
        "dfc, with statistics": (tokens, lambda: simulate(graph, skip=False)),
        "recurrence in numba": (tokens, lambda: recurrence(tokens, STAGES, DEPTH)),
        "simpy": (SIMPY_TOKENS, lambda: processes(SIMPY_TOKENS)),
    }
    right = simulate(graph, statistics=False, skip=False).cycles
    if recurrence(tokens, STAGES, DEPTH) + 1 != right:
        raise SystemExit("dfc and the recurrence disagree")
    rates: dict[str, tuple[int, float]] = {}
    for name, (count, work) in works.items():
        work()
        rates[name] = count, STAGES * count / per_call(work, runs) / 1e6
    first = rates["dfc"][1]
    return [
        (name, count, f"{each:.2f}", first / each)
        for name, (count, each) in rates.items()
    ]


def peak_mib() -> float:
    """The largest memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def window_rows(runs: int) -> list[tuple[object, ...]]:
    """Windowed attention of more and more tokens: cycles, CPU time, and what is kept."""
    rows: list[tuple[object, ...]] = []
    for length in LENGTHS:
        graph = attention("windowed, 512", length)
        simulate(graph)
        before = peak_mib()
        taken = per_call(lambda graph=graph: simulate(graph), runs)
        run = NativeRun(graph, Scheduler(graph).run(), statistics=True)
        cycles = run.run(skip=True).cycles
        rows.append(
            (
                length,
                graph.firings,
                cycles,
                1e3 * taken,
                run.state.nbytes / 1024,
                peak_mib() - before,
            )
        )
    return rows


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args()
    header()
    simulate(pipeline(2), statistics=False)  # starts MLIR, and compiles the driver
    columns = (
        "token-firings",
        "cycles",
        "compile, ms",
        "M firings/s",
        "with statistics",
    )
    rows = attention_rows(given.length, given.runs)
    table((f"attention, N = {given.length}", *columns), rows)
    columns = ("tokens", "M firings/s", "dfc is faster by")
    rows = pipeline_rows(given.length**2 // STAGES, given.runs)
    table((f"pipeline of {STAGES} stages", *columns), rows)
    columns = ("token-firings", "cycles", "CPU, ms", "state, KiB", "peak, MiB more")
    table((f"windowed {WINDOW}, N", *columns), window_rows(given.runs))


if __name__ == "__main__":
    main()
