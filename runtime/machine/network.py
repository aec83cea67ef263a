"""
Sockets and the network between them: what collectives and messages cost.

Sources of the formulas: Chan, Heimlich, Purkayastha, van de Geijn, "Collective communication:
theory, practice, and experience" (2007); Patarasuk and Yuan, "Bandwidth optimal all-reduce
algorithms for clusters of workstations" (2009). Additions of reductions are not counted here.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from pydantic import model_validator

from dfc.runtime.machine.cost import Part
from dfc.runtime.machine.energies import Energies
from dfc.runtime.machine.number import Amount, Count, Rate
from dfc.runtime.machine.table import Table

Topology = Literal["ring", "all-to-all", "switch", "mesh"]
Collective = Literal["all-reduce", "all-gather", "reduce-scatter"]


@dataclass(frozen=True)
class Exchange:
    """
    What messages ask of the network.

    `steps` hops follow each other, `link_bytes` go over the busiest link in one direction, and
    `sent_bytes` over all links together.
    """

    steps: int
    link_bytes: Fraction
    sent_bytes: Fraction

    def __add__(self, other: "Exchange") -> "Exchange":
        """One after the other, on the same links."""
        return Exchange(
            self.steps + other.steps,
            self.link_bytes + other.link_bytes,
            self.sent_bytes + other.sent_bytes,
        )


NOTHING = Exchange(0, Fraction(), Fraction())


class Network(Table):
    """
    `sockets` equal machines, joined by links of `gb_per_s` in each direction.

    `ring`: a link to each of two neighbours. `all-to-all`: a link to each other socket.
    `switch`: one link to a switch that joins all. `mesh`: `rows` x sockets / rows, a link to
    each neighbour, no wrap-around. A message takes `latency_ns` per step, that is per hop from
    socket to socket, and its bytes over the rate once (its parts follow each other).
    """

    sockets: Count
    topology: Topology
    rows: Count | None = None
    gb_per_s: Rate
    latency_ns: Amount
    pj_per_byte: Amount | None = None

    @model_validator(mode="after")
    def _mesh_has_rows(self) -> "Network":
        if (self.topology == "mesh") != (self.rows is not None):
            got = "none" if self.rows is None else f"{self.rows.value}"
            raise ValueError(
                f"expected `rows` for a mesh and for nothing else, got {got}"
                f" for `{self.topology}`"
            )
        if self.rows is not None and self.sockets.value % self.rows.value:
            raise ValueError(
                f"expected `rows` that divides the {self.sockets.value} sockets,"
                f" got {self.rows.value}"
            )
        return self

    def collective(self, kind: Collective, size: int) -> Exchange:
        """
        What a collective over all sockets costs; `size` is the bytes of the whole value.

        A reduce-scatter leaves each socket its part of the sum, an all-gather gives every socket
        the parts of all. An all-reduce is the one after the other, or, where that is faster, every
        socket sends its whole value to all (small values, for which steps count more than bytes).
        """
        once = self._scatter(size)
        if kind != "all-reduce":
            return once
        return min(once + once, self._one_shot(size), key=self.seconds)

    def point_to_point(self, size: int, source: int, goal: int) -> Exchange:
        """What a message of `size` bytes costs, on a shortest path."""
        hops = self.hops(source, goal)
        return Exchange(hops, Fraction(size if hops else 0), Fraction(size * hops))

    def hops(self, source: int, goal: int) -> int:
        """Steps from a socket to another; raises `ValueError` where there is no such socket."""
        count = self.sockets.value
        for socket in (source, goal):
            if not 0 <= socket < count:
                raise ValueError(f"expected a socket of 0 to {count - 1}, got {socket}")
        if self.topology == "ring":
            way = abs(source - goal)
            return min(way, count - way)
        if self.topology == "mesh" and self.rows is not None:
            columns = count // self.rows.value
            down = abs(source // columns - goal // columns)
            return down + abs(source % columns - goal % columns)
        return int(source != goal)

    def seconds(self, exchange: Exchange) -> Fraction:
        """Steps at the latency, and the busiest link's bytes at its rate."""
        moving = exchange.link_bytes / (self.gb_per_s.exact * 10**9)
        return exchange.steps * self.latency_ns.exact / 10**9 + moving

    def parts(
        self, exchange: Exchange, ticks_per_second: Fraction
    ) -> tuple[Part, Part]:
        """The same in ticks, with the numbers behind each part."""
        steps = exchange.steps * self.latency_ns.exact / 10**9
        return (
            Part(steps * ticks_per_second, "steps", (self.latency_ns,), "network"),
            Part(
                (self.seconds(exchange) - steps) * ticks_per_second,
                "transfer",
                (self.gb_per_s,),
                "network",
            ),
        )

    def picojoules(self, exchange: Exchange, energies: Energies) -> float:
        """Energy of all bytes on all links."""
        given = self.pj_per_byte
        each = energies.socket_byte if given is None else given
        return float(exchange.sent_bytes) * float(each)

    def _scatter(self, size: int) -> Exchange:
        """A reduce-scatter, or an all-gather, which is the same backwards."""
        count, whole = self.sockets.value, Fraction(size)
        if count == 1:
            return NOTHING
        part = whole / count
        if self.topology == "ring":
            # Half of the value goes round each way; two sockets have one link between them.
            ways = min(2, count - 1)
            return Exchange(count - 1, (count - 1) * part / ways, (count - 1) * whole)
        if self.topology == "all-to-all":
            return Exchange(1, part, (count - 1) * whole)
        if self.topology == "switch":
            return Exchange(1, (count - 1) * part, (count - 1) * whole)
        rows = 1 if self.rows is None else self.rows.value
        columns = count // rows
        return _line(columns, whole, rows) + _line(rows, whole / columns, columns)

    def _one_shot(self, size: int) -> Exchange:
        """Every socket's whole value to all others; on a mesh along rows, and their sums along columns."""
        count, whole = self.sockets.value, Fraction(size)
        if count == 1:
            return NOTHING
        others = count - 1
        if self.topology == "ring":
            # Half of the others are reached each way; of an even number the last by halves.
            ways = min(2, others)
            return Exchange(
                -(-others // ways), others * whole / ways, count * others * whole
            )
        if self.topology == "all-to-all":
            return Exchange(1, whole, count * others * whole)
        if self.topology == "switch":
            return Exchange(1, others * whole, count * others * whole)
        rows = 1 if self.rows is None else self.rows.value
        columns = count // rows
        along = Exchange(
            columns - 1, (columns - 1) * whole, count * (columns - 1) * whole
        )
        down = Exchange(rows - 1, (rows - 1) * whole, count * (rows - 1) * whole)
        return along + down


def _line(count: int, size: Fraction, lines: int) -> Exchange:
    """
    A reduce-scatter along `lines` lines of `count` sockets at once.

    The ring is laid over the line as 0, 2, 4, ..., 5, 3, 1: each of its edges is at most two
    hops, and each direction of each link belongs to exactly one of them.
    """
    if count == 1:
        return NOTHING
    moved = (count - 1) * size / count
    hops = 1 if count == 2 else 2
    return Exchange((count - 1) * hops, moved, lines * 2 * (count - 1) * moved)
