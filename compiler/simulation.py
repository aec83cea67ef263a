"""The time, energy and memory of a program: its entry functions given to the simulator."""

from xdsl.dialects.builtin import IndexType

from dfc.errors import InputError
from dfc.program import Program
from dfc.progress import step
from dfc.random_inputs import entry_functions, last_position
from dfc.runtime.machine import Target
from dfc.runtime.report import Report
from dfc.runtime.simulator import (
    below_cap,
    simulate_function,
    simulate_language_model,
)


def simulate(program: Program, fallback_rate: float = 0.0) -> Report:
    """
    The report of a language model's workload, else of one call of the entry function.

    Branches on data (the second graph of `unified_max` attention) are taken in `fallback_rate` of the calls.
    A run that would draw more than the target's `power.cap_w` runs at a slower clock.
    """
    if not 0 <= fallback_rate <= 1:
        raise InputError(f"expected a fallback rate from 0 to 1, got {fallback_rate}")
    module = program.module("program")
    step("simulating")
    asked = program.workload
    if asked is None:
        return simulate_call(program, fallback_rate)
    context = None if asked.prefill else asked.positions

    def run(target: Target) -> Report:
        return simulate_language_model(
            module,
            asked.prefill or None,
            len(asked.positions),
            context,
            asked.batch,
            fallback_rate=fallback_rate,
            target=target,
        )

    return below_cap(run, program.target)


def simulate_call(program: Program, fallback_rate: float = 0.0) -> Report:
    """One call of the only entry function; an `index` is the last position a cache has room for."""
    source = program.modules[program.source]
    entries = list(entry_functions(source))
    if len(entries) != 1:
        names = ", ".join(program.entries) or "none"
        raise InputError(f"expected one public function to simulate, got {names}")
    position = last_position(source)
    kinds = entries[0].function_type.inputs.data
    controls = {i: position for i, k in enumerate(kinds) if isinstance(k, IndexType)}
    notes = [f"every index argument is {position}"] if controls else []
    name = entries[0].sym_name.data
    module = program.module("program")

    def run(target: Target) -> Report:
        return simulate_function(module, name, controls, notes, fallback_rate, target)

    return below_cap(run, program.target)
