"""
What simulated time costs: per simulated operation and decode step, and when trip counts double.

    python benchmarks/simulator.py [--layers 30] [--runs 5]

The program is BitNet b1.58 2B4T on `tiny-npu` with abstract weights, lowered once for each prompt
length. *Simulated operations* are the launches and copies of the program's run, as many as a
record of every event would hold; the simulator does not walk them one by one, since a loop whose
rounds are equal is a power of a max-plus map. Twice the prompt is other tiles and more of them. The
loop at the end is one program with nothing but its trip count changed: a hundred times the trips
should cost about the same. Limit: prefill 128 and 32 decode steps in 2 s.
"""

import argparse

from cost_2b4t import NAME, TARGET, architecture
from harness import header, per_call, table
from xdsl.dialects.builtin import ModuleOp

from dfc.api import load
from dfc.driver import new_context, parse_module
from dfc.runtime.simulator import (
    Simulator,
    simulate_function,
    simulate_language_model,
)
from dfc.workload import plan

PROMPTS = (128, 256, 512)
STEPS = (1, 32, 64)
TRIPS = (100, 200, 1000, 10_000)
LOOP = """
builtin.module attributes {accel.target = "tellme-kv260"} {
func.func @main(%w: memref<1024xi8, "ddr">) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.constant TRIPS : index
  %start = accel.start
  %a = tier.alloc offset 0 : memref<1024xi8, "uram">
  %b = tier.alloc offset 1024 : memref<1024xi8, "uram">
  %e0, %e1 = scf.for %i = %c0 to %n step %c1 iter_args(%old = %start, %last = %start) -> (!accel.event, !accel.event) {
    %there = tier.copy %w to %a after(%old) : memref<1024xi8, "ddr"> to memref<1024xi8, "uram">
    %then = tier.copy %w to %b after(%there) : memref<1024xi8, "ddr"> to memref<1024xi8, "uram">
    scf.yield %last, %then : !accel.event, !accel.event
  }
  accel.wait %e0, %e1
  func.return
}
}
"""
"""Copies that wait for those two rounds before, as in a double buffer."""


def program(model: str, prompt: int, steps: int) -> ModuleOp:
    """The model at program level for a prompt and decode steps behind it."""
    return load(model, TARGET, plan(prompt, steps)).module("program")


def operations(module: ModuleOp) -> int:
    """The launches and copies of one prefill, counted one by one."""
    return len(Simulator(module).record("prefill").records)


def prompt_rows(modules: dict[int, ModuleOp], runs: int) -> list[tuple[object, ...]]:
    """For each prompt length, prefill's operations and the time to simulate it, and against the first one's."""
    counted = {prompt: operations(module) for prompt, module in modules.items()}
    taken = {
        prompt: per_call(lambda p=prompt, m=module: simulate_language_model(m, p), runs)
        for prompt, module in modules.items()
    }
    first = taken[PROMPTS[0]]
    return [
        (
            f"prefill {prompt}",
            counted[prompt],
            1e3 * taken[prompt],
            1e6 * taken[prompt] / counted[prompt],
            taken[prompt] / first,
        )
        for prompt in modules
    ]


def step_rows(module: ModuleOp, runs: int) -> list[tuple[object, ...]]:
    """The time to simulate more and more decode steps, and what each takes."""
    prompt = PROMPTS[0]
    taken = {
        steps: per_call(
            lambda steps=steps: simulate_language_model(module, None, steps, prompt),
            runs,
        )
        for steps in STEPS
    }
    return [
        (f"{steps} decode steps", 1e3 * each, 1e3 * each / steps)
        for steps, each in taken.items()
    ]


def trip_rows(runs: int) -> list[tuple[object, ...]]:
    """The time to simulate a loop, against the first trip count's."""
    taken: dict[int, float] = {}
    for trips in TRIPS:
        module = parse_module(LOOP.replace("TRIPS", str(trips)), new_context())
        taken[trips] = per_call(lambda module=module: simulate_function(module), runs)
    first = taken[TRIPS[0]]
    return [(f"{n} trips", 1e3 * each, each / first) for n, each in taken.items()]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    header()
    with architecture(NAME, given.layers) as model:
        modules = {prompt: program(model, prompt, max(STEPS)) for prompt in PROMPTS}
    columns = ("simulated operations", "CPU, ms", "us per operation", "ratio")
    table(("simulate", *columns), prompt_rows(modules, given.runs))
    columns = ("CPU, ms", "ms per step")
    table(("simulate", *columns), step_rows(modules[PROMPTS[0]], given.runs))
    table(("simulate", "CPU, ms", "ratio"), trip_rows(given.runs))


if __name__ == "__main__":
    main()
