"""
Which dimensions of a kernel's values must be tiled together, and which cannot be tiled.

    %a = ternary.matmul %q, %w             // q: m x k, w: n x k, a: m x n
    %y = ternary.dequantize %a, %s, %c     // s: m
    %h = tensor.expand_shape %y            // m x (h * 96) into m x h x 96
  gives the classes
    {q.0, a.0, s.0, y.0, h.0}        parallel
    {w.0, a.1, y.1 x 96, h.1}        parallel, 96 elements of `y` for one of `h`
    {q.1, w.1}                       reduction
    {h.2}                            whole

A *slot* is one dimension of one value. Slots that an op walks along with the same loop are in one
class (union-find over the loops of `op_loops`). Each class has a `size`, its number of points, and
each slot a `scale`: the elements of that dimension per point, so `size * scale` is the extent of
the dimension. A tile of t points takes `t * scale` consecutive elements of each of its slots.

`parallel`: no op of the kernel reduces the class. `reduction`: an op reduces it and nothing that
depends on the result uses it again, so partial results can be accumulated tile by tile. `whole`: it is
never cut; it has one point, and the scale is the extent of the dimension. Whole are what a norm or
a softmax reduces and then uses again, what is sliced, concatenated, indexed or gathered in part,
inner dimensions of a reshape, the keys and the head dimension of an attention.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

from xdsl.ir import Operation, SSAValue

from dfc.dialects.utils import shape
from dfc.passes.analysis.op_loops import Kind, Loop, captured, loops_of

Key = tuple[SSAValue, int]
Ratio = int | Fraction
"""A positive number; nearly all are 1, which is far cheaper as an `int`."""


def quotient(a: Ratio, b: Ratio) -> Ratio:
    """`a / b`, as an `int` where it is one."""
    found = 1 if a == b else Fraction(a) / b
    return found.numerator if found.denominator == 1 else found


@dataclass(frozen=True)
class DimClass:
    """One class: how it may be tiled, its points, and (for `whole`) why."""

    id: int
    kind: Kind
    size: int
    reason: str = ""


class Classes:
    """The dimension classes of a set of ops."""

    def __init__(
        self, classes: Sequence[DimClass], slots: dict[Key, tuple[int, int]]
    ) -> None:
        self.classes = tuple(classes)
        self._slots = slots

    def class_of(self, value: SSAValue, dim: int) -> tuple[int, int]:
        """The class of a dimension and its scale, in elements per point of the class."""
        return self._slots[value, dim]

    def dims(self, value: SSAValue) -> tuple[tuple[DimClass, int], ...]:
        """The class and scale of each dimension of a value."""
        found = (self._slots[value, dim] for dim in range(len(shape(value))))
        return tuple((self.classes[index], scale) for index, scale in found)

    def of_op(self, op: Operation) -> tuple[DimClass, ...]:
        """The classes that an op walks along, in order of first use, those of size 1 left out."""
        values = (*op.operands, *captured(op), *op.results)
        found = dict.fromkeys(c for value in values for c, _ in self.dims(value))
        return tuple(c for c in found if c.size > 1)

    def tile_shape(self, value: SSAValue, tile: dict[int, int]) -> tuple[int, ...]:
        """The token shape of a value when class `id` has tiles of `tile[id]` points (all, if absent)."""
        return tuple(
            scale * min(tile.get(c.id, c.size), c.size) for c, scale in self.dims(value)
        )


def analyse(kernel_ops: Iterable[Operation], in_turn: bool = True) -> Classes:
    """
    The dimension classes of the ops of one kernel (or of ops that may become one).

    Ops that run `in_turn` see a reduced value after the whole loop; nodes that run side by side
    may go through the loop again, so that a class which is used again is not whole for that.
    """
    ops = list(kernel_ops)
    loops = {op: loops_of(op) for op in ops}
    sets = _WeightedSets()
    for loop in (loop for found in loops.values() for loop in found):
        for slot in loop.slots:
            first = loop.slots[0]
            sets.join((first.value, first.dim), first.step)
            sets.join((slot.value, slot.dim), slot.step, (first.value, first.dim))
    whole = _whole_roots(loops, sets)
    if in_turn:
        whole = _reused_roots(loops, sets) | whole
    reduced = {
        sets.root(loop)
        for found in loops.values()
        for loop in found
        if loop.kind == "reduction" and loop.slots
    }
    return _number(sets, whole, reduced)


class _WeightedSets:
    """Union-find over slots with the ratio between the elements of a slot and those of its root."""

    def __init__(self) -> None:
        self._parent: dict[Key, tuple[Key, Ratio]] = {}
        self._step: dict[Key, int] = {}
        self.clashes: set[Key] = set()

    def find(self, key: Key) -> tuple[Key, Ratio]:
        """The root of a slot and the slot's elements per element of the root."""
        parent, ratio = self._parent.setdefault(key, (key, 1))
        if parent is key or parent == key:
            return key, ratio
        root, above = self.find(parent)
        self._parent[key] = root, ratio * above
        return self._parent[key]

    def root(self, loop: Loop) -> Key:
        """The root of a loop's slots."""
        return self.find((loop.slots[0].value, loop.slots[0].dim))[0]

    def join(self, key: Key, step: int, first: Key | None = None) -> None:
        """Join a slot that moves by `step` with the loop's first slot (or begin a loop with it)."""
        if first is None:
            self.find(key)
            self._step[key] = step
            return
        (left, a), (right, b) = self.find(first), self.find(key)
        ratio = quotient(a * step, self._step[first] * b)
        if left != right:
            self._parent[right] = left, ratio
        elif ratio != 1:
            self.clashes.add(left)

    def members(self) -> dict[Key, dict[Key, Ratio]]:
        """The slots of each root with their ratios."""
        found: dict[Key, dict[Key, Ratio]] = defaultdict(dict)
        for key in list(self._parent):
            root, ratio = self.find(key)
            found[root][key] = ratio
        return found


def _whole_roots(
    loops: dict[Operation, list[Loop]], sets: _WeightedSets
) -> dict[Key, str]:
    """Roots that cannot be cut, with the reason."""
    whole = {sets.find(key)[0]: "reshaped in two ways" for key in sets.clashes}
    for op, found in loops.items():
        seen: set[Key] = set()
        for loop in (loop for loop in found if loop.slots):
            root = sets.root(loop)
            if loop.kind == "whole":
                whole.setdefault(root, f"`{op.name}` needs all of it")
            if root in seen and _extent(loop) > 1:
                whole.setdefault(root, f"`{op.name}` walks along it twice")
            seen.add(root)
    return whole


def _reused_roots(
    loops: dict[Operation, list[Loop]], sets: _WeightedSets
) -> dict[Key, str]:
    """Roots that an op reduces and that are used again behind it, with the reason."""
    whole: dict[Key, str] = {}
    for op, found in loops.items():
        again = {
            sets.root(o)
            for user in dependents(op, loops)
            for o in loops[user]
            if o.slots
        }
        for loop in found:
            if loop.kind == "reduction" and loop.slots and sets.root(loop) in again:
                whole.setdefault(sets.root(loop), f"used again after `{op.name}`")
    return whole


def _extent(loop: Loop) -> int:
    return shape(loop.slots[0].value)[loop.slots[0].dim]


def dependents(op: Operation, within: Iterable[Operation]) -> set[Operation]:
    """The ops of `within` that depend on a result of `op`."""
    ops, found, work = set(within), set[Operation](), [op]
    while work:
        users = (use.operation for result in work.pop().results for use in result.uses)
        for user in users:
            top = user
            while top not in ops and (parent := top.parent_op()) is not None:
                top = parent
            if top in ops and top not in found:
                found.add(top)
                work.append(top)
    return found


def _number(sets: _WeightedSets, whole: dict[Key, str], reduced: set[Key]) -> Classes:
    """Number the classes and scale their ratios to whole numbers without a common factor."""
    classes: list[DimClass] = []
    slots: dict[Key, tuple[int, int]] = {}
    for index, (root, members) in enumerate(sets.members().items()):
        extents = {key: shape(key[0])[key[1]] for key in members}
        common = lcm(*(ratio.denominator for ratio in members.values()))
        scales = {key: int(ratio * common) for key, ratio in members.items()}
        divisor = gcd(*scales.values())
        scales = {key: scale // divisor for key, scale in scales.items()}
        sizes = {quotient(extents[key], scale) for key, scale in scales.items()}
        size = next(iter(sizes))
        reason = whole.get(root, "")
        if len(sizes) > 1 or size.denominator > 1:
            reason = reason or "extents do not match"
        if reason:
            classes.append(DimClass(index, "whole", 1, reason))
            slots |= {key: (index, extent) for key, extent in extents.items()}
            continue
        kind: Kind = "reduction" if root in reduced else "parallel"
        classes.append(DimClass(index, kind, int(size)))
        slots |= {key: (index, scale) for key, scale in scales.items()}
    return Classes(classes, slots)
