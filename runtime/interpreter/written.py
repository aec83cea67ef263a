"""Which arguments of a function it writes to."""

from xdsl.dialects import func, memref
from xdsl.ir import BlockArgument, Operation, SSAValue

from dfc.dialects import accel, socket, tier

VIEWS = (
    memref.SubviewOp,
    memref.ExpandShapeOp,
    memref.CollapseShapeOp,
    memref.CastOp,
    memref.ReinterpretCastOp,
)


def root(value: SSAValue) -> SSAValue:
    """What a memref is a view of."""
    while isinstance(value.owner, VIEWS):
        value = value.owner.operands[0]
    return value


def targets(op: Operation) -> tuple[SSAValue, ...]:
    """The memrefs an op writes to."""
    if isinstance(op, accel.LaunchOp):
        return tuple(op.outs)
    moves = isinstance(op, tier.CopyOp | socket.ExchangeOp)
    return (op.target,) if moves else ()


def written_arguments(function: func.FuncOp) -> frozenset[int]:
    """Indices of the arguments that launches, copies and collectives in a function write to."""
    roots = [root(value) for op in function.walk() for value in targets(op)]
    return frozenset(
        value.index
        for value in roots
        if isinstance(value, BlockArgument) and value.block is function.body.block
    )
