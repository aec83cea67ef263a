"""What a unit model answers: the ticks of an op, what set them, and the energy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from dfc.runtime.machine.number import Anything


@dataclass(frozen=True)
class Part:
    """A share of an op's time before rounding: ticks, what they are spent on, the numbers behind them."""

    ticks: Fraction
    what: str
    numbers: tuple[Anything, ...] = ()


@dataclass(frozen=True)
class Term:
    """A share of an op's time in whole ticks of the target's clock."""

    cycles: int
    what: str
    numbers: tuple[Anything, ...] = ()


@dataclass(frozen=True)
class Cost:
    """
    The cost of one launch.

    `terms` add up to the time the unit and `holds` are taken; `latency` is what the result takes
    beyond it, during which the next launch may run. `stream_bytes` are the bytes that in-place
    operands in other tiers move, by operand index.
    """

    terms: tuple[Term, ...]
    energy_pj: float = 0.0
    latency: tuple[Term, ...] = ()
    holds: tuple[str, ...] = ()
    stream_bytes: Mapping[int, int] = field(default_factory=dict[int, int])

    @property
    def cycles(self) -> int:
        """Ticks the unit is taken."""
        return sum(term.cycles for term in self.terms)


def round_up(parts: Iterable[Part]) -> tuple[Term, ...]:
    """Terms of whole ticks whose sum is the sum of the parts, rounded up once."""
    terms: list[Term] = []
    total, done = Fraction(0), 0
    for part in parts:
        total += part.ticks
        here = ceil(total)
        if here > done:
            terms.append(Term(here - done, part.what, part.numbers))
        done = here
    return tuple(terms)
