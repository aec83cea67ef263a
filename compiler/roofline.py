"""The roofline of a model: operations, bytes and intensity of prefill, decode and training, and the least time for them."""

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from dfc.model_work import Work, work_in
from dfc.program import Program
from dfc.runtime.machine import Target
from dfc.runtime.machine.access import channel_names, link_rates

BACKWARD = 2
"""A product's backward pass is two products of its size: by its input, and by its weight."""


@dataclass(frozen=True)
class Phase:
    """A phase's work for some tokens, and on a target the least time for it and what sets that."""

    name: str
    tokens: int
    context: int
    work: Work
    seconds: float | None
    bound_by: str

    def as_dict(self) -> dict[str, Any]:
        """The row as `--json` prints it; intensity is in operations per byte."""
        work = self.work
        compulsory, all_bytes = work.compulsory_bytes, unfused_bytes(work)
        return {
            "phase": self.name,
            "tokens": self.tokens,
            "context": self.context,
            **asdict(work),
            "weight_bytes": float(work.weight_bytes),
            "flops": work.flops,
            "intensity": work.flops / compulsory if compulsory else None,
            "unfused_intensity": work.flops / all_bytes if all_bytes else None,
            "least_seconds": self.seconds,
            "bound_by": self.bound_by,
        }


def unfused_bytes(work: Work) -> float:
    """What moves when nothing is fused."""
    return work.compulsory_bytes + work.activation_bytes


def roofline(program: Program) -> tuple[Phase, ...]:
    """
    Prefill, a decode step behind it, and training of a language model; of others one call of each entry.

    Training is forward and backward of the prompt with the loss of every token, nothing recomputed
    and without the optimizer: products and functions three times the forward's, weights read
    twice and their gradients written once.
    """
    module, target = program.module("tensor"), program.target
    asked = program.workload
    if asked is None:
        return tuple(
            phase(target, name, 1, 0, work_in(module, name, 0, target))
            for name in program.entries
        )
    found: list[Phase] = []
    for position in asked.positions[:1]:
        step = work_in(module, "decode", position, target)
        found.append(phase(target, "decode", asked.batch, position, step))
    if asked.prefill:
        tokens = asked.prefill * asked.batch
        forward = work_in(module, "prefill", 0, target)
        found.insert(0, phase(target, "prefill", tokens, 0, forward))
        found.append(phase(target, "training", tokens, 0, training(forward, tokens)))
    return tuple(found)


def training(forward: Work, tokens: int) -> Work:
    """Forward and backward of so many tokens, every one of which sees every parameter."""
    times = 1 + BACKWARD
    return Work(
        linear_flops=times * 2 * forward.parameters * tokens,
        attention_flops=times * forward.attention_flops,
        other_flops=times * forward.other_flops,
        parameters=forward.parameters,
        weight_bytes=times * forward.weight_bytes,
        cache_bytes=0,
        activation_bytes=times * forward.activation_bytes,
    )


def phase(target: Target, name: str, tokens: int, context: int, work: Work) -> Phase:
    """A phase, with the longer of its operations at the fastest unit and its bytes from the host's memory."""
    peak, rate = peak_rate(target), host_rate(target)
    ticks = {
        "operations": work.flops / peak if peak else None,
        f"bytes of {target.host_tier}": Fraction(work.compulsory_bytes) / rate
        if rate
        else None,
    }
    known = {name: time for name, time in ticks.items() if time is not None}
    if not known:
        return Phase(name, tokens, context, work, None, "")
    slowest = max(known, key=lambda name: known[name])
    seconds = float(known[slowest] / target.ticks_per_second)
    return Phase(name, tokens, context, work, seconds, slowest)


def peak_rate(target: Target) -> Fraction | None:
    """Operations a tick of the fastest unit; none where no unit's kind says."""
    peaks = [target.peak_operations_per_tick(unit) for unit in target.unit]
    return max((rate for rate in peaks if rate), default=None)


def host_rate(target: Target) -> Fraction | None:
    """Bytes a tick that the memory of weights and cache reaches; none where nothing limits it."""
    rates = link_rates(target)
    channels = channel_names(target, target.host_tier)
    return sum((rates[channel] for channel in channels), Fraction()) or None
