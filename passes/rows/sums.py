"""What folds of a row are gathered in: several vectors, one, then a number."""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import vector
from xdsl.dialects.builtin import DenseArrayBase, i64
from xdsl.ir import SSAValue

from dfc.passes.native.attributes import as_vector, lanes_of
from dfc.passes.native.code import Code
from dfc.passes.rows.graph import Fold
from dfc.passes.rows.lanes import rounded
from dfc.passes.rows.ops import FOLDS, NARROW, working
from dfc.passes.rows.values import Values


@dataclass
class Sums:
    """The vectors, or then the number, that one fold is gathered in; a narrow kind in f32."""

    fold: Fold
    values: list[SSAValue]

    @classmethod
    def start(cls, fold: Fold, values: Values, count: int, lanes: int) -> "Sums":
        """What changes nothing: of sums and products a constant, of others the start itself."""
        neutral, start = FOLDS[fold.op], fold.inputs[1]
        kind = working(fold.kind)
        if neutral is not None:
            type_ = lanes_of(kind, lanes) if lanes else kind
            first = values.code.constant(neutral, type_)
        else:
            first = values.spread(start) if lanes else values.get(start)
        return cls(fold, [first] * count)

    def combined(self, code: Code, a: SSAValue, b: SSAValue) -> SSAValue:
        """Two of them as one."""
        return code.make(self.fold.op, (a, b), a.type)

    def with_values(self, code: Code, values: Sequence[SSAValue]) -> list[SSAValue]:
        """Each with one value more."""
        pairs = zip(self.values, values, strict=True)
        return [self.combined(code, *pair) for pair in pairs]

    def join(self, code: Code) -> None:
        """All as one, in pairs."""
        while len(self.values) > 1:
            half = len(self.values) // 2
            self.values = [
                *self.values[2 * half :],
                *(self.combined(code, *self.values[2 * n : 2 * n + 2]) for n in range(half)),
            ]  # fmt: skip

    def reduce(self, code: Code) -> None:
        """The lanes of the one vector as a number, in pairs."""
        (value,) = self.values
        while (lanes := as_vector(value.type)) is not None:
            (count,) = lanes.get_shape()
            halves = [part(code, value, n * count // 2, count // 2) for n in range(2)]
            value = self.combined(code, *halves)
        self.values = [value]

    def finished(self, values: Values) -> SSAValue:
        """The fold's value: with its start, rounded once."""
        (value,) = self.values
        if FOLDS[self.fold.op] is not None:
            start = values.get(self.fold.inputs[1])
            value = self.combined(values.code, start, value)
        narrow = isinstance(self.fold.kind, NARROW)
        return rounded(values.code, value, self.fold.kind) if narrow else value


def part(code: Code, value: SSAValue, first: int, count: int) -> SSAValue:
    """Some lanes of a vector, one as a number."""
    lanes = as_vector(value.type)
    assert lanes is not None
    kind = lanes.element_type
    if count == 1:
        return code.add(vector.ExtractOp(value, [first], kind))
    type_ = lanes_of(kind, count)
    mask = DenseArrayBase.from_list(i64, list(range(first, first + count)))
    return code.add(vector.ShuffleOp(value, value, mask, result_type=type_))
