"""Which control values of a function its time depends on: trip counts, conditions, and what costs ask for."""

from collections.abc import Iterator, Mapping

from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from dfc.dialects import accel
from dfc.dialects.stream import GraphOp
from dfc.runtime.machine.work import is_free
from dfc.runtime.simulator.control import is_control

Functions = Mapping[str, func.FuncOp]


class Needs:
    """The control values that matter, per function; a called function's come before its caller's."""

    def __init__(self, functions: Functions) -> None:
        self.functions = functions
        self._of: dict[str, frozenset[SSAValue]] = {}

    def of(self, name: str) -> frozenset[SSAValue]:
        """Every control value in a function that its time depends on."""
        if name not in self._of:
            body = self.functions[name].body.block
            self._of[name] = frozenset(self._spread(list(self._sinks(body))))
        return self._of[name]

    def arguments(self, name: str) -> tuple[int, ...]:
        """The arguments of a function that its time depends on."""
        needed = self.of(name)
        body = self.functions[name].body.block
        return tuple(arg.index for arg in body.args if arg in needed)

    def _sinks(self, block: Block) -> Iterator[SSAValue]:
        """Values whose use decides a time."""
        for op in block.walk():
            if isinstance(op, scf.ForOp):
                yield from (op.lb, op.ub, op.step)
            elif isinstance(op, scf.IfOp) and not reads_data(op.cond):
                yield op.cond
            elif isinstance(op, func.CallOp):
                for index in self.arguments(op.callee.root_reference.data):
                    yield op.arguments[index]
            elif isinstance(op, accel.LaunchOp):
                yield from (value for _, value in launch_needs(op))

    def _spread(self, todo: list[SSAValue]) -> set[SSAValue]:
        """The values that these are computed from, too."""
        found: set[SSAValue] = set()
        while todo:
            value = todo.pop()
            if value not in found:
                found.add(value)
                todo.extend(_computed_from(value))
        return found


def launch_needs(op: accel.LaunchOp) -> Iterator[tuple[BlockArgument, SSAValue]]:
    """The body arguments and control operands that an op of the body takes, be it through index arithmetic."""
    operands = (*op.inputs, *op.outs)
    for argument, value in zip(op.body.block.args, operands, strict=True):
        if is_control(argument.type) and _reaches_work(argument):
            yield argument, value


def _reaches_work(value: SSAValue) -> bool:
    """Whether a control value in a body reaches an op that is not free."""
    for use in value.uses:
        op = use.operation
        if isinstance(op.parent_op(), GraphOp):
            continue  # rates are static: a node's time does not depend on what it computes
        if op.name.startswith("arith.") and is_free(op):
            if any(is_control(r.type) and _reaches_work(r) for r in op.results):
                return True
        elif not is_free(op) and isinstance(value.type, IndexType):
            return True
    return False


def reads_data(value: SSAValue) -> bool:
    """Whether a control value is computed from what a kernel wrote, so that time cannot know it."""
    todo, found = [value], set[SSAValue]()
    while todo:
        value = todo.pop()
        if isinstance(value.owner, memref.LoadOp):
            return True
        if value not in found:
            found.add(value)
            todo.extend(_computed_from(value))
    return False


def _computed_from(value: SSAValue) -> Iterator[SSAValue]:
    """What a control value is computed from, through loops and branches."""
    owner = value.owner
    if isinstance(owner, Operation):
        index = next(i for i, made in enumerate(owner.results) if made is value)
        if isinstance(owner, scf.ForOp):
            yield owner.iter_args[index]
            yield _yielded(owner.body.block, index)
        elif isinstance(owner, scf.IfOp):
            for region in (owner.true_region, owner.false_region):
                yield _yielded(region.block, index)
        else:
            yield from (v for v in owner.operands if is_control(v.type))
        return
    loop = owner.parent_op()
    if isinstance(loop, scf.ForOp) and isinstance(value, BlockArgument) and value.index:
        yield loop.iter_args[value.index - 1]
        yield _yielded(owner, value.index - 1)


def _yielded(block: Block, index: int) -> SSAValue:
    last = block.last_op
    assert last is not None
    return last.operands[index]
