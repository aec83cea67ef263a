"""
The least time of a program: no resource can be done before it has served all of its ops.

A resource's time is what it is held for: bytes in whole bursts over the rate, operations over the unit's
rate with what its kind adds to each op. It counts no wait and no latency, so no run is below it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dfc.runtime.machine import Target
from dfc.runtime.simulator.timing import Counter as Quantity

CONTROL = "control"
"""The control processor among resources."""


@dataclass(frozen=True)
class Bound:
    """
    Ticks of the resource that is taken longest, and its name.

    A launch that reads in place takes its unit and its channel equally long: of these it is the one that
    set more of that time.
    """

    cycles: int
    resource: str


def bound_of(target: Target, counters: Mapping[Quantity, float]) -> Bound:
    """The bound of a run with these quantities."""
    busy: Counter[str] = Counter()
    own: Counter[str] = Counter()
    issues = {
        "launches": target.control.launch_cycles.value,
        "copies": target.control.copy_cycles.value,
    }
    for key, amount in counters.items():
        if key.quantity == "busy":
            busy[key.where] += amount  # pyright: ignore[reportArgumentType]
        elif key.quantity == "set":
            own[key.where] += amount  # pyright: ignore[reportArgumentType]
        elif key.quantity in issues:
            busy[CONTROL] += amount * issues[key.quantity]  # pyright: ignore[reportArgumentType]
    if not busy:
        return Bound(0, "")
    name = max(busy, key=lambda name: (busy[name], own[name]))
    return Bound(int(busy[name]), name)


def joined(bounds: Iterable[Bound]) -> Bound:
    """The bound of calls that follow each other, with the resource that sets most of it."""
    found: Counter[str] = Counter()
    for bound in bounds:
        found[bound.resource] += bound.cycles
    return Bound(found.total(), found.most_common(1)[0][0] if found else "")
