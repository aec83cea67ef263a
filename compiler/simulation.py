"""The time, energy and memory of a program: its entry functions given to the simulator."""

from collections.abc import Callable

from xdsl.dialects.builtin import IndexType

from dfc.errors import InputError
from dfc.program import Program
from dfc.progress import step
from dfc.random_inputs import entry_functions, last_position
from dfc.runtime.machine import Target
from dfc.runtime.report import Report
from dfc.runtime.simulator import (
    Estimate,
    below_cap,
    estimate_function,
    estimate_language_model,
    simulate_function,
    simulate_language_model,
)
from dfc.runtime.simulator.capped import Run


def simulate(program: Program, fallback_rate: float = 0.0) -> Report:
    """
    The report of a language model's workload, else of one call of the entry function.

    Branches on data (the second graph of `unified_max` attention) are taken in `fallback_rate` of the calls.
    A run that would draw more than the target's `power.cap_w` runs at a slower clock.
    """
    program.module("program")
    step("simulating")
    return of_run(program, fallback_rate, simulate_language_model, simulate_function)


def estimate(program: Program, fallback_rate: float = 0.0) -> Estimate:
    """The same run in closed form: about its time, and a time that is never above it."""
    program.module("program")
    step("estimating")
    return of_run(program, fallback_rate, estimate_language_model, estimate_function)


def of_run(
    program: Program,
    fallback_rate: float,
    of_workload: Callable[..., Run],
    of_function: Callable[..., Run],
) -> Run:
    """What one of two functions says of a program: of a language model's workload, or of one call."""
    if not 0 <= fallback_rate <= 1:
        raise InputError(f"expected a fallback rate from 0 to 1, got {fallback_rate}")
    asked = program.workload
    if asked is None:
        return of_call(program, fallback_rate, of_function)
    module = program.module("program")
    context = None if asked.prefill else asked.positions

    def run(target: Target) -> Run:
        return of_workload(
            module,
            asked.prefill or None,
            len(asked.positions),
            context,
            asked.batch,
            fallback_rate=fallback_rate,
            target=target,
        )

    return below_cap(run, program.target)


def of_call(
    program: Program, fallback_rate: float, of_function: Callable[..., Run]
) -> Run:
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

    def run(target: Target) -> Run:
        return of_function(module, name, controls, notes, fallback_rate, target)

    return below_cap(run, program.target)
