"""The time, energy and memory of a program: its entry functions given to the simulator."""

from xdsl.dialects.builtin import IndexType

from dfc.errors import InputError
from dfc.program import Program
from dfc.progress import step
from dfc.random_inputs import entry_functions, last_position
from dfc.runtime.report import Report
from dfc.runtime.simulator import simulate_function, simulate_language_model


def simulate(program: Program) -> Report:
    """The report of a language model's workload, else of one call of the entry function."""
    module = program.module("program")
    step("simulating")
    asked = program.workload
    if asked is None:
        return simulate_call(program)
    context = None if asked.prefill else asked.positions
    return simulate_language_model(
        module, asked.prefill or None, len(asked.positions), context, asked.batch
    )


def simulate_call(program: Program) -> Report:
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
    return simulate_function(program.module("program"), name, controls, notes)
