"""Code for a dense product of few rows: walks over the weight, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, llvm, math, vector
from xdsl.dialects.builtin import DenseArrayBase, VectorType, f32, i8, i32, i64
from xdsl.ir import SSAValue

from dfc.dialects.utils import element, shape
from dfc.passes.native.blocks import Range
from dfc.passes.native.code import Code, size_bytes
from dfc.passes.native.dense_form import Dense
from dfc.passes.rows.lanes import read, rounded, write
from dfc.passes.rows.math import Floats
from dfc.passes.rows.ops import NARROW

LANES = 16
"""Floats of a vector."""

VECTOR = VectorType(f32, [LANES])

TOKENS = 8
"""Rows of the activations that go along one walk over the weight."""

GROUP = 4
"""Rows of the activations that are multiplied at once, where there are several."""

AHEAD = 32 << 10
"""Bytes that are asked for ahead: several rows of the weight at once are several streams, which the processor follows badly."""

LINE = 64
"""Bytes of a cache line."""

FLOAT = 4
"""Bytes of an f32."""


class DenseProduct:
    """
    `x @ w.T + bias`; a part is a row of the weight, `places` are the pointers of the arguments.

    The activations are widened to f32 on the stack first. The products of a row of the weight with one of the
    activations are added in one order, whatever other rows are multiplied beside them.
    """

    def __init__(
        self, form: Dense, places: Mapping[SSAValue, SSAValue], to: SSAValue, isa: str
    ) -> None:
        self.x, self.w, self.to = places[form.x], places[form.w], to
        self.bias = None if form.bias is None else (places[form.bias], element(form.bias))  # fmt: skip
        self.x_kind, self.w_kind = element(form.x), element(form.w)
        self.kind = element(form.result)
        self.rows, self.columns = shape(form.w)
        self.left = self.columns % LANES
        self.whole = self.columns - self.left
        self.width = self.whole + (LANES if self.left else 0)
        """Floats of a widened row: the vector that ends with the row follows the whole ones."""
        self.fused = isa != "portable"
        """Whether products may be added without rounding: without the instruction that is a call of a library."""
        self.beside = GROUP if isa in ("avx512-vbmi", "avx512-vnni") else 1
        """Rows of the weight at once, where there are several of the activations: 16 sums take 32 registers."""

    def write(self, code: Code, part: Range) -> None:
        """Every row of the part with every row of the activations, a few of these in each walk."""
        size = TOKENS * self.width * FLOAT
        room = code.add(llvm.AllocaOp(code.word(size), i8, alignment=LINE))

        def body(
            inner: Code, first: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            end = inner.smaller(inner.plus(first, TOKENS), part.tokens)
            self.widen(inner, (first, end), room)
            count = inner.minus(end, first)
            single = Walk(self, room, first, count, 1, 1)
            inner.when(
                inner.compare(count, "eq", 1), lambda own: single.write(own, part)
            )
            several = Walk(self, room, first, count, GROUP, self.beside)
            inner.when(
                inner.compare(count, "ne", 1), lambda own: several.write(own, part)
            )
            return ()

        code.loop((code.word(0), part.tokens), TOKENS, (), body)

    def widen(
        self, code: Code, tokens: tuple[SSAValue, SSAValue], room: SSAValue
    ) -> None:
        """Rows of the activations in f32."""
        size = size_bytes(self.x_kind)

        def body(
            inner: Code, token: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            source = inner.at(self.x, inner.times(token, self.columns * size))
            own = inner.minus(token, tokens[0])
            place = inner.at(room, inner.times(own, self.width * FLOAT))
            self.widen_row(inner, source, place)
            return ()

        code.loop(tokens, 1, (), body)

    def widen_row(self, code: Code, source: SSAValue, place: SSAValue) -> None:
        """One row, from a pointer to another."""
        size = size_bytes(self.x_kind)

        def body(
            inner: Code, at: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            value = read(inner, inner.at(source, inner.times(at, size)), self.x_kind, VECTOR)  # fmt: skip
            inner.store(value, inner.at(place, inner.times(at, FLOAT)))
            return ()

        code.loop((code.word(0), code.word(self.whole)), LANES, (), body)
        if self.left:
            here = code.at(source, (self.columns - LANES) * size)
            value = self.last(code, read(code, here, self.x_kind, VECTOR))
            code.store(value, code.at(place, self.whole * FLOAT))

    def last(self, code: Code, value: SSAValue) -> SSAValue:
        """The vector that ends with a row; zeros for what the vectors before have."""
        f = Floats(code, VECTOR)
        new = f.test(code.lanes(LANES, VECTOR), "oge", LANES - self.left)
        return f.choose(new, value, 0)

    def more(self, code: Code, a: SSAValue, b: SSAValue, total: SSAValue) -> SSAValue:
        """`a * b + total`."""
        f = Floats(code, VECTOR)
        if self.fused:
            return f.op(math.FmaOp, a, b, total)
        return f.plus(f.times(a, b), total)

    def finish(self, code: Code, token: SSAValue, row: SSAValue, sums: SSAValue) -> None:  # fmt: skip
        """Add the lanes and the bias, round and write."""
        y = sum_of_floats(code, sums)
        if self.bias is not None:
            bias, kind = self.bias
            place = code.at(bias, code.times(row, size_bytes(kind)))
            y = code.add(arith.AddfOp(y, read(code, place, kind, f32)))
        if isinstance(self.kind, NARROW):
            y = rounded(code, y, self.kind)
        at = code.plus(code.times(token, self.rows), row)
        place = code.at(self.to, code.times(at, size_bytes(self.kind)))
        write(code, y, place, self.kind)


@dataclass(frozen=True)
class Walk:
    """
    A walk over the rows of a part, `rows` at once, with `count` widened rows of the activations from `first` on, `tokens` at once.

    What would be behind the last row, of either, is the last.
    """

    own: DenseProduct
    room: SSAValue
    first: SSAValue
    count: SSAValue
    tokens: int
    rows: int

    def write(self, code: Code, part: Range) -> None:
        """All of them."""

        def body(
            inner: Code, row: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            self.groups(inner, following(inner, row, self.rows, part.end))
            return ()

        code.loop((part.first, part.end), self.rows, (), body)

    def groups(self, code: Code, rows: Sequence[SSAValue]) -> None:
        """Some rows of the weight with all of the activations."""

        def body(
            inner: Code, token: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            tokens = following(inner, token, self.tokens, self.count)
            self.multiply(inner, rows, tokens)
            return ()

        code.loop((code.word(0), self.count), self.tokens, (), body)

    def multiply(
        self, code: Code, rows: Sequence[SSAValue], tokens: Sequence[SSAValue]
    ) -> None:
        """Some rows of the weight with some of the activations."""
        own = self.own
        size, width = own.columns * size_bytes(own.w_kind), own.width * FLOAT
        weights = [code.at(own.w, code.times(row, size)) for row in rows]
        xs = [code.at(self.room, code.times(token, width)) for token in tokens]

        def body(
            inner: Code, at: SSAValue, sums: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            self.ahead(inner, weights, at)
            return self.added(inner, (weights, xs), at, sums)

        zeros = [code.constant(0, VECTOR)] * (len(rows) * len(tokens))
        bounds = (code.word(0), code.word(own.whole))
        sums: Sequence[SSAValue] = code.loop(bounds, LANES, zeros, body)
        if own.left:
            sums = self.added(code, (weights, xs), None, sums)
        pairs = [(row, token) for row in rows for token in tokens]
        for (row, token), total in zip(pairs, sums, strict=True):
            own.finish(code, code.plus(self.first, token), row, total)

    def added(
        self,
        code: Code,
        places: tuple[Sequence[SSAValue], Sequence[SSAValue]],
        at: SSAValue | None,
        sums: Sequence[SSAValue],
    ) -> list[SSAValue]:
        """Sums and the products of the 16 columns from one on; of what the whole vectors leave where it is None."""
        own = self.own
        weights, xs = places
        vectors = [self.weight(code, place, at) for place in weights]
        offset = own.whole * FLOAT if at is None else code.times(at, FLOAT)
        loaded = [code.load(code.at(place, offset), VECTOR) for place in xs]
        pairs = [(w, x) for w in vectors for x in loaded]
        return [
            own.more(code, w, x, total)
            for (w, x), total in zip(pairs, sums, strict=True)
        ]

    def weight(self, code: Code, place: SSAValue, at: SSAValue | None) -> SSAValue:
        """16 columns of a row of the weight in f32, from one on; None for what the whole vectors leave."""
        own, size = self.own, size_bytes(self.own.w_kind)
        if at is not None:
            return read(code, code.at(place, code.times(at, size)), own.w_kind, VECTOR)
        here = code.at(place, (own.columns - LANES) * size)
        return own.last(code, read(code, here, own.w_kind, VECTOR))

    def ahead(self, code: Code, weights: Sequence[SSAValue], at: SSAValue) -> None:
        """Ask for what stands ahead, as one stream; a single row is one for the processor too."""
        if len(weights) == 1:
            return
        each = len(weights) * size_bytes(self.own.w_kind)
        place = code.at(weights[0], code.plus(code.times(at, each), AHEAD))
        far, data, reading = (code.constant(n, i32) for n in (2, 1, 0))
        for offset in range(0, each * LANES, LINE):
            given = [code.at(place, offset), reading, far, data]
            code.block.add_op(llvm.CallIntrinsicOp("llvm.prefetch", given, []))


def following(code: Code, first: SSAValue, count: int, end: SSAValue) -> list[SSAValue]:
    """So many numbers from one on, the last before an end in place of what is behind it."""
    if count == 1:
        return [first]
    last = code.plus(end, -1)
    more = [code.smaller(code.plus(first, n), last) for n in range(1, count)]
    return [first, *more]


def sum_of_floats(code: Code, value: SSAValue) -> SSAValue:
    """The sum of a vector's lanes, the upper half of them added to the lower."""
    lanes = LANES
    while lanes > 1:
        lanes //= 2
        low, high = (
            code.add(
                vector.ShuffleOp(
                    value,
                    value,
                    DenseArrayBase.from_list(i64, list(range(at, at + lanes))),
                    result_type=VectorType(f32, [lanes]),
                )
            )
            for at in (0, lanes)
        )
        value = code.add(arith.AddfOp(low, high))
    return code.add(vector.ExtractOp(value, [0], f32))
