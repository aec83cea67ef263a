"""Code for attention row by row: one walk over the keys, 16 at a time, with a running maximum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, llvm, math, vector
from xdsl.dialects.builtin import DenseArrayBase, VectorType, f32, i64
from xdsl.dialects.vector import CombiningKindFlag
from xdsl.ir import SSAValue

from dfc.dialects import attention
from dfc.dialects.utils import element, shape
from dfc.passes.native.blocks import Range
from dfc.passes.native.code import Code, reduced, size_bytes
from dfc.passes.rows.functions import INFINITY, exp, tanh
from dfc.passes.rows.lanes import read, rounded, write
from dfc.passes.rows.math import Floats
from dfc.passes.rows.ops import NARROW

LANES = 16
"""Floats of a vector, and keys at once."""

VECTOR = VectorType(f32, [LANES])

LOW = -1e37
"""What no score is below but by a mask: -inf, or the smallest number of f32 or bf16, whose exponentials are 0 beside it."""


@dataclass(frozen=True)
class Row:
    """A query row of a head: its number among all, pointers to the keys and values of its group, the range of keys that it sees."""

    number: SSAValue
    keys: SSAValue
    values: SSAValue
    low: SSAValue
    high: SSAValue


class RowAttention:
    """`softmax(scale * q @ k.T + mask) @ v`; `places` are the pointers of the arguments."""

    def __init__(
        self,
        op: attention.SdpaOp,
        places: Mapping[SSAValue, SSAValue],
        to: SSAValue,
        isa: str,
    ) -> None:
        self.op, self.to = op, to
        self.q, self.k, self.v = (places[each] for each in (op.q, op.k, op.v))
        self.position = None if op.position is None else places[op.position]
        self.mask = None if op.mask is None else places[op.mask]
        self.batch, self.heads, self.rows, self.depth = shape(op.q)
        self.groups, self.capacity = shape(op.k)[1:3]
        self.kind = element(op.q)
        self.row_bytes = self.depth * size_bytes(self.kind)
        self.vectors = self.depth // LANES
        self.fused = isa in ("avx512-vbmi", "avx512-vnni")
        """Whether products may be added without rounding: without the instruction that is a call of a library."""

    def write(self, code: Code, part: Range) -> None:
        """Every row of the part."""

        def body(
            inner: Code, number: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            self.row(inner, self.place(inner, number))
            return ()

        code.loop((part.first, part.end), 1, (), body)

    def place(self, code: Code, number: SSAValue) -> Row:
        """Where a row's keys and values are, and which of them it sees."""
        head = divided(code, number, self.rows)
        group = divided(code, head, self.heads // self.groups)
        offset = code.times(group, self.capacity * self.row_bytes)
        low, high = self.seen(code, self.remainder(code, number, self.rows))
        keys, values = code.at(self.k, offset), code.at(self.v, offset)
        return Row(number, keys, values, low, high)

    def remainder(self, code: Code, number: SSAValue, size: int) -> SSAValue:
        """`number % size`."""
        if size == 1:
            return code.word(0)
        return code.add(arith.RemUIOp(number, code.word(size)))

    def seen(self, code: Code, row: SSAValue) -> tuple[SSAValue, SSAValue]:
        """The first key that a row of a head sees, and the one behind the last."""
        low, high = code.word(0), code.word(self.capacity)
        start = code.word(0)
        if self.position is not None:
            start = code.add(llvm.PtrToIntOp(self.position, i64))
            high = code.smaller(code.plus(start, self.rows), high)
        if self.op.causal is not None:
            own = code.plus(start, row)
            high = code.smaller(code.plus(own, 1), high)
            if self.op.window is not None:
                width = self.op.window.value.data
                low = code.larger(code.plus(own, 1 - width), low)
        return low, high

    def row(self, code: Code, row: Row) -> None:
        """One row: all its keys, then the quotient."""
        f = Floats(code, VECTOR)
        q = self.lanes(code, code.at(self.q, code.times(row.number, self.row_bytes)))
        start = [f.value(-INFINITY), f.value(0), *[f.value(0)] * self.vectors]

        def body(
            inner: Code, key: SSAValue, carried: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            return self.keys(inner, row, key, q, carried)

        _, sums, *totals = code.loop((row.low, row.high), LANES, start, body)
        total = self.total(code, sums)
        none = f.test(total, "oeq", 0)
        place = code.at(self.to, code.times(row.number, self.row_bytes))
        for at, value in enumerate(totals):
            y = f.over(value, f.choose(none, 1, total))
            if isinstance(self.kind, NARROW):
                y = rounded(code, y, self.kind)
            write(
                code, y, code.at(place, at * LANES * size_bytes(self.kind)), self.kind
            )

    def keys(
        self,
        code: Code,
        row: Row,
        key: SSAValue,
        q: Sequence[SSAValue],
        carried: Sequence[SSAValue],
    ) -> list[SSAValue]:
        """
        16 keys: the running maximum, the sums of exponentials by lane, the weighted values.

        Those that a mask hides all of are not read: most, of a cache with room for more tokens than there are.
        """
        last = code.plus(row.high, -1)
        numbers = [code.smaller(code.plus(key, n), last) for n in range(LANES)]
        if self.mask is None:
            return self.more_keys(code, row, (key, numbers), q, carried, None)
        hidden = self.masked(code, row, self.mask, numbers)
        return code.changed(
            self.some(code, hidden, carried[0]),
            carried,
            lambda inner: self.more_keys(
                inner, row, (key, numbers), q, carried, hidden
            ),
        )

    def some(self, code: Code, hidden: SSAValue, largest: SSAValue) -> SSAValue:
        """Whether any key has a weight behind the mask's values: not with -inf, nor far below a score that there was."""
        f = Floats(code, f32)
        most = reduced(code, hidden, CombiningKindFlag.MAXIMUMF)
        before = code.add(vector.ExtractOp(largest, [0], f32))
        low = f.test(most, "ole", 10 * LOW)
        under = f.choose(
            f.test(before, "ogt", LOW), low, f.test(most, "oeq", -INFINITY)
        )
        return code.flipped(under, 1)

    def more_keys(
        self,
        code: Code,
        row: Row,
        keys: tuple[SSAValue, Sequence[SSAValue]],
        q: Sequence[SSAValue],
        carried: Sequence[SSAValue],
        hidden: SSAValue | None,
    ) -> list[SSAValue]:
        """Keys by their numbers, of which the mask leaves some."""
        f = Floats(code, VECTOR)
        largest, sums, *totals = carried
        first, numbers = keys
        offsets = [code.times(each, self.row_bytes) for each in numbers]
        dots = self.dots(code, [code.at(row.keys, each) for each in offsets], q)
        scores = self.scores(code, code.minus(row.high, first), hidden, dots)
        here = reduced(code, scores, CombiningKindFlag.MAXIMUMF)
        more = f.op(arith.MaximumfOp, largest, code.splat(here, VECTOR))
        base = f.choose(f.test(more, "oeq", -INFINITY), 0, more)
        weights, old = exp(f, f.minus(scores, base)), exp(f, f.minus(largest, base))
        totals = [f.times(each, old) for each in totals]
        for at, offset in enumerate(offsets):
            weight = code.splat(code.add(vector.ExtractOp(weights, [at], f32)), VECTOR)
            values = self.lanes(code, code.at(row.values, offset))
            totals = [
                self.more(f, weight, value, total)
                for value, total in zip(values, totals, strict=True)
            ]
        return [more, self.more(f, sums, old, weights), *totals]

    def scores(
        self,
        code: Code,
        left: SSAValue,
        hidden: SSAValue | None,
        dots: SSAValue,
    ) -> SSAValue:
        """What the exponentials are taken of; -inf for all but as many keys as are left."""
        f = Floats(code, VECTOR)
        factor = self.op.scale.value.data if self.op.scale else self.depth**-0.5
        scores = f.times(dots, factor)
        if self.op.softcap is not None:
            cap = self.op.softcap.value.data
            scores = f.times(tanh(f, f.over(scores, cap)), cap)
        if hidden is not None:
            scores = f.plus(scores, hidden)
        count = code.splat(code.add(arith.SIToFPOp(left, f32)), VECTOR)
        seen = f.test(code.lanes(LANES, VECTOR), "olt", count)
        return f.choose(seen, scores, -INFINITY)

    def masked(
        self, code: Code, row: Row, mask: SSAValue, numbers: Sequence[SSAValue]
    ) -> SSAValue:
        """The mask's values for some keys of a row."""
        assert self.op.mask is not None
        kind, size = element(self.op.mask), size_bytes(element(self.op.mask))
        batches, heads = shape(self.op.mask)[:2]
        head = divided(code, row.number, self.rows)
        at = self.remainder(code, row.number, self.rows)
        if heads > 1:
            own = self.remainder(code, head, self.heads)
            at = code.plus(at, code.times(own, self.rows))
        if batches > 1:
            batch = divided(code, head, self.heads)
            at = code.plus(at, code.times(batch, heads * self.rows))
        place = code.at(mask, code.times(at, self.capacity * size))
        found = code.constant(0, VECTOR)
        for lane, number in enumerate(numbers):
            one = read(code, code.at(place, code.times(number, size)), kind, f32)
            found = code.lane(one, found, lane)
        return found

    def lanes(self, code: Code, pointer: SSAValue) -> list[SSAValue]:
        """A row of the depth in f32."""
        size = LANES * size_bytes(self.kind)
        return [
            read(code, code.at(pointer, at * size), self.kind, VECTOR)
            for at in range(self.vectors)
        ]

    def dots(
        self, code: Code, keys: Sequence[SSAValue], q: Sequence[SSAValue]
    ) -> SSAValue:
        """
        The products of some keys with the query, in as many groups of lanes that add up to one each.

        Two vectors become one whose groups are half as wide, so 16 keys end as 16 lanes.
        """
        if len(keys) == 1:
            f = Floats(code, VECTOR)
            total, *rest = zip(q, self.lanes(code, keys[0]), strict=True)
            found = f.times(*total)
            for a, b in rest:
                found = self.more(f, a, b, found)
            return found
        half = len(keys) // 2
        pair = (self.dots(code, keys[:half], q), self.dots(code, keys[half:], q))
        width = LANES // half
        low = [at for at in range(2 * LANES) if at % width < width // 2]
        return added(code, pair, low, [at + width // 2 for at in low])

    def total(self, code: Code, value: SSAValue) -> SSAValue:
        """The sum of a vector's lanes in every lane."""
        width = LANES
        while width > 1:
            width //= 2
            turned = [at ^ width for at in range(LANES)]
            value = added(code, (value, value), list(range(LANES)), turned)
        return value

    def more(self, f: Floats, a: SSAValue, b: SSAValue, total: SSAValue) -> SSAValue:
        """`a * b + total`."""
        if self.fused:
            return f.op(math.FmaOp, a, b, total)
        return f.plus(f.times(a, b), total)


def divided(code: Code, number: SSAValue, size: int) -> SSAValue:
    """`number // size`."""
    if size == 1:
        return number
    return code.add(arith.DivUIOp(number, code.word(size)))


def added(
    code: Code,
    pair: tuple[SSAValue, SSAValue],
    first: Sequence[int],
    second: Sequence[int],
) -> SSAValue:
    """The sum of two choices of lanes out of a pair of vectors."""
    one, other = (
        code.add(
            vector.ShuffleOp(
                *pair, DenseArrayBase.from_list(i64, list(lanes)), result_type=VECTOR
            )
        )
        for lanes in (first, second)
    )
    return code.add(arith.AddfOp(one, other))
