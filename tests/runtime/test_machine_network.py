"""Tests of collectives: each formula against the messages of the algorithm, sent one by one."""

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import pairwise

import pytest

from dfc.runtime.machine.energies import Energies
from dfc.runtime.machine.network import Exchange, Network
from dfc.runtime.machine.number import Number

SIZE = 5040  # divides by every number of sockets below

Link = tuple[int, int]
Round = list[tuple[tuple[int, ...], Fraction]]
"""Messages of one step: the sockets each goes through, and its bytes."""


def number(value: float) -> Mapping[str, object]:
    return {"value": value, "source": "test"}


def network(sockets: int, topology: str, rows: int | None = None) -> Network:
    """A network of 1 GB/s a link and 1 us a step."""
    table = {
        "sockets": number(sockets),
        "topology": topology,
        "gb_per_s": number(1.0),
        "latency_ns": number(1000.0),
    }
    return Network.model_validate(table | ({"rows": number(rows)} if rows else {}))


def send(rounds: Iterator[Round]) -> Exchange:
    """What rounds of messages take, round after round, each as long as its busiest link."""
    steps, busiest, sent = 0, Fraction(), Fraction()
    for messages in rounds:
        steps += max(len(path) - 1 for path, _ in messages)
        load: Counter[Link] = Counter()
        for path, size in messages:
            for link in pairwise(path):
                load[link] += size  # pyright: ignore[reportArgumentType]
        busiest += max(load.values())
        sent += sum(load.values())
    return Exchange(steps, busiest, sent)


class Sum:
    """Parts of a value on every socket: which sockets' addends each part holds."""

    def __init__(self, sockets: int, parts: int) -> None:
        self.held = [[{socket} for _ in range(parts)] for socket in range(sockets)]

    def add(self, moves: list[tuple[int, int, int]]) -> None:
        """Move (from, to, part) all at once; the part is added to what is there."""
        taken = [set(self.held[source][part]) for source, _, part in moves]
        for (_, goal, part), addends in zip(moves, taken, strict=True):
            assert not self.held[goal][part] & addends, "an addend twice"
            self.held[goal][part] |= addends


def ring_order(count: int, line: bool) -> list[int]:
    """Sockets in the order of the ring; laid over a line it is 0, 2, 4, ..., 5, 3, 1."""
    if not line:
        return list(range(count))
    return [*range(0, count, 2), *sorted(range(1, count, 2), reverse=True)]


def scatter(order: list[int], part: Fraction, line: bool) -> Iterator[Round]:
    """Reduce-scatter round a ring; on a line a message passes the sockets between."""
    count = len(order)
    total = Sum(count, count)
    for step in range(count - 1):
        moves = [(at, (at + 1) % count, (at - step) % count) for at in range(count)]
        total.add(moves)
        ends = [(order[source], order[goal]) for source, goal, _ in moves]
        yield [(way(a, b) if line else (a, b), part) for a, b in ends]
    done = [any(len(p) == count for p in total.held[at]) for at in range(count)]
    assert all(done), "a socket without its part of the sum"


def way(source: int, goal: int) -> tuple[int, ...]:
    """The sockets of a line from one to another."""
    step = 1 if goal > source else -1
    return tuple(range(source, goal + step, step))


@pytest.mark.parametrize("sockets", [2, 3, 4, 5, 7, 8])
def test_a_ring_sends_half_each_way(sockets: int):
    if sockets == 2:
        found = send(scatter([0, 1], Fraction(SIZE, 2), line=False))
    else:
        part = Fraction(SIZE, 2 * sockets)
        order = ring_order(sockets, line=False)
        both = zip(
            scatter(order, part, False), scatter(order[::-1], part, False), strict=True
        )
        found = send(one + other for one, other in both)
    assert network(sockets, "ring").collective("reduce-scatter", SIZE) == found


@pytest.mark.parametrize("sockets", [2, 3, 8])
def test_all_to_all_sends_each_part_to_its_owner(sockets: int):
    part = Fraction(SIZE, sockets)
    pairs = [(a, b) for a in range(sockets) for b in range(sockets) if a != b]
    found = send(iter([[(pair, part) for pair in pairs]]))
    assert network(sockets, "all-to-all").collective("all-gather", SIZE) == found


def test_a_switch_takes_all_parts_over_one_link():
    # 7 of 8 parts of 630 bytes leave, and reach, every socket
    found = network(8, "switch").collective("all-gather", SIZE)
    assert found == Exchange(1, Fraction(7 * 630), Fraction(7 * SIZE))


@pytest.mark.parametrize("sockets", [2, 3, 4, 5, 6, 7, 8])
def test_a_line_is_a_mesh_of_one_row(sockets: int):
    order = ring_order(sockets, line=True)
    found = send(scatter(order, Fraction(SIZE, sockets), line=True))
    assert network(sockets, "mesh", 1).collective("reduce-scatter", SIZE) == found


def test_a_mesh_goes_along_its_rows_and_then_down_its_columns():
    # 2 rows of 3: along a row 2 steps of 2 hops, thirds of the value; then one hop, a sixth
    along, down = 2 * Fraction(SIZE, 3), Fraction(SIZE, 6)
    found = network(6, "mesh", 2).collective("reduce-scatter", SIZE)
    # 2 rows of 4 directed links, 3 columns of 2
    assert found == Exchange(4 + 1, along + down, 8 * along + 6 * down)


@pytest.mark.parametrize("topology", ["ring", "all-to-all", "switch"])
def test_an_all_reduce_is_a_scatter_and_a_gather(topology: str):
    found = network(8, topology)
    scattered = found.collective("reduce-scatter", SIZE)
    gathered = found.collective("all-gather", SIZE)
    assert found.collective("all-reduce", SIZE) == scattered + gathered


def whole_values(count: int) -> Iterator[Round]:
    """Every socket's value both ways round a ring, until all have all; the last of an even number by halves."""
    held = [{at} for at in range(count)]
    for step in range(1, count // 2 + 1):
        last = 2 * step == count
        size = Fraction(SMALL, 2) if last else Fraction(SMALL)
        messages: Round = []
        for at in range(count):
            for way in (1, -1):
                goal, value = (at + way) % count, (at - way * (step - 1)) % count
                held[goal].add(value)
                messages.append(((at, goal), size))
        yield messages
    assert all(len(values) == count for values in held)


SMALL = 16
"""Bytes of a value for which steps count more."""


@pytest.mark.parametrize("sockets", [3, 4, 5, 8])
def test_small_values_are_sent_whole(sockets: int):
    found = network(sockets, "ring").collective("all-reduce", SMALL)
    assert found == send(whole_values(sockets))


@pytest.mark.parametrize(
    ("topology", "rows", "exchange"),
    [
        # every link has one value, or a socket's link those of all others
        ("all-to-all", None, Exchange(1, Fraction(SMALL), Fraction(56 * SMALL))),
        ("switch", None, Exchange(1, Fraction(7 * SMALL), Fraction(56 * SMALL))),
        # along rows of 4, and their sums down columns of 2
        (
            "mesh",
            2,
            Exchange(3 + 1, Fraction((3 + 1) * SMALL), Fraction(8 * 4 * SMALL)),
        ),
    ],
)
def test_small_values_are_sent_whole_elsewhere(
    topology: str, rows: int, exchange: Exchange
):
    assert network(8, topology, rows).collective("all-reduce", SMALL) == exchange


def test_an_all_reduce_takes_the_faster_way_at_every_size():
    found = network(8, "ring")
    for size in (2**power for power in range(24)):
        scattered = found.collective("reduce-scatter", size)
        both = found.seconds(scattered + scattered)
        assert found.seconds(found.collective("all-reduce", size)) <= both


@pytest.mark.parametrize("topology", ["ring", "all-to-all", "switch"])
def test_one_socket_says_nothing_to_itself(topology: str):
    found = network(1, topology)
    assert found.seconds(found.collective("all-reduce", SIZE)) == 0
    assert found.seconds(found.point_to_point(SIZE, 0, 0)) == 0


def test_time_is_steps_at_the_latency_and_bytes_at_the_rate():
    found = network(8, "ring").collective("all-reduce", 8_000_000)
    # 14 steps of 1 us; 2 x 7 parts of half a megabyte over a link of 1 GB/s
    assert network(8, "ring").seconds(found) == Fraction(14, 10**6) + Fraction(7, 1000)


def test_parts_are_the_time_in_ticks_each_with_its_number():
    found = network(8, "ring")
    moved = found.collective("all-reduce", 8_000_000)
    steps, transfer = found.parts(moved, Fraction(10**9))
    # 14 us and 7 ms at 1 GHz
    assert (steps.ticks, transfer.ticks) == (14_000, 7_000_000)
    assert (steps.numbers, transfer.numbers) == ((found.latency_ns,), (found.gb_per_s,))


def test_every_byte_on_every_link_takes_energy():
    found = network(8, "ring")
    moved = found.collective("all-gather", SIZE)
    # 7 times the value goes over links, at 10 pJ a bit by default
    assert found.picojoules(moved, Energies()) == 7 * SIZE * 80
    own = Number[float](value=2.0, kind="source", note="test")
    given = found.model_copy(update={"pj_per_byte": own})
    assert given.picojoules(moved, Energies()) == 7 * SIZE * 2


@pytest.mark.parametrize(
    ("topology", "rows", "hops"),
    [("ring", None, 2), ("all-to-all", None, 1), ("switch", None, 1), ("mesh", 2, 3)],
)
def test_a_message_takes_a_shortest_path(topology: str, rows: int | None, hops: int):
    # socket 6 is two back from 0 on a ring of 8; row 1, column 2 of a mesh of 2 x 4
    found = network(8, topology, rows).point_to_point(1000, 0, 6)
    assert found == Exchange(hops, Fraction(1000), Fraction(1000 * hops))


def test_faster_links_and_shorter_steps_are_never_slower():
    slow = network(8, "ring")
    moved = slow.collective("all-reduce", SIZE)
    for key, value in (("gb_per_s", 2.0), ("latency_ns", 500.0)):
        fast = slow.model_copy(
            update={key: Number[float](value=value, kind="source", note="test")}
        )
        assert fast.seconds(moved) < slow.seconds(moved)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"topology": "mesh"}, "expected `rows` for a mesh"),
        ({"rows": 2}, "expected `rows` for a mesh and for nothing else, got 2"),
        ({"topology": "mesh", "rows": 3}, "expected `rows` that divides the 8 sockets"),
        ({"topology": "star"}, "'ring', 'all-to-all', 'switch' or 'mesh'"),
        ({"gb_per_s": 0.0}, "greater than 0"),
        ({"sockets": 0}, "greater than 0"),
    ],
)
def test_a_wrong_network(table: Mapping[str, float | str], words: str):
    right = {"sockets": 8, "topology": "ring", "gb_per_s": 1.0, "latency_ns": 1.0}
    data = {
        key: value if isinstance(value, str) else number(value)
        for key, value in (right | dict(table)).items()
    }
    with pytest.raises(ValueError, match=words):
        Network.model_validate(data)


def test_a_socket_that_is_not_there():
    with pytest.raises(ValueError, match="expected a socket of 0 to 7, got 8"):
        network(8, "ring").point_to_point(1, 0, 8)
