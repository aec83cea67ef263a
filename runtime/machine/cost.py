"""What a unit model answers: the ticks of an op, what set them, and the energy."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Literal

from dfc.runtime.machine.number import Anything


@dataclass(frozen=True)
class Part:
    """
    A share of an op's time before rounding: ticks, what they are spent on, the numbers behind them.

    `resource` is the port or channel that is waited for; the unit itself when it is left out.
    """

    ticks: Fraction
    what: str
    numbers: tuple[Anything, ...] = ()
    resource: str = ""


@dataclass(frozen=True)
class Term:
    """A share of an op's time in whole ticks of the target's clock."""

    cycles: int
    what: str
    numbers: tuple[Anything, ...] = ()
    resource: str = ""


@dataclass(frozen=True)
class Moved:
    """Bytes that a body reads or writes of one of its operands."""

    operand: int
    direction: Literal["read", "write"]
    size: int


@dataclass(frozen=True)
class Cost:
    """
    The cost of one launch.

    `terms` add up to the time the unit and `holds` are taken; `latency` is what the result takes
    beyond it, during which the next launch may run. `moved` are the bytes of every operand,
    `streamed` those of them that in-place operands in other tiers move.
    """

    terms: tuple[Term, ...]
    energy_pj: float = 0.0
    latency: tuple[Term, ...] = ()
    holds: tuple[str, ...] = ()
    moved: tuple[Moved, ...] = ()
    streamed: tuple[Moved, ...] = ()

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
            terms.append(Term(here - done, part.what, part.numbers, part.resource))
        done = here
    return tuple(terms)
