"""What a language model is asked to do: a prompt, decode steps, contexts, and the cache they need."""

from collections.abc import Sequence
from dataclasses import dataclass

from dfc.errors import InputError
from dfc.runtime.machine import Target

DEFAULT_PREFILL, DEFAULT_DECODE = 128, 32


@dataclass(frozen=True)
class Workload:
    """Tokens of the prompt (0: none), the position of every decode step, rows of the cache."""

    prefill: int
    positions: tuple[int, ...]
    capacity: int
    batch: int = 1


def plan(
    prefill: int | None = None,
    decode: int | None = None,
    context: int | Sequence[int] | None = None,
    batch: int = 1,
) -> Workload:
    """The workload of these options; what is left out depends on what is given."""
    contexts = (context,) if isinstance(context, int) else tuple(context or ())
    for name, values in (
        ("prefill", [prefill]),
        ("decode", [decode]),
        ("context", contexts),
        ("batch", [batch]),
    ):
        for value in values:
            if value is not None and value < 1:
                raise InputError(f"expected `{name}` of at least 1, got {value}")
    if contexts:
        return from_contexts(prefill, decode, contexts, batch)
    if prefill is None and decode is not None:
        raise InputError(
            "`decode` alone has no cache to start from: add `context`, or `prefill`"
        )
    if prefill is None:
        prefill, decode = DEFAULT_PREFILL, DEFAULT_DECODE
    steps = decode or 0
    positions = tuple(range(prefill, prefill + steps))
    return Workload(prefill, positions, prefill + steps, batch)


def from_contexts(
    prefill: int | None, decode: int | None, contexts: tuple[int, ...], batch: int
) -> Workload:
    """Decode steps on caches that are filled already: `decode` steps on one, or one on each."""
    if prefill is not None:
        raise InputError("`context` excludes `prefill`: give one of them")
    if decode is not None and len(contexts) > 1:
        raise InputError(
            f"expected one `context` beside `decode`, got {len(contexts)}: leave out"
            " `decode` for one step at each"
        )
    first = min(contexts)
    positions = contexts if decode is None else tuple(range(first, first + decode))
    return Workload(0, positions, max(positions) + 1, batch)


def check_fits(workload: Workload, target: Target) -> None:
    """Refuse more tokens than the target says it can hold."""
    limit = target.max_tokens
    if limit is not None and workload.capacity > limit.value:
        raise InputError(
            f"expected at most {limit.value} tokens on `{target.name}`, got"
            f" {workload.capacity}: its file says `max_tokens = {limit.value}`",
            target.name,
        )
