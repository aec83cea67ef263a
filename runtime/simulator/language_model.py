"""A language model's run: its prompt once, then one token after the other."""

from collections.abc import Sequence
from functools import partial

from xdsl.dialects.builtin import IndexType, ModuleOp

from dfc.runtime.errors import ModelError
from dfc.runtime.machine import Target
from dfc.runtime.report import Report, StepRow
from dfc.runtime.simulator.calls import CallTime, Simulator
from dfc.runtime.simulator.footprint import peak_bytes
from dfc.runtime.simulator.recorded import Asked, record
from dfc.runtime.simulator.summary import Energy, parts_of, summarise

PREFILL, DECODE, MAIN = "prefill", "decode", "main"


def contexts_of(
    prefill: int | None, decode: int, context: int | Sequence[int] | None
) -> tuple[int, ...]:
    """
    The tokens in the cache before each decode step.

    After a prefill of P they are P, P+1, …; from a context C they are C, C+1, …; a sequence of
    contexts is one step at each.
    """
    if context is None:
        start = prefill or 0
    elif isinstance(context, int):
        start = context
    else:
        return tuple(context)
    return tuple(range(start, start + decode))


def simulate_language_model(
    module: ModuleOp,
    prefill: int | None = None,
    decode: int = 0,
    context: int | Sequence[int] | None = None,
    batch: int = 1,
    notes: Sequence[str] = (),
    fallback_rate: float = 0.0,
    target: Target | None = None,
) -> Report:
    """
    The report of `@prefill` once, if `prefill` says of how many tokens, and `@decode` at each position.

    The module's shapes must be those of this run: `prefill` tokens, `batch` sequences. Branches on data
    are taken in `fallback_rate` of the calls. Without a `target` it is the module's.
    """
    simulator = Simulator(module, target, fallback_rate)
    target = simulator.target
    steps = contexts_of(prefill, decode, context)
    asked = asked_of(simulator, prefill, steps)
    entries = tuple(dict.fromkeys(each.function for each in asked))
    calls = [simulator.call(each.function, each.controls) for each in asked]
    first, later = (calls[:1], calls[1:]) if prefill else ([], calls)
    report = summarise(
        target,
        calls,
        simulator.origins(),
        peak_bytes(simulator.planner.functions, entries),
        (*notes, *simulator.notes),
        simulator.fifos(),
    )
    report.record_with(partial(record, simulator, asked))
    return report.model_copy(
        update={
            **({"prefill_tokens": prefill} if prefill else {}),
            **_prefill_figures(simulator, first),
            **_decode_figures(simulator, steps, later, batch),
        }
    )


def asked_of(
    simulator: Simulator, prefill: int | None, steps: Sequence[int]
) -> list[Asked]:
    """The calls of a run: the prompt, and a decode step at each position; an error where it cannot be run."""
    _check_length(simulator, prefill, steps)
    for entry in (*((PREFILL,) if prefill else ()), *((DECODE,) if steps else ())):
        if entry not in simulator.planner.functions:
            raise ModelError(
                f"expected a language model with `@{entry}`, the module has"
                f" {', '.join(simulator.planner.functions)}"
            )
    asked = [_at(simulator, PREFILL, 0)] if prefill else []
    return asked + [_at(simulator, DECODE, position) for position in steps]


def _check_length(
    simulator: Simulator, prefill: int | None, steps: Sequence[int]
) -> None:
    """Refuse a run longer than the target's stated maximum."""
    limit = simulator.target.max_tokens
    longest = max((prefill or 0, *(step + 1 for step in steps)))
    if limit is not None and longest > limit.value:
        raise ModelError(
            f"expected at most {limit.value} tokens on target `{simulator.target.name}`,"
            f" got {longest}"
        )


def _at(simulator: Simulator, entry: str, position: int) -> Asked:
    """A call with every index argument at a position."""
    arguments = simulator.planner.functions[entry].body.block.args
    controls = {
        arg.index: position for arg in arguments if isinstance(arg.type, IndexType)
    }
    return Asked(
        entry, controls, entry if entry == PREFILL else f"{entry} at {position}"
    )


def _seconds(simulator: Simulator, calls: Sequence[CallTime]) -> float:
    cycles = sum(call.cycles for call in calls)
    return cycles / float(simulator.target.ticks_per_second)


def _prefill_figures(
    simulator: Simulator, first: Sequence[CallTime]
) -> dict[str, object]:
    """Time to first token: prefill with embedding and LM head."""
    return {"ttft_s": _seconds(simulator, first)} if first else {}


def _decode_figures(
    simulator: Simulator,
    contexts: Sequence[int],
    calls: Sequence[CallTime],
    batch: int,
) -> dict[str, object]:
    """Tokens per second and per joule over the decode steps, and a row for each."""
    if not calls:
        return {}
    energy = Energy(simulator.target)
    joules = sum(energy.joules(call) for call in calls)
    tokens = batch * len(calls)
    rows = tuple(
        StepRow(
            context=context,
            cycles=call.cycles,
            latency_s=_seconds(simulator, [call]),
            energy_j=energy.joules(call),
            parts=parts_of(call.composition),
        )
        for context, call in zip(contexts, calls, strict=True)
    )
    seconds = _seconds(simulator, calls)
    return {
        "decode_tokens_per_s": tokens / seconds if seconds else None,
        "tokens_per_j": tokens / joules if joules else None,
        "steps": rows,
    }


def simulate_function(
    module: ModuleOp,
    function: str = MAIN,
    controls: dict[int, int] | None = None,
    notes: Sequence[str] = (),
    fallback_rate: float = 0.0,
    target: Target | None = None,
) -> Report:
    """The report of one call of a function; `controls` are its index arguments by argument index."""
    simulator = Simulator(module, target, fallback_rate)
    call = simulator.call(function, controls)
    peaks = peak_bytes(simulator.planner.functions, (function,))
    report = summarise(
        simulator.target,
        [call],
        simulator.origins(),
        peaks,
        (*notes, *simulator.notes),
        simulator.fifos(),
    )
    asked = Asked(function, controls or {}, function)
    report.record_with(partial(record, simulator, [asked]))
    return report
