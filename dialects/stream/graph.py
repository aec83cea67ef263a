"""The graph that streams live in, and the yield that ends a graph or a body."""

from collections.abc import Sequence

from xdsl.dialects.builtin import TensorType
from xdsl.dialects.utils import AbstractYieldOperation
from xdsl.ir import Attribute, Region
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    lazy_traits_def,
    region_def,
    traits_def,
    var_result_def,
)
from xdsl.traits import (
    HasParent,
    IsTerminator,
    NoTerminator,
    OpTrait,
    Pure,
    RecursiveMemoryEffect,
)
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.stream.types import StreamType
from dfc.dialects.utils import expect, expect_types


def _yield_traits() -> tuple[OpTrait, ...]:
    from dfc.dialects.stream.nodes import MapOp, ReduceOp

    return (IsTerminator(), Pure(), HasParent(GraphOp, MapOp, ReduceOp))


@irdl_op_definition
class YieldOp(AbstractYieldOperation[Attribute]):
    """
    Ends a body: the tokens of one firing, or what a graph writes.

        stream.yield %y : tensor<8x64xf32>
    """

    name = "stream.yield"

    traits = lazy_traits_def(_yield_traits)


@irdl_op_definition
class GraphOp(IRDLOperation):
    """
    Nodes joined by streams: how one kernel runs inside. Its results are the tensors its writes make.

        %r = stream.graph -> tensor<16x64xf32> {

    At *placed* its writes go to memrefs and it has no results. Streams are linear: one use each.
    """

    name = "stream.graph"

    body = region_def("single_block")
    outputs = var_result_def(TensorType.constr())

    traits = traits_def(NoTerminator(), RecursiveMemoryEffect())
    assembly_format = "(`->` type($outputs)^)? $body attr-dict"

    def __init__(self, result_types: Sequence[Attribute], body: Region) -> None:
        super().__init__(result_types=[result_types], regions=[body])

    def verify_(self) -> None:
        block = self.body.block
        expect(not block.args, "a graph without block arguments", len(block.args))
        made = block.last_op.operands if isinstance(block.last_op, YieldOp) else ()
        expect_types(
            "a yield of",
            [value.type for value in made],
            [result.type for result in self.outputs],
        )
        for op in block.ops:
            for result in op.results:
                if (
                    isinstance(result.type, StreamType)
                    and result.has_more_than_one_use()
                ):
                    raise VerifyException(
                        f"expected one use of each stream of `{op.name}`, got {result.uses.get_length()}"
                    )
