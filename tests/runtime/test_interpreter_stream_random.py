"""Random chains of stream nodes, with rows of random lengths, against lists of numbers."""

from dataclasses import dataclass
from itertools import accumulate, chain

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_testing import cell, parse, results, row_of

E = "tensor<1x1xf32>"
Numbers = list[list[int]]
"""The tokens of a stream, row by row."""


def less(sum_so_far: int, number: int) -> int:
    """What a scan goes on with."""
    return number - sum_so_far


@dataclass
class Chain:
    """The text of a graph, and what its last stream is."""

    rows: int
    columns: int
    numbers: Numbers
    text: str = ""
    last: str = "%s0"
    count: int = 0

    @property
    def kind(self) -> str:
        """The type of its streams."""
        return cell(self.rows, self.columns)

    @property
    def flat(self) -> list[int]:
        """All numbers, one row behind the other."""
        return list(chain.from_iterable(self.numbers))

    def add(self, text: str, numbers: Numbers) -> None:
        """One more node: IN, OUT and # stand for its operand, its result and its number."""
        self.count += 1
        out = f"%s{self.count}"
        text = text.replace("KIND", self.kind).replace("ROW", row_of(self.rows))
        text = text.replace("IN", self.last).replace("OUT", out)
        self.text += text.replace("#", str(self.count))
        self.last, self.numbers = out, numbers

    def place(self) -> None:
        """Each number plus ten times its row plus its column."""
        self.add(
            f"""
    OUT = stream.map (IN : KIND) -> (KIND) {{
    ^bb0(%v: {E}):
      %i = stream.index 0
      %j = stream.index 1
      %ten = arith.constant 10 : index
      %t = arith.muli %i, %ten : index
      %n = arith.addi %t, %j : index
      %k = arith.index_cast %n : index to i32
      %f = arith.sitofp %k : i32 to f32
      %g = tensor.splat %f : {E}
      %y = arith.addf %v, %g : {E}
      stream.yield %y : {E}
    }}""",
            [
                [v + 10 * i + j for j, v in enumerate(row)]
                for i, row in enumerate(self.numbers)
            ],
        )

    def scan(self, over: int) -> None:
        """Alternating sums so far, of the row or of everything."""
        if over == 1:
            made = [list(accumulate(row, less)) for row in self.numbers]
        else:
            made = self.in_rows(list(accumulate(self.flat, less)))
        self.add(
            f"""
    OUT = stream.scan (IN : KIND) inits [0.0 : f32] over {over} -> (KIND) {{
    ^bb0(%a: {E}, %v: {E}):
      %y = arith.subf %v, %a : {E}
      stream.yield %y, %y : {E}, {E}
    }}""",
            made,
        )

    def in_rows(self, numbers: list[int]) -> Numbers:
        """Numbers in rows as long as the present ones."""
        rest = iter(numbers)
        return [[next(rest) for _ in row] for row in self.numbers]

    def delay(self, tokens: list[int]) -> None:
        """Behind a FIFO with tokens."""
        inside = ", ".join(f"{float(n)} : f32" for n in tokens)
        self.add(
            f"\n    OUT = stream.fifo IN depth {len(tokens) + 1} initial [{inside}] : KIND",
            self.in_rows([*tokens, *self.flat]),
        )

    def add_sums(self) -> None:
        """The sum of a row added to each of its numbers, which wait for it."""
        self.add(
            f"""
    %a#, %b# = stream.fork IN : KIND -> (KIND, KIND)
    %l# = stream.fifo %a# depth {self.columns + 2} : KIND
    %r# = stream.reduce (%b# : KIND) inits [0.0 : f32] -> (ROW) {{
    ^bb0(%a: {E}, %v: {E}):
      %y = arith.addf %v, %a : {E}
      stream.yield %y : {E}
    }}
    OUT = stream.map (%l#, %r# : KIND, ROW) -> (KIND) {{
    ^bb0(%v: {E}, %w: {E}):
      %y = arith.addf %v, %w : {E}
      stream.yield %y : {E}
    }}""",
            [[v + sum(row) for v in row] for row in self.numbers],
        )


steps = st.lists(
    st.one_of(
        st.just(("place",)),
        st.tuples(st.just("scan"), st.integers(1, 2)),
        st.tuples(
            st.just("delay"), st.lists(st.integers(-9, 9), min_size=1, max_size=3)
        ),
        st.just(("add_sums",)),
    ),
    min_size=1,
    max_size=5,
)
bounds = st.none() | st.tuples(st.integers(-2, 2), st.integers(-3, 6))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.integers(1, 4), st.integers(1, 5), bounds, steps)
def test_chains(
    rows: int,
    columns: int,
    bound: tuple[int, int] | None,
    steps: list[tuple[str, *tuple[object, ...]]],
):
    x = np.random.default_rng(rows * 9 + columns).integers(-9, 9, (rows, columns))
    slope, start = bound or (0, columns)
    lengths = [min(max(slope * i + start, 1), columns) for i in range(rows)]
    numbers = [[int(v) for v in row[:n]] for row, n in zip(x, lengths, strict=True)]
    made = Chain(rows, columns, numbers)
    for name, *options in steps:
        getattr(made, name)(*options)
    kind = f"tensor<{rows}x{columns}xf32>"
    head = (
        ""
        if bound is None
        else f"bound affine_map<(d0)[s0] -> (d0 * {slope} + s0)> (%p) "
    )
    text = f"""
func.func @f(%x: {kind}, %p: index) -> {kind} {{
  %r = stream.graph {head}-> {kind} {{
    %s0 = stream.read %x : {kind} -> {made.kind}{made.text}
    %y = stream.write {made.last} : {made.kind} -> {kind}
    stream.yield %y : {kind}
  }}
  func.return %r : {kind}
}}
"""
    (y,) = results(parse(text), [x.astype(np.float32), start])
    want = np.zeros((rows, columns))
    for row, values in zip(want, made.numbers, strict=True):
        row[: len(values)] = values
    np.testing.assert_array_equal(y, want)
