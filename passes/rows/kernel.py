"""Code for a program of rows: token by token, and for each token some loops over its columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from xdsl.dialects import llvm
from xdsl.dialects.builtin import f32, i8
from xdsl.ir import Attribute, SSAValue

from dfc.passes.native.attributes import as_vector
from dfc.passes.native.code import Code, size_bytes
from dfc.passes.native.result import BLOCK
from dfc.passes.native.tiles import Range
from dfc.passes.rows.graph import Node, Read, Result, RowProgram
from dfc.passes.rows.lanes import read, write
from dfc.passes.rows.ops import working
from dfc.passes.rows.plan import Loop, effort, plan
from dfc.passes.rows.sums import Sums
from dfc.passes.rows.values import VECTOR, Level, Values

SEVERAL = 4
"""Vectors that a short body takes at once: sums in as many registers, which do not wait for one another."""

BUSY = 24
"""Instructions of a body that is not short."""


class RowKernel:
    """A program of rows; pointers to its arguments and to its results in order."""

    def __init__(
        self,
        program: RowProgram,
        arguments: Mapping[SSAValue, SSAValue],
        results: Sequence[SSAValue],
    ) -> None:
        self.program, self.arguments = program, arguments
        self.results = dict(zip(program.results, results, strict=True))
        self.columns = program.columns
        self.plan = plan(program)

    def write(self, code: Code, part: Range) -> None:
        """Every token of the part; the room for kept rows is the function's."""
        room = self.room(code)
        everywhere = Values(
            code, Level.EVERYWHERE, lambda node: self.number(code, node)
        )

        def body(
            inner: Code, token: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            Row(self, inner, token, room, everywhere).write()
            return ()

        code.loop((part.first, part.end), 1, (), body)

    def room(self, code: Code) -> SSAValue | None:
        """Memory of the stack."""
        if not self.plan.room:
            return None
        return code.add(llvm.AllocaOp(code.word(self.plan.room), i8, alignment=64))

    def number(self, code: Code, node: Node) -> SSAValue | None:
        """An argument of one number."""
        if not isinstance(node, Read):
            return None
        return read(code, self.arguments[node.argument], node.kind, f32)

    def row_bytes(self, kind: Attribute) -> int:
        """Bytes of a row: one of int8 is padded."""
        columns = ceil(self.columns / BLOCK) * BLOCK if kind == i8 else self.columns
        return columns * size_bytes(kind)


class Row:
    """The code for one token."""

    def __init__(
        self,
        kernel: RowKernel,
        code: Code,
        token: SSAValue,
        room: SSAValue | None,
        everywhere: Values,
    ) -> None:
        self.kernel, self.code, self.token, self.room = kernel, code, token, room
        self.values = Values(code, Level.TOKEN, self.number, everywhere)
        self.starts: dict[Node | Result, SSAValue] = {}

    def write(self) -> None:
        """The loops, then what there is one of per token, and what stands behind rows of int8."""
        for number, loop in enumerate(self.kernel.plan.loops):
            self.loop(loop, number)
        for result in self.kernel.program.results:
            if result.is_row:
                self.pad(result)
            else:
                kind = result.node.kind
                place = self.own(self.kernel.results[result], size_bytes(kind))
                write(self.code, self.values.get(result.node), place, kind)

    def own(self, pointer: SSAValue, size: int) -> SSAValue:
        """This token's part of what stands `size` bytes apart."""
        return self.code.at(pointer, self.code.times(self.token, size))

    def number(self, node: Node) -> SSAValue | None:
        """An argument of one number per token."""
        if not isinstance(node, Read):
            return None
        pointer = self.kernel.arguments[node.argument]
        return read(self.code, self.own(pointer, size_bytes(node.kind)), node.kind, f32)

    def pad(self, result: Result) -> None:
        """Zeros behind the last column of int8."""
        if result.node.kind == i8:
            start = self.row(result)
            for at in range(self.kernel.columns, self.kernel.row_bytes(i8)):
                self.code.store(self.code.constant(0, i8), self.code.at(start, at))

    def row(self, of: Node | Result) -> SSAValue:
        """Where a row starts: of an argument, a result, or one that is kept."""
        if of not in self.starts:
            self.starts[of] = self.row_start(of)
        return self.starts[of]

    def row_start(self, of: Node | Result) -> SSAValue:
        """The pointer to a row."""
        kernel = self.kernel
        if isinstance(of, Result):
            return self.own(kernel.results[of], kernel.row_bytes(of.node.kind))
        if isinstance(of, Read):
            pointer = kernel.arguments[of.argument]
            return (
                self.own(pointer, kernel.row_bytes(of.kind)) if of.by_token else pointer
            )
        place = kernel.plan.places[of]
        assert isinstance(place, int)
        assert self.room is not None
        return self.code.at(self.room, place)

    def loop(self, loop: Loop, number: int) -> None:
        """Vectors of columns by several, the rest one by one, then the columns that fill no vector."""
        columns = self.kernel.columns
        whole = columns // BLOCK * BLOCK
        short = sum(map(effort, loop.roots())) <= BUSY
        count = SEVERAL if short else 1
        many = whole // (count * BLOCK) * (count * BLOCK)
        lanes = BLOCK if whole else 0
        sums = [
            Sums.start(f, self.values, count if many else 1, lanes) for f in loop.folds
        ]
        self.stretch(Stretch(loop, number, VECTOR, count), (0, many), sums)
        for each in sums:
            each.join(self.code)
        self.stretch(Stretch(loop, number, VECTOR, 1), (many, whole), sums)
        for each in sums:
            each.reduce(self.code)
        self.stretch(Stretch(loop, number, f32, 1), (whole, columns), sums)
        for each in sums:
            self.values.known[each.fold] = each.finished(self.values)

    def stretch(
        self, stretch: "Stretch", bounds: tuple[int, int], sums: list[Sums]
    ) -> None:
        """A loop over some columns."""
        if bounds[0] == bounds[1]:
            return

        def body(
            inner: Code, at: SSAValue, carried: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            left = iter(carried)
            now = [Sums(s.fold, [next(left) for _ in s.values]) for s in sums]
            return Columns(self, inner, at, stretch).write(now)

        carried = [value for each in sums for value in each.values]
        limits = (self.code.word(bounds[0]), self.code.word(bounds[1]))
        left = iter(self.code.loop(limits, stretch.columns, carried, body))
        for each in sums:
            each.values = [next(left) for _ in each.values]


@dataclass(frozen=True)
class Stretch:
    """How a loop goes over columns: as vectors or numbers, how many at once."""

    loop: Loop
    number: int
    like: Attribute
    count: int

    @property
    def columns(self) -> int:
        """Columns of a round."""
        return self.count * self.width

    @property
    def width(self) -> int:
        """Columns of a value."""
        return 1 if as_vector(self.like) is None else BLOCK


class Columns:
    """The code of one round of a loop over columns."""

    def __init__(self, row: Row, code: Code, at: SSAValue, stretch: Stretch) -> None:
        self.row, self.code, self.at, self.stretch = row, code, at, stretch
        self.pointers: dict[tuple[Node | Result, int], SSAValue] = {}

    def write(self, sums: Sequence[Sums]) -> list[SSAValue]:
        """All values, then all stores: a kept row may take the place of one that was read."""
        loop = self.stretch.loop
        several = [
            Values(self.code, Level.COLUMN, self.held(n), self.row.values, self.stretch.like)
            for n in range(self.stretch.count)
        ]  # fmt: skip
        carried = [
            value
            for each in sums
            for value in each.with_values(
                self.code, [values.get(each.fold.inputs[0]) for values in several]
            )
        ]
        stores = [
            (values.get(node), of, n, kind)
            for n, values in enumerate(several)
            for node, of, kind in [
                *((r.node, r, r.node.kind) for r in loop.rows),
                *((node, node, working(node.kind)) for node in loop.kept),
            ]
        ]
        for value, of, n, kind in stores:
            write(self.code, value, self.place(of, n, kind), kind)
        return carried

    def held(self, number: int) -> Callable[[Node], SSAValue | None]:
        """How a value is found in memory: an argument, or what an earlier loop stored."""

        def find(node: Node) -> SSAValue | None:
            plan = self.row.kernel.plan
            if isinstance(node, Read):
                of, kind = node, node.kind
            elif node in plan.places and plan.first[node] < self.stretch.number:
                place = plan.places[node]
                of = place if isinstance(place, Result) else node
                kind = node.kind if isinstance(place, Result) else working(node.kind)
            else:
                return None
            pointer = self.place(of, number, kind)
            return read(self.code, pointer, kind, self.stretch.like)

        return find

    def place(self, of: Node | Result, number: int, kind: Attribute) -> SSAValue:
        """Where the elements of one of the values of this round stand."""
        size = size_bytes(kind)
        if (of, size) not in self.pointers:
            offset = self.at if size == 1 else self.code.times(self.at, size)
            self.pointers[of, size] = self.code.at(self.row.row(of), offset)
        pointer, behind = self.pointers[of, size], number * self.stretch.width * size
        return self.code.at(pointer, behind) if behind else pointer
