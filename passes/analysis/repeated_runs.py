"""
Find runs of ops of one function that compute the same on different operands.

A run is a list of ops in order, without the cheap ones (constants, empty tensors) that everything
makes for itself. Runs are taken from the module paths of the ops' origins (`layers.0`, `layers.1`,
…), or, in text without them, from the longest repetition of equal ops.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.func import CallOp
from xdsl.ir import Block, Operation, OpResult, SSAValue

from dfc.dialects import attention
from dfc.passes.analysis.block_order import depends_on_itself
from dfc.passes.analysis.equal_ops import is_pure, op_key, operands_of
from dfc.passes.analysis.origins import module_of, origin_of
from dfc.passes.kernels.fusion_graph import is_anchor, is_cheap

Run = tuple[Operation, ...]

KNOWN = (attention.SdpaOp, attention.KvWriteOp)


@dataclass(frozen=True)
class Repetition:
    """
    Runs that are one function.

    `arguments` holds, for each argument, the value it has in each run; `results` the ops and
    result numbers that are used outside of a run. `general` is the path of all runs, `paths`
    that of each.
    """

    runs: tuple[Run, ...]
    arguments: tuple[tuple[SSAValue, ...], ...]
    results: tuple[tuple[int, int], ...]
    general: str
    paths: tuple[str, ...]


def may_move(op: Operation) -> bool:
    """Whether an op may stand in a run."""
    return isinstance(op, KNOWN) or (is_pure(op) and not is_cheap(op))


def shape_key(op: Operation) -> Hashable:
    """What ops at the same place of two runs have in common: all but operands and origin."""
    return op_key(op, [value.type for value in operands_of(op)])


def find(block: Block, beside: Collection[Operation] = ()) -> Repetition | None:
    """
    The repetition in a function's block.

    By origin in the list of modules that holds most ops, unless it has one only: parts of a layer
    are no layers. Where that finds none, by equal ops, without those `beside` it.
    """
    ops = [op for op in block.ops if not is_cheap(op)]
    if any(isinstance(op, CallOp) for op in ops):
        return None
    lists = numbered_lists(ops)
    if lists:
        best = max(lists, key=lambda name: sum(map(len, lists[name].values())))
        if len(lists[best]) == 1:
            return None
        if (found := by_path(best, lists[best])) is not None:
            return found
    return by_equality([op for op in ops if op not in beside])


def numbered_lists(ops: Sequence[Operation]) -> dict[str, dict[str, list[Operation]]]:
    """The ops that may stand in a run by list of modules (`layers`) and number in it."""
    lists: dict[str, dict[str, list[Operation]]] = defaultdict(
        lambda: defaultdict(list)
    )
    places: dict[Operation, tuple[str, str]] = {}
    for op in ops:
        place = numbered(module_of(origin_of(op))) or _place_of_maker(op, places)
        if place is not None and may_move(op):
            places[op] = place
            lists[place[0]][place[1]].append(op)
    return lists


def by_path(name: str, numbers: Mapping[str, Sequence[Operation]]) -> Repetition | None:
    """Runs of the ops of one numbered module of a list each."""
    runs = [tuple(ops) for ops in numbers.values()]
    return repetition(runs, f"{name}.*", [f"{name}.{number}" for number in numbers])


def _place_of_maker(
    op: Operation, places: dict[Operation, tuple[str, str]]
) -> tuple[str, str] | None:
    """For an op without origin, the module of the first of its operands that is in one."""
    if origin_of(op):
        return None
    owners = (value.owner for value in operands_of(op))
    found = (places[o] for o in owners if isinstance(o, Operation) and o in places)
    return next(found, None)


def numbered(path: str) -> tuple[str, str] | None:
    """The first numbered module on a path: `model.layers.3.mlp` is number 3 of `model.layers`."""
    words = path.split(".")
    for index, word in enumerate(words):
        if word.isdigit() and index:
            return ".".join(words[:index]), word
    return None


def by_equality(ops: Sequence[Operation]) -> Repetition | None:
    """Runs of the repetition that covers most ops, each with a product or attention in it."""
    numbers: dict[Hashable, int] = {}
    word = [numbers.setdefault(key_or_itself(op), len(numbers)) for op in ops]
    candidates: list[tuple[int, int, int]] = []
    for period in range(1, len(word) // 2 + 1):
        start = 0
        for index in range(len(word) - period + 1):
            same = index < len(word) - period and word[index] == word[index + period]
            if not same:
                if index - start >= period:
                    candidates.append((index - start + period, period, start))
                start = index + 1
    candidates.sort(key=lambda c: (-(c[0] // c[1] * c[1]), c[1]))
    for length, period, start in candidates[:8]:
        for phase in range(length % period + 1):
            first = start + phase
            runs = [
                tuple(ops[first + n * period : first + (n + 1) * period])
                for n in range(length // period)
            ]
            paths = [f"layer.{n}" for n in range(len(runs))]
            if (found := repetition(runs, "layer.*", paths)) is not None:
                return found
    return None


def key_or_itself(op: Operation) -> Hashable:
    """The key of an op that may move; any other op is equal to itself only."""
    return shape_key(op) if may_move(op) else op


def repetition(
    runs: Sequence[Run], general: str, paths: Sequence[str]
) -> Repetition | None:
    """
    The repetition that runs are.

    `None` where they differ in ops or in how these are connected, and where something outside
    depends on a run and is read by it.
    """
    sizes = {len(run) for run in runs}
    if len(sizes) != 1 or sizes == {1} or not any(map(is_anchor, runs[0])):
        return None
    for ops in zip(*runs, strict=True):
        if not all(map(may_move, ops)) or len(set(map(shape_key, ops))) != 1:
            return None
    places = [{op: index for index, op in enumerate(run)} for run in runs]
    arguments: dict[tuple[SSAValue, ...], None] = {}
    for ops in zip(*runs, strict=True):
        for values in zip(*(operands_of(op) for op in ops), strict=True):
            inner = {_place(v, place) for v, place in zip(values, places, strict=True)}
            if len(inner) != 1:
                return None
            if inner == {None} and not same_cheap(values):
                arguments[values] = None
    if any(scalar_constants(values) for values in arguments):
        return None
    if any(depends_on_itself(run) for run in runs):
        return None
    results = {
        (place[op], result.index)
        for run, place in zip(runs, places, strict=True)
        for op in run
        for result in op.results
        if _leaves(result, place)
    }
    found = tuple(sorted(results))
    return Repetition(tuple(runs), tuple(arguments), found, general, tuple(paths))


def _place(value: SSAValue, places: dict[Operation, int]) -> tuple[int, int] | None:
    """Where in a run a value is made, `None` outside."""
    if not isinstance(value, OpResult) or value.op not in places:
        return None
    return places[value.op], value.index


def same_cheap(values: Sequence[SSAValue]) -> bool:
    """Whether values are made by equal cheap ops, which each run can make for itself."""
    owners = [value.owner for value in values]
    cheap = [op for op in owners if isinstance(op, Operation) and is_cheap(op)]
    return len(cheap) == len(values) and len(set(map(cheap_key, cheap))) == 1


def cheap_key(op: Operation) -> Hashable:
    """A key of a cheap op and of all the cheap ops it is made from."""
    operands: list[Hashable] = []
    for value in operands_of(op):
        owner = value.owner
        if isinstance(owner, Operation) and is_cheap(owner):
            operands.append(cheap_key(owner))
        else:
            operands.append(value)
    return op_key(op, operands)


def scalar_constants(values: Sequence[SSAValue]) -> bool:
    """Whether an argument would be a scalar that runs make for themselves but differently."""
    return any(isinstance(v.owner, Operation) and is_cheap(v.owner) for v in values)


def _leaves(value: OpResult, places: dict[Operation, int]) -> bool:
    """Whether an op outside of a run uses a value."""
    block = value.op.parent
    assert block is not None
    users = (block.find_ancestor_op_in_block(use.operation) for use in value.uses)
    return any(user not in places for user in users)
