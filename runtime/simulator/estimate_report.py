"""Estimates of whole runs: time, energy and least time of each call, without what they are made of."""

from collections.abc import Sequence
from math import fsum

from xdsl.dialects.builtin import ModuleOp

from dfc.runtime.machine import Target
from dfc.runtime.report.rows import Row
from dfc.runtime.simulator.bound import Bound, bound_of, joined
from dfc.runtime.simulator.calls import Simulator
from dfc.runtime.simulator.language_model import (
    PREFILL,
    asked_of,
    contexts_of,
)
from dfc.runtime.simulator.recorded import Asked, Controls
from dfc.runtime.simulator.summary import Energy


class CallEstimate(Row):
    """One call of an entry function."""

    name: str
    """The function, and the position of a decode step."""
    cycles: int
    """About how many ticks of the target's clock it takes."""
    latency_s: float
    """The same in seconds."""
    energy_j: float
    """Joules, as a report works them out."""
    bound_cycles: int
    """What the resource that is taken longest is taken: no simulation is below it."""
    bound_by: str
    """That resource."""


class Estimate(Row):
    """A run in closed form: about the time of its simulation, and a time that is never above it."""

    target: str
    """The target's name."""
    cycles: int
    """About how many ticks of the target's clock all calls take."""
    latency_s: float
    """The same in seconds."""
    energy_j: float
    """Joules of all calls."""
    bound_cycles: int
    """The bounds of the calls, one after the other: never above the simulation."""
    bound_by: str
    """The resource that sets most of them."""
    ttft_s: float | None = None
    """Time to first token: prefill with embedding and LM head."""
    decode_tokens_per_s: float | None = None
    """Tokens of all decode steps over their time."""
    calls: tuple[CallEstimate, ...]
    """The calls in their order."""
    notes: tuple[str, ...] = ()
    """What the figures rest on."""

    def to_json(self) -> str:
        """One JSON object; what does not apply is left out."""
        return self.model_dump_json(indent=2, exclude_none=True)


def estimate_language_model(
    module: ModuleOp,
    prefill: int | None = None,
    decode: int = 0,
    context: int | Sequence[int] | None = None,
    batch: int = 1,
    fallback_rate: float = 0.0,
    target: Target | None = None,
) -> Estimate:
    """The estimate of the run that `simulate_language_model` simulates for the same arguments."""
    simulator = Simulator(module, target, fallback_rate)
    asked = asked_of(simulator, prefill, contexts_of(prefill, decode, context))
    found = estimate_of(simulator, asked)
    steps = [call.latency_s for call in found.calls if call.name != PREFILL]
    first = [call.latency_s for call in found.calls if call.name == PREFILL]
    figures: dict[str, object] = {"ttft_s": first[0]} if first else {}
    if steps and fsum(steps):
        figures["decode_tokens_per_s"] = batch * len(steps) / fsum(steps)
    return found.model_copy(update=figures)


def estimate_function(
    module: ModuleOp,
    function: str,
    controls: Controls | None = None,
    notes: Sequence[str] = (),
    fallback_rate: float = 0.0,
    target: Target | None = None,
) -> Estimate:
    """The estimate of the call that `simulate_function` simulates for the same arguments."""
    simulator = Simulator(module, target, fallback_rate)
    found = estimate_of(simulator, [Asked(function, controls or {}, function)])
    return found.model_copy(update={"notes": (*notes, *found.notes)})


def estimate_of(simulator: Simulator, asked: Sequence[Asked]) -> Estimate:
    """The estimate of calls that follow each other."""
    calls = [estimated(simulator, each) for each in asked]
    bound = joined(Bound(call.bound_cycles, call.bound_by) for call in calls)
    return Estimate(
        target=simulator.target.name,
        cycles=sum(call.cycles for call in calls),
        latency_s=fsum(call.latency_s for call in calls),
        energy_j=fsum(call.energy_j for call in calls),
        bound_cycles=bound.cycles,
        bound_by=bound.resource,
        calls=tuple(calls),
        notes=simulator.notes,
    )


def estimated(simulator: Simulator, asked: Asked) -> CallEstimate:
    """The estimate of one call."""
    target = simulator.target
    found = simulator.estimate(asked.function, asked.controls)
    bound = bound_of(target, found.counters)
    return CallEstimate(
        name=asked.name,
        cycles=found.cycles,
        latency_s=found.cycles / float(target.ticks_per_second),
        energy_j=Energy(target).joules(found),
        bound_cycles=bound.cycles,
        bound_by=bound.resource,
    )
