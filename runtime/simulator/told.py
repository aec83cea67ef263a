"""How ops become spans: each on its own, or several as one span per resource."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import fsum

from dfc.runtime.report.recording import Span
from dfc.runtime.simulator.timing import Counter as Quantity
from dfc.runtime.simulator.timing import Timing

MOST_OPS = 20_000
"""Spans of single ops; after that many, kernels are one span per resource."""


@dataclass
class Stretch:
    """A time that something takes: its first start and its last end."""

    start: int | None = None
    end: int = 0

    def cover(self, start: int, end: int) -> None:
        """Make it hold this one too."""
        self.start = start if self.start is None else min(self.start, start)
        self.end = max(self.end, end)

    def include(self, others: "Iterable[Stretch]") -> None:
        """Make it hold those of the others that hold anything."""
        for other in others:
            if other.start is not None:
                self.cover(other.start, other.end)


@dataclass(eq=False)
class Story:
    """
    One op, or several that are told as one.

    `taken` says when each resource was first taken and last freed. `waits` are the stories of the
    copies that its launches wait for. `copy_on` and `launch_on` are the resources of its first
    copy and launch, `place` that of its copies' span once it is told.
    """

    name: str
    taken: dict[str, Stretch] = field(default_factory=dict[str, Stretch])
    counters: Counter[Quantity] = field(default_factory=Counter[Quantity])
    done: int = 0
    waits: "dict[Story, None]" = field(default_factory=dict["Story", None])
    copy_on: str = ""
    launch_on: str = ""
    place: int | None = None

    def take(self, resource: str, start: int, end: int) -> None:
        """A resource was taken from start to end."""
        self.taken.setdefault(resource, Stretch()).cover(start, end)

    def add(
        self, timing: Timing, start: int, done: int, copies: "Iterable[Story]"
    ) -> bool:
        """An op that started, and whose event came at `done`, after these copies; whether it is a copy itself."""
        for name in timing.holds:
            self.take(name, start, start + timing.hold)
        self.count(timing.counters)
        self.done = max(self.done, done)
        first = next(iter(timing.holds), "")
        is_copy = any(key.quantity == "copies" for key in timing.counters)
        if is_copy:
            self.copy_on = self.copy_on or first
        else:
            self.launch_on = self.launch_on or first
            self.waits |= {copy: None for copy in copies if copy is not self}
        return is_copy

    def count(self, more: Mapping[Quantity, float]) -> None:
        """Add quantities."""
        for key, amount in more.items():
            self.counters[key] += amount  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Sums:
    """What a story's quantities come to: busy ticks, bytes by tier, energy, ops, and whose they are."""

    busy: Mapping[str, int]
    read: Mapping[str, int]
    written: Mapping[str, int]
    energy_pj: float
    ops: int
    kernel: str

    @property
    def tiers(self) -> tuple[str, ...]:
        """The tiers whose bytes it moves."""
        return tuple(dict.fromkeys((*self.read, *self.written)))


def sums_of(counters: Mapping[Quantity, float]) -> Sums:
    """The sums of quantities; the kernel's name is empty when there are several."""
    found: dict[str, Counter[str]] = {
        name: Counter() for name in ("busy", "read", "written", "launches", "copies")
    }
    kernels: set[str] = set()
    for key, amount in counters.items():
        if key.quantity in found:
            found[key.quantity][key.where] += int(amount)
        if key.quantity in ("launches", "copies", "busy"):
            kernels.add(key.kernel)
    return Sums(
        busy=found["busy"],
        read=found["read"],
        written=found["written"],
        energy_pj=fsum(n for key, n in counters.items() if key.quantity == "energy"),
        ops=max(1, found["launches"].total() + found["copies"].total()),
        kernel=kernels.pop() if len(kernels) == 1 else "",
    )


class Teller:
    """The spans of a run, in the order of their telling."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.single = 0

    @property
    def is_full(self) -> bool:
        """Whether enough ops have spans of their own."""
        return self.single >= MOST_OPS

    def tell(self, story: Story, offset: int) -> None:
        """Write a story's spans, one per resource that was taken; its times are from `offset` on."""
        sums = sums_of(story.counters)
        if not story.taken and sums.tiers:
            # memories without a rate: nothing is held, and the bytes still went
            story.take(f"tier.{sums.tiers[0]}", story.done, story.done)
        if not story.taken:
            return
        self.single += sums.ops == 1
        homes = {tier: home(tier, story.taken) for tier in sums.tiers}
        waits = tuple(copy.place for copy in story.waits if copy.place is not None)
        launch_on = story.launch_on or next(iter(story.taken))
        for resource, stretch in story.taken.items():
            if resource == (story.copy_on or None):
                story.place = len(self.spans)
            here = [tier for tier in sums.tiers if homes[tier] == resource]
            end = offset + stretch.end
            span = Span(
                resource=resource,
                kernel=sums.kernel,
                name=story.name,
                start=offset + (stretch.start or 0),
                end=end,
                done=max(offset + story.done, end),
                busy=sums.busy.get(resource, 0),
                ops=sums.ops,
                read={tier: n for tier in here if (n := sums.read.get(tier, 0))},
                written={tier: n for tier in here if (n := sums.written.get(tier, 0))},
                energy_pj=sums.energy_pj if resource == launch_on else 0.0,
                waits_for=waits if resource == launch_on else (),
            )
            self.spans.append(span)


def home(tier: str, taken: Iterable[str]) -> str:
    """The resource whose span shows a tier's bytes: its channel, else the first that was taken."""
    channel = f"tier.{tier}"
    found = [
        name for name in taken if name == channel or name.startswith(f"{channel}.")
    ]
    return (found or list(taken))[0]
