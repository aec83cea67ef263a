"""When converters take and give, against the definition: enough tokens in time, no firing to spare."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import AffineMapAttr, TensorType, f32
from xdsl.ir.affine import AffineExpr, AffineMap

from dfc.dialects.stream import Phases, StreamType
from dfc.dialects.stream.phases import phases_between

quick = settings(deadline=None, max_examples=200, derandomize=True)


def tiles(shape: tuple[int, int], token: tuple[int, int], order: str) -> StreamType:
    """All tiles of a matrix, by rows, by columns, or by rows with each of them twice."""
    rows, columns = (-(-n // size) for n, size in zip(shape, token, strict=True))
    trips = {
        "rows": (rows, columns),
        "columns": (columns, rows),
        "twice": (rows, columns, 2),
    }[order]
    i, j, *_ = (AffineExpr.dimension(d) for d in range(3))
    tile = (j, i) if order == "columns" else (i, j)
    return StreamType(
        TensorType(f32, token), trips, AffineMapAttr(AffineMap(len(trips), 0, tile))
    )


def elements(stream: StreamType, shape: tuple[int, int]) -> list[set[tuple[int, int]]]:
    """The elements of a matrix that each token has."""
    m, n = stream.token.get_shape()
    found: list[set[tuple[int, int]]] = []
    for trip in product(*(range(count) for count in stream.counts)):
        i, j = stream.map.data.eval(trip, ())
        own = product(range(i * m, i * m + m), range(j * n, j * n + n))
        found.append({(a, b) for a, b in own if a < shape[0] and b < shape[1]})
    return found


def moved(phases: Phases, runs: tuple[tuple[int, int], ...]) -> list[int]:
    """The firings that move a token, over all periods."""
    each = [bool(tokens) for count, tokens in runs for _ in range(count)]
    assert len(each) == phases.firings
    return [
        period * len(each) + at
        for period in range(phases.periods)
        for at, moves in enumerate(each)
        if moves
    ]


sizes = st.tuples(st.integers(1, 6), st.integers(1, 6))
tokens = st.tuples(st.integers(1, 3), st.integers(1, 3))
orders = st.sampled_from(["rows", "columns", "twice"])


@quick
@given(sizes, tokens, tokens, orders, orders)
def test_tokens_are_there_in_time(
    shape: tuple[int, int], one: tuple[int, int], other: tuple[int, int], a: str, b: str
):
    source, made = tiles(shape, one, a), tiles(shape, other, b)
    phases = phases_between(source, made)
    assert phases is not None
    takes, gives = moved(phases, phases.take), moved(phases, phases.give)
    assert (len(takes), len(gives)) == (source.tokens, made.tokens)
    have, want = elements(source, shape), elements(made, shape)
    uses: dict[int, int] = {}
    for at, needs in zip(gives, want, strict=True):
        for element in needs:
            first = next(n for n, own in enumerate(have) if element in own)
            assert takes[first] <= at
            uses[first] = max(uses.get(first, at), at)
    held = [
        sum(takes[n] <= at <= last for n, last in uses.items())
        for at in range(phases.periods * phases.firings)
    ]
    assert max(held) == phases.buffer


@pytest.mark.parametrize(
    ("one", "other", "take", "give", "buffer"),
    [
        # 2 + 2 + 2 is 3 + 3: the second result waits for the third token
        ((1, 2), (1, 3), ((3, 1),), ((1, 0), (2, 1)), 2),
        ((1, 6), (1, 2), ((1, 1), (2, 0)), ((3, 1),), 1),
    ],
)
def test_a_row_is_a_period(
    one: tuple[int, int],
    other: tuple[int, int],
    take: tuple[tuple[int, int], ...],
    give: tuple[tuple[int, int], ...],
    buffer: int,
):
    phases = phases_between(tiles((5, 6), one, "rows"), tiles((5, 6), other, "rows"))
    assert phases == Phases(5, take, give, buffer)


def test_a_turn_takes_almost_all_before_the_second_result():
    # 2 x 2: result 1 is token 2, so 4 tokens and 4 results take 5 firings
    phases = phases_between(
        tiles((2, 2), (1, 1), "rows"), tiles((2, 2), (1, 1), "columns")
    )
    assert phases is not None
    assert (phases.periods, phases.firings) == (1, 5)


def test_equal_tiles_pass_one_by_one():
    stream = tiles((5, 6), (1, 3), "rows")
    assert phases_between(stream, stream) == Phases(10, ((1, 1),), ((1, 1),), 1)
