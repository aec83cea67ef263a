"""Put a group of ops into an `accel.kernel`, and a function's ops into an order that allows it."""

from xdsl.dialects.builtin import StringAttr
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from dfc.dialects import accel
from dfc.passes.analysis.block_order import sort_ops
from dfc.passes.analysis.equal_ops import is_pure
from dfc.passes.analysis.origins import set_origins, value_name
from dfc.passes.analysis.tensor_forms import generic
from dfc.passes.analysis.unit_choice import Choice
from dfc.passes.kernels.fusion_graph import FusionGraph, Group
from dfc.passes.kernels.legality import in_front
from dfc.passes.kernels.names import group_origins

UNIT = "accel.unit"

PRINTED = ("linalg.generic", "linalg.fill")
"""Structured ops whose text holds all they are: a transpose's has no attributes, a product's no dtypes."""


class KernelBuilder:
    """Builds the kernel of one group: its body, and what goes in and out."""

    def __init__(self, graph: FusionGraph, group: Group, choice: Choice) -> None:
        self.graph = graph
        self.group = group
        self.choice = choice
        self.block = Block()
        self.values: dict[SSAValue, SSAValue] = {}
        self.inputs: list[SSAValue] = []

    def build(self, name: str) -> accel.KernelOp:
        """The kernel op, not yet in the function; its results stand for `group_outputs`."""
        anchor = self.graph.anchor_of(self.group)
        for op in sorted(self.group, key=lambda op: op is not anchor):
            self._copy(op, self.choice[op])
        outputs = self.graph.group_outputs(self.group)
        self.block.add_op(accel.YieldOp(*(self.values[value] for value in outputs)))
        kernel = accel.KernelOp(
            name,
            self.inputs,
            Region(self.block),
            [value.type for value in outputs],
            operand_values=[value_name(value) for value in self.inputs],
            result_values=[value_name(value) for value in outputs],
        )
        for value, result in zip(outputs, kernel.outputs, strict=True):
            result.name_hint = value.name_hint
        set_origins(kernel, group_origins(self.group))
        return kernel

    def _copy(self, op: Operation, unit: str) -> None:
        """Copy an op into the body, what it needs first."""
        for value in self.graph.inputs[op]:
            self._bring(value, unit)
        copy = op.clone(value_mapper=self.values)
        if isinstance(copy, LinalgStructuredOperation) and copy.name not in PRINTED:
            copy = self._generic(op, copy)
        copy.attributes[UNIT] = StringAttr(unit)
        self.block.add_op(copy)

    def _generic(self, op: Operation, copy: LinalgStructuredOperation) -> Operation:
        """The copy of `op` in its general form."""
        made = generic(copy)
        self.values[op.results[0]] = made.results[0]
        made.results[0].name_hint = op.results[0].name_hint
        copy.erase()
        return made

    def _bring(self, value: SSAValue, unit: str) -> None:
        """Make a value known in the body: computed there, or an argument."""
        if value in self.values:
            return
        owner = value.owner
        if isinstance(owner, Operation) and in_front(owner, self.graph, self.group):
            self._copy(owner, unit)
            return
        argument = self.block.insert_arg(value.type, len(self.block.args))
        argument.name_hint = value.name_hint
        self.values[value] = argument
        self.inputs.append(value)


def replace_groups(
    block: Block, graph: FusionGraph, kernels: dict[Group, accel.KernelOp]
) -> None:
    """Put kernels into a function's block in the place of the ops they hold."""
    last = block.last_op
    assert last is not None
    for kernel in kernels.values():
        Rewriter.insert_op(kernel, InsertPoint.before(last))
    outputs = {group: graph.group_outputs(group) for group in kernels}
    for group, kernel in kernels.items():
        for value, result in zip(outputs[group], kernel.outputs, strict=True):
            value.replace_all_uses_with(result)
    for op in reversed(graph.ops):
        gone = op in graph.order and (is_pure(op) or op in graph.work)
        if gone and not any(result.uses for result in op.results):
            Rewriter.erase_op(op)
    places = {kernel: graph.order[group[-1]] for group, kernel in kernels.items()}
    sort_ops(block, graph.order | places)
