"""
Branches at function level: an `scf.if` on a flag that a kernel has set.

    %y, %flag = accel.kernel "fast" …
    %f = tensor.extract %flag[…]
    %c = arith.cmpi ne, %f, …
    %z = scf.if %c { %w = accel.kernel "slow" …; scf.yield %w } else { scf.yield %y }

What such a branch gives is in one buffer whichever way it goes: that of the value from in front of it,
which nothing else uses, and which the kernel in the branch writes again.
"""

from collections.abc import Iterator, Sequence

from xdsl.dialects import scf
from xdsl.ir import Operation, SSAValue

from dfc.dialects import accel
from dfc.passes.analysis.graph_places import fail


def timed(ops: Sequence[Operation]) -> Iterator[tuple[int, Operation]]:
    """The ops of a function with their times, those of a branch at the branch's own."""
    for time, op in enumerate(ops):
        yield time, op
        if isinstance(op, scf.IfOp):
            yield from ((time, inner) for inner in branch_kernels(op))


def branch_kernels(op: scf.IfOp) -> list[accel.KernelOp]:
    """The kernels in a branch; an error where there is something else than one that gives what the branch gives."""
    then, other = op.true_region, op.false_region
    ops = [] if then.first_block is None else list(then.block.ops)
    rest = [] if other.first_block is None else list(other.block.ops)
    kernels = [inner for inner in ops if isinstance(inner, accel.KernelOp)]
    if len(ops) != 2 or len(kernels) != 1 or len(rest) > 1:
        fail(
            op,
            "expected one kernel where the condition holds and none where it does not,"
            f" got {len(ops)} and {len(rest)} ops",
        )
    return kernels


def branch_results(op: scf.IfOp) -> Iterator[tuple[SSAValue, SSAValue, SSAValue]]:
    """For each result of a branch on tensors: what the kernel in it gives, and what was there before."""
    (kernel,) = branch_kernels(op)
    made, before = (region.block.last_op for region in op.regions)
    assert made is not None
    assert before is not None
    for result, new, old in zip(
        op.results, made.operands, before.operands, strict=True
    ):
        own = new.owner is kernel and not new.has_more_than_one_use()
        kept = isinstance(old.owner, accel.KernelOp) and not old.has_more_than_one_use()
        if not (own and kept):
            fail(
                op,
                "expected a branch that gives its kernel's results, or else those of a kernel"
                " before it, which nothing else uses, got other values",
            )
        yield result, new, old
