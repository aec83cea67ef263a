"""
The body of a launch, from the body of a `stream.map` or `stream.reduce`.

    ^bb0(%acc: tensor<8x16xi32>, %q: tensor<8x64xi8>, %w: tensor<16x64x!ternary.trit>):
      %a = ternary.matmul %q, %w acc %acc
      stream.yield %a
  becomes, with the inner trip index as one more input and the accumulator as the output's old content,
    ^bb0(%q: tensor<8x64xi8>, %w: tensor<16x64x!ternary.trit>, %k: index, %old: tensor<8x16xi32>):
      %first = arith.cmpi eq, %k, %c0 : index
      %acc = arith.select %first, %zeros, %old : tensor<8x16xi32>
      %a = ternary.matmul %q, %w acc %acc
      accel.yield %a
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from xdsl.builder import Builder
from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    IndexType,
    IntegerAttr,
    TensorType,
)
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.rewriter import InsertPoint

from dfc.dialects import accel, stream
from dfc.passes.analysis.graph_places import Node
from dfc.passes.analysis.memory_views import Index
from dfc.passes.analysis.resize import copy_ops, fit

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Body:
    """A launch's body, the trip dimensions it takes as index inputs, and the result each output writes."""

    region: Region
    trips: tuple[int, ...]
    results: tuple[int, ...]


def launch_body(
    node: Node,
    indices: Sequence[Index],
    inputs: Sequence[Shape],
    outputs: Sequence[Shape],
) -> Body:
    """
    The body of a node's launch at these trip indices.

    `inputs` are the shapes of its operand tokens, `outputs` those of its results: smaller than
    the stream's at an edge. Indices that are known become constants of the body.
    """
    return _Maker(node, indices).make(inputs, outputs)


class _Maker:
    def __init__(self, node: Node, indices: Sequence[Index]) -> None:
        self.node = node
        self.indices = indices
        self.old = node.op.body.block
        self.block = Block()
        self.builder = Builder(InsertPoint.at_end(self.block))
        self.values: dict[SSAValue, SSAValue] = {}
        self.count = len(node.op.outputs) if node.reduces else 0

    def make(self, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Body:
        streams, controls = self._arguments()
        yields = stream.body_yield(self.node.op.body)
        sizes = dict(zip(streams, inputs, strict=True))
        sizes |= dict(zip(yields.arguments, outputs, strict=True))
        sizes |= dict(zip(self.old.args[: self.count], outputs, strict=False))
        for argument in streams:
            self.values[argument] = self._argument(argument.type, sizes[argument])
        for control in controls:
            self.values[control] = self._argument(control.type, ())
        trips = self._trip_values()
        results = self._outputs(outputs)
        copy_ops(
            [
                op
                for op in self.old.ops
                if not isinstance(op, stream.IndexOp | stream.YieldOp)
            ],
            self.values,
            fit(self.old, sizes),
            self.builder,
        )
        made = [self.values[yields.arguments[result]] for result in results]
        self.builder.insert(accel.YieldOp(*made))
        return Body(Region(self.block), trips, results)

    def _arguments(self) -> tuple[Sequence[SSAValue], Sequence[SSAValue]]:
        """The body's token arguments and its control arguments."""
        args = self.old.args[self.count :]
        streams = len(self.node.op.streams)
        return args[:streams], args[streams:]

    def _argument(self, kind: Attribute, shape: Shape) -> SSAValue:
        if isinstance(kind, TensorType):
            kind = TensorType(cast("TensorType[Attribute]", kind).element_type, shape)
        return self.block.insert_arg(kind, len(self.block.args))

    def _trip_values(self) -> tuple[int, ...]:
        """Values for the trip indices the body uses: inputs, or constants where they are known."""
        used = {
            op.dim.value.data
            for op in self.old.walk()
            if isinstance(op, stream.IndexOp)
        }
        if self.node.reduces:
            used |= set(range(self._outer(), self.node.depth))
        inputs: list[int] = []
        self.trip: dict[int, SSAValue | int] = {}
        for dim in sorted(used):
            index = self.indices[dim]
            if not isinstance(index, int):
                inputs.append(dim)
                index = self._argument(IndexType(), ())
            self.trip[dim] = index
        for op in self.old.ops:
            if isinstance(op, stream.IndexOp):
                self.values[op.index] = self._index(self.trip[op.dim.value.data])
        return tuple(inputs)

    def _outer(self) -> int:
        """How many loops stand around one accumulated result."""
        return len(stream.stream_type(self.node.op.outputs[0]).counts)

    def _index(self, index: Index) -> SSAValue:
        if not isinstance(index, int):
            return index
        made = arith.ConstantOp(IntegerAttr(index, IndexType()))
        return self.builder.insert(made).result

    def _outputs(self, shapes: Sequence[Shape]) -> tuple[int, ...]:
        """One argument per place a result goes to; accumulators are the first of each result's."""
        results: list[int] = []
        for index, places in enumerate(self.node.outputs):
            for nth, _ in enumerate(places):
                kind = self.node.op.outputs[index].type
                assert isinstance(kind, stream.StreamType)
                old = self._argument(kind.token, shapes[index])
                if nth == 0 and self.node.reduces:
                    self.values[self.old.args[index]] = self._accumulator(index, old)
                results.append(index)
        return tuple(results)

    def _accumulator(self, index: int, old: SSAValue) -> SSAValue:
        """The old content of an output, or its initial value in the first of the inner trips."""
        assert isinstance(self.node.op, stream.ReduceOp)
        init = self.node.op.inits.data[index]
        kind = cast("TensorType[Any]", old.type)
        data = DenseIntOrFPElementsAttr.from_list(kind, [init.value.data])
        first = self._first()
        if first is False:
            return old
        zeros = self.builder.insert(arith.ConstantOp(data)).result
        if first is True:
            return zeros
        return self.builder.insert(arith.SelectOp(first, zeros, old)).result

    def _first(self) -> SSAValue | bool:
        """Whether all inner trip indices are 0."""
        inner = [self.trip[dim] for dim in range(self._outer(), self.node.depth)]
        if any(isinstance(index, int) and index > 0 for index in inner):
            return False
        tests: list[SSAValue] = []
        for index in inner:
            if not isinstance(index, int):
                test = arith.CmpiOp(index, self._index(0), "eq")
                tests.append(self.builder.insert(test).result)
        if not tests:
            return True
        found = tests[0]
        for test in tests[1:]:
            found = self.builder.insert(arith.AndIOp(found, test)).result
        return found
