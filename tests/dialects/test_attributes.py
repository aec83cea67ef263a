"""Types and attributes: what they print parses to the same, and what they compute equals a naive count."""

from itertools import product
from math import ceil, prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import (
    AffineMapAttr,
    Builtin,
    TensorType,
    bf16,
    f16,
    f32,
    i1,
    i8,
    i32,
)
from xdsl.ir import Attribute
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError, VerifyException
from xdsl.utils.test_value import create_ssa_value

from dfc.dialects.attention import SHORTHANDS, Attention, ScheduleAttr
from dfc.dialects.stream import (
    Stream,
    StreamType,
    covers,
    stream_type,
    tile_ranges,
)
from dfc.dialects.ternary import TRITS_PER_GROUP, PackingAttr, Ternary, TritType

quick = settings(deadline=None, max_examples=200, derandomize=True)


def parse(text: str) -> Attribute:
    """The type or attribute that a text stands for."""
    context = Context()
    for dialect in (Builtin, Ternary, Attention, Stream):
        context.load_dialect(dialect)
    return Parser(context, text).parse_attribute()


@st.composite
def packings(draw: st.DrawFn) -> PackingAttr:
    order = draw(st.sampled_from(["rows", "interleaved", "beats", "quarters"]))
    code = draw(st.sampled_from(sorted(TRITS_PER_GROUP)))
    if order == "interleaved":
        return PackingAttr(draw(st.sampled_from(["trits1in2", "trits3in5"])), order)
    if order == "quarters":
        return PackingAttr("trits1in2", order)
    if order == "rows":
        return PackingAttr(code)
    trits, bits = TRITS_PER_GROUP[code]
    groups = draw(st.integers(1, 40))
    least = ceil(groups * bits / 8)
    return PackingAttr(
        code, order, groups * trits, draw(st.integers(least, least + 99))
    )


@st.composite
def schedules(draw: st.DrawFn) -> ScheduleAttr:
    softmax, order, keys = draw(
        st.sampled_from(
            [
                (softmax, order, keys)
                for softmax in ("naive", "reordered", "streaming", "unified_max")
                for order in ("forward", "reversed")
                for keys in ("reread", "held")
                if order == "forward" or (softmax[0] in "su" and keys == "reread")
            ]
        )
    )
    return ScheduleAttr(softmax, order, keys, draw(st.integers(1, 1024)))


@st.composite
def maps(draw: st.DrawFn, counts: tuple[int, ...], rank: int) -> AffineMap:
    dims = [AffineExpr.dimension(d) for d in range(len(counts))]

    def term() -> AffineExpr:
        if not dims:
            return AffineExpr.constant(draw(st.integers(0, 3)))
        dim, number = draw(st.sampled_from(dims)), draw(st.integers(1, 4))
        kind = draw(st.sampled_from(["dim", "times", "mod", "floordiv", "ceildiv"]))
        made = {
            "dim": dim,
            "times": dim * draw(st.integers(-3, 3)),
            "mod": dim % number,
            "floordiv": dim // number,
            "ceildiv": dim.ceil_div(number),
        }
        return made[kind]

    def expression() -> AffineExpr:
        first = term()
        return first + term() if draw(st.booleans()) else first

    return AffineMap(len(counts), 0, tuple(expression() for _ in range(rank)))


@st.composite
def streams(draw: st.DrawFn) -> StreamType:
    counts = tuple(draw(st.lists(st.integers(1, 5), max_size=3)))
    sizes = draw(st.lists(st.integers(1, 64), max_size=3))
    element = draw(st.sampled_from([f32, bf16, f16, i1, i8, i32, TritType()]))
    tiles = AffineMapAttr(draw(maps(counts, len(sizes))))
    return StreamType(TensorType(element, sizes), counts, tiles)


@quick
@given(st.one_of(packings(), schedules(), streams()))
def test_print_and_parse_again(attribute: Attribute):
    attribute.verify()
    assert parse(str(attribute)) == attribute


@pytest.mark.parametrize("name", SHORTHANDS)
def test_a_shorthand_is_its_fields(name: str):
    assert parse(f"#attention.schedule<{name}, rows = 4>") == ScheduleAttr.named(
        name, rows=4
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#ternary.packing<>", "expected a code, got none"),
        ("#ternary.packing<trits1in2, trits = 1>", "expected one of order, block"),
        ("#ternary.packing<trits1in2, order = rows, order = rows>", "once, got it"),
        ("#ternary.packing<trits1in2, order = 5>", "identifier expected"),
        ("#ternary.packing<trits1in2, block = wide>", "Expected integer literal"),
        ("#attention.schedule<flash>", "expected a schedule of naive, reordered"),
        ("#attention.schedule<naive, rows = all>", "Expected integer literal"),
        ("#attention.schedule<rows = 2, naive>", "expected one of softmax, order"),
    ],
)
def test_text_that_does_not_parse(text: str, message: str):
    with pytest.raises(ParseError, match=message):
        parse(text)


def test_schedules_without_a_name_have_defaults():
    assert parse("#attention.schedule<rows = 2>") == ScheduleAttr(rows=2)
    with pytest.raises(KeyError):
        ScheduleAttr.named("flash")


def naive_bytes(packing: PackingAttr, rows: int, columns: int) -> int:
    """The bytes of a tile, by laying out each group or vector in turn."""
    code, order = packing.code.data, packing.order.data
    trits, bits = TRITS_PER_GROUP[code]
    if order == "interleaved":
        trits, bits = TRITS_PER_GROUP[code]
        width = {"trits1in2": 16, "trits3in5": 12}[code]
        block = 16 * width // trits * bits // 8
        return sum(block for _ in product(range(0, rows, 16), range(0, columns, width)))
    if order == "quarters":
        return sum(4 * 2 // 8 for _ in product(range(0, rows, 4), range(columns)))
    if order == "rows":
        whole = sum(bits for _ in range(0, rows * columns, trits))
        return len(range(0, whole, 8))
    total = 0
    for _ in range(0, columns, packing.block.data):
        room = 0
        for _ in range(rows):
            vector = sum(bits for _ in range(0, packing.block.data, trits))
            if room < vector:
                total, room = total + packing.beat.data, packing.beat.data * 8
            room -= vector
    return total


@quick
@given(packings(), st.integers(1, 70), st.integers(1, 200))
def test_tile_bytes(packing: PackingAttr, rows: int, columns: int):
    assert packing.tile_bytes(rows, columns) == naive_bytes(packing, rows, columns)


def test_tile_bytes_of_the_lookup_engine():
    # 1,536 outputs x 19 blocks of 84 inputs: ceil(1536 / 5) = 308 beats of 96 B a block
    packing = PackingAttr("trits3in5", "beats", 84, 96)
    assert packing.vector_bits == 28 * 5
    assert packing.tile_bytes(1536, 1536) == 19 * 308 * 96


def tokens(stream: StreamType) -> list[tuple[int, ...]]:
    """The tile of each token, one by one."""
    trips = product(*(range(n) for n in stream.counts))
    return [tuple(stream.map.data.eval(at, ())) for at in trips]


@quick
@given(streams())
def test_tile_ranges(stream: StreamType):
    found = tokens(stream)
    assert len(found) == stream.tokens
    assert tile_ranges(stream.map.data, stream.counts) == tuple(
        (min(axis), max(axis)) for axis in zip(*found, strict=True)
    )


@quick
@given(streams(), st.lists(st.integers(0, 6), min_size=3, max_size=3))
def test_covers(stream: StreamType, sizes: list[int]):
    tiles = tuple(sizes[: stream.token.get_num_dims()])
    grid = set(product(*(range(n) for n in tiles)))
    covered = grid.issubset(tokens(stream))
    assert covers(stream.map.data, stream.counts, tiles) == covered
    assert not covered or prod(tiles) <= stream.tokens


def test_a_large_linear_map_is_not_walked():
    # 2^40 tokens: a walk would not end
    flat = AffineMap.from_callable(lambda a, b: (a * 1048576 + b,))
    counts = (1048576, 1048576)
    assert tile_ranges(flat, counts) == ((0, 2**40 - 1),)
    assert covers(flat, counts, (2**40,))
    assert not covers(flat, (1048576, 1048575), (2**40 - 1048576,))
    back = AffineMap.from_callable(lambda a, b: (a * -1048576 + b * -1 + 2**40 - 1,))
    assert covers(back, counts, (2**40,))
    assert not covers(back, (1048575, 1048576), (2**40,))


@pytest.mark.parametrize("trips", [[0], [-1], [2, 0]])
def test_trips_above_zero(trips: list[int]):
    tiles = AffineMapAttr(AffineMap.identity(len(trips)))
    token = TensorType(f32, [1] * len(trips))
    with pytest.raises(VerifyException, match="expected trip counts above 0"):
        StreamType(token, trips, tiles)


def test_a_value_that_is_no_stream():
    with pytest.raises(VerifyException, match="expected a stream, got f32"):
        stream_type(create_ssa_value(f32))
