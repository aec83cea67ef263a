"""
Fit one number of a target to one measured decode speed.

    python scripts/calibrate.py zoo:bitnet-b1.58-large tellme-kv260 tier.ddr.efficiency SPEED --context 64

The model is lowered once for the number that stands in the file; the number is then halved in on
between 0 and 1 until the decode step at the context takes 1/SPEED seconds. Copy the result into
the file with `calibrated = "…"` and what was measured.
"""

from typing import Annotated

import typer
from xdsl.dialects.builtin import IndexType

from dfc.api import asked, load
from dfc.runtime.machine import load_target
from dfc.runtime.simulator import Simulator

ROUNDS = 20
"""Halvings: the result is good to one in a million."""


def main(
    model: str,
    target: str,
    key: str,
    tokens_per_s: float,
    context: int = 64,
    set_: Annotated[list[str] | None, typer.Option("--set")] = None,
) -> None:
    """Print the value of `key` at which a decode step at `context` reaches the speed."""
    fixed = dict(pair.split("=", 1) for pair in set_ or [])
    program = load(model, target, asked(context=[context]), overrides=fixed)
    module = program.module("program")

    def speed(value: float) -> float:
        machine = load_target(target, {**fixed, key: value})
        simulator = Simulator(module, machine)
        arguments = simulator.planner.functions["decode"].body.block.args
        places = [arg.index for arg in arguments if isinstance(arg.type, IndexType)]
        found = simulator.call("decode", dict.fromkeys(places, context))
        return float(machine.ticks_per_second) / found.cycles

    low, high = 0.0, 1.0
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if speed(middle) < tokens_per_s else (low, middle)
    print(f"{key} = {high:.4f} gives {speed(high):.3f} tokens/s at context {context}")


if __name__ == "__main__":
    typer.run(main)
