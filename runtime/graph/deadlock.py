"""A graph that cannot go on, and the circle of nodes and FIFOs in which each waits for the next."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dfc.runtime.errors import DfcError


@dataclass(frozen=True)
class Wait:
    """A node that waits for a token of an edge or for room in it, which only `other` can give."""

    node: str
    what: Literal["token", "room"]
    edge: str
    other: str
    depth: int | None

    def __str__(self) -> str:
        if self.what == "token":
            return (
                f"`{self.node}` waits for a token of `{self.edge}` from `{self.other}`"
            )
        return (
            f"`{self.node}` waits for room in `{self.edge}` (depth {self.depth})"
            f" from `{self.other}`"
        )


class DeadlockError(DfcError):
    """The graph stops before its end; `cycle` is the circle of nodes that wait for each other."""

    def __init__(self, cycle: tuple[Wait, ...]) -> None:
        chain = ", ".join(map(str, cycle))
        super().__init__(
            f"expected a graph that runs to its end, got a deadlock: {chain}"
        )
        self.cycle = cycle


def circle(start: str, wait_of: Callable[[str], Wait | None]) -> tuple[Wait, ...]:
    """The circle that is reached from a stopped node, by what each one waits for."""
    chain: list[Wait] = []
    places: dict[str, int] = {}
    name = start
    while name not in places:
        wait = wait_of(name)
        assert wait is not None, "what a stopped node waits for is stopped too"
        places[name] = len(chain)
        chain.append(wait)
        name = wait.other
    return tuple(chain[places[name] :])
