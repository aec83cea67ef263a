"""The ops of a function as fusion sees them: work that goes into kernels, views, and what stays outside."""

from collections.abc import Collection, Iterator

from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.ir import Block, Operation, OpResult, SSAValue

from dfc.dialects import attention
from dfc.dialects.utils import shape
from dfc.passes.analysis.equal_ops import is_pure
from dfc.passes.analysis.op_loops import captured
from dfc.passes.analysis.tensor_forms import number
from dfc.runtime.machine.structure import contraction_of

VIEWS = (tensor.ExpandShapeOp, tensor.CollapseShapeOp, tensor.ExtractSliceOp)
"""Ops that only look at a tensor in another way; outside kernels they become views of a buffer."""

Group = tuple[Operation, ...]
"""Ops that go into one kernel, in order."""


def is_cheap(op: Operation) -> bool:
    """Whether each kernel makes the op for itself: constants, empty and filled tensors, views of them, scalars."""
    if isinstance(op, VIEWS):
        owner = op.operands[0].owner
        return isinstance(owner, Operation) and is_cheap(owner)
    if isinstance(op, arith.ConstantOp):
        value = op.value
        return not isinstance(value, DenseIntOrFPElementsAttr) or value.is_splat()
    if isinstance(op, LinalgStructuredOperation):
        return number(op.res[0]) is not None if len(op.res) == 1 else False
    scalar = not any(shape(result) for result in op.results)
    tensors = any("tensor" in str(result.type) for result in op.results)
    return isinstance(op, tensor.EmptyOp) or (is_pure(op) and scalar and not tensors)


def is_work(op: Operation) -> bool:
    """Whether an op must run in a kernel."""
    if isinstance(op, attention.SdpaOp):
        return True
    fixed = isinstance(op, VIEWS) or isinstance(op, arith.ConstantOp) or is_cheap(op)
    return is_pure(op) and not fixed


def inputs_of(op: Operation) -> list[SSAValue]:
    """The values an op reads, in its regions too, each once."""
    return list(dict.fromkeys([*op.operands, *captured(op)]))


def is_anchor(op: Operation) -> bool:
    """Whether an op begins a kernel: a matrix product or attention."""
    return isinstance(op, attention.SdpaOp) or contraction_of(op) is not None


def named_dimension(op: Operation, name: str) -> list[tuple[SSAValue, int]]:
    """Where m, n and k of a product stand in its operands and result."""
    if contraction_of(op) is None:
        return []
    result, left = op.results[0], op.operands[0]
    rank = len(shape(result))
    places = {
        "m": (result, rank - 2),
        "n": (result, rank - 1),
        "k": (left, len(shape(left)) - 1),
    }
    found = places.get(name)
    return [] if found is None or found[1] < 0 else [found]


def root_of(value: SSAValue) -> SSAValue:
    """The value that a chain of views looks at."""
    while isinstance(value.owner, VIEWS):
        value = value.owner.operands[0]
    return value


class FusionGraph:
    """Dependences between the ops of one function's block."""

    def __init__(self, block: Block) -> None:
        self.ops = list(block.ops)
        self.order = {op: index for index, op in enumerate(self.ops)}
        self.cheap = {op for op in self.ops if is_cheap(op)}
        self.work = [op for op in self.ops if is_work(op)]
        self.anchors = {op for op in self.work if is_anchor(op)}
        self.inputs = {op: inputs_of(op) for op in self.ops}
        self.users: dict[SSAValue, list[Operation]] = {}
        self._readers: dict[SSAValue, list[Operation]] = {}
        self._sources: dict[Operation, list[SSAValue]] = {}
        for op, inputs in self.inputs.items():
            for value in inputs:
                self.users.setdefault(value, []).append(op)

    def anchor_of(self, group: Group) -> Operation | None:
        """The op that begins a group's kernel, if it has one."""
        return next((op for op in group if op in self.anchors), None)

    def merged(self, *groups: Group) -> Group:
        """The ops of several groups as one, in order."""
        return tuple(
            sorted({op for group in groups for op in group}, key=self.order.__getitem__)
        )

    def sources(self, op: Operation) -> list[SSAValue]:
        """The values an op reads behind views and what kernels make for themselves."""
        if op not in self._sources:
            self._sources[op] = list(dict.fromkeys(self._find_sources(op)))
        return self._sources[op]

    def _find_sources(self, op: Operation) -> Iterator[SSAValue]:
        for value in self.inputs[op]:
            root = root_of(value)
            owner = root.owner
            if isinstance(owner, Operation) and owner in self.cheap:
                yield from self.sources(owner)
            else:
                yield root

    def readers(self, value: SSAValue) -> list[Operation]:
        """The ops that read a value, behind views and what kernels make for themselves."""
        if value not in self._readers:
            self._readers[value] = list(dict.fromkeys(self._find_readers(value)))
        return self._readers[value]

    def _find_readers(self, value: SSAValue) -> Iterator[Operation]:
        for op in self.users.get(value, ()):
            if isinstance(op, VIEWS) or op in self.cheap:
                yield from (r for result in op.results for r in self.readers(result))
            else:
                yield op

    def group_inputs(self, group: Collection[Operation]) -> list[SSAValue]:
        """The values a group reads that it does not make, behind views."""
        inside = set(group)
        found = (value for op in group for value in self.sources(op))
        return list(dict.fromkeys(v for v in found if v.owner not in inside))

    def group_outputs(self, group: Collection[Operation]) -> list[OpResult]:
        """The results of a group that others read."""
        inside = set(group)
        results = (result for op in group for result in op.results)
        return [r for r in results if any(o not in inside for o in self.readers(r))]
