"""The order of ops in a block: sorting behind what they read, and runs that can be one op."""

from collections.abc import Collection, Mapping
from heapq import heapify, heappop, heappush

from xdsl.ir import Block, Operation

from dfc.passes.kernels.fusion_graph import inputs_of


def sort_ops(block: Block, places: Mapping[Operation, int]) -> None:
    """Order a block's ops by their places, each behind the ops whose results it reads."""
    ops = list(block.ops)
    waits = {op: {v.owner for v in inputs_of(op)}.intersection(ops) for op in ops}
    users: dict[Operation, list[Operation]] = {}
    for op, owners in waits.items():
        for owner in owners:
            if isinstance(owner, Operation):
                users.setdefault(owner, []).append(op)
    counts = {op: len(owners) for op, owners in waits.items()}
    numbers = {op: index for index, op in enumerate(ops)}
    ready = [(places[op], numbers[op]) for op in ops if not counts[op]]
    heapify(ready)
    for op in ops:
        op.detach()
    while ready:
        op = ops[heappop(ready)[1]]
        block.add_op(op)
        for user in users.get(op, ()):
            counts[user] -= 1
            if not counts[user]:
                heappush(ready, (places[user], numbers[user]))


def depends_on_itself(run: Collection[Operation]) -> bool:
    """Whether an op outside of a run depends on it and is read by it, so that it cannot be one op."""
    inside = set(run)
    block = next(iter(run)).parent
    assert block is not None
    seen: set[Operation] = set()
    work = [user for op in run for user in _users(block, op) if user not in inside]
    while work:
        op = work.pop()
        if op in inside:
            return True
        if op not in seen:
            seen.add(op)
            work += _users(block, op)
    return False


def _users(block: Block, op: Operation) -> list[Operation]:
    """The ops of a block that use a result of an op, in their regions too."""
    found = (
        block.find_ancestor_op_in_block(use.operation)
        for result in op.results
        for use in result.uses
    )
    return [user for user in found if user is not None]
