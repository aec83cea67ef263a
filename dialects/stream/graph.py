"""The graph that streams live in, and the yield that ends a graph or a body."""

from collections.abc import Sequence

from xdsl.dialects.builtin import AffineMapAttr, IndexType, TensorType
from xdsl.dialects.utils import AbstractYieldOperation
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    lazy_traits_def,
    opt_prop_def,
    region_def,
    traits_def,
    var_operand_def,
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

from dfc.dialects.stream.timing import NodeOp, label_of
from dfc.dialects.stream.types import StreamType, divisors
from dfc.dialects.utils import expect, expect_types


def _yield_traits() -> tuple[OpTrait, ...]:
    from dfc.dialects.stream.nodes import MapOp, ReduceOp
    from dfc.dialects.stream.scans import ScanOp

    return (IsTerminator(), Pure(), HasParent(GraphOp, MapOp, ReduceOp, ScanOp))


@irdl_op_definition
class YieldOp(AbstractYieldOperation[Attribute]):
    """
    Ends a body: the tokens of one firing, or what a graph writes.

        stream.yield %y : tensor<8x64xf32>
    """

    name = "stream.yield"

    traits = lazy_traits_def(_yield_traits)


def is_source(op: Operation) -> bool:
    """Whether an op makes streams without taking any."""
    streams = [isinstance(value.type, StreamType) for value in op.operands]
    return isinstance(op, NodeOp) and not any(streams)


@irdl_op_definition
class GraphOp(IRDLOperation):
    """
    Nodes joined by streams: how one kernel runs inside. Its results are the tensors its writes make.

        %r = stream.graph -> tensor<16x64xf32> {

    At *placed* its writes go to memrefs and it has no results. Streams are linear: one use each.
    With `bound` the innermost of its trips end early: their count is the map's value for the outer
    trips and the symbols, at least 1 and at most the static count. Streams of all trips have only
    those tokens.
    """

    name = "stream.graph"

    symbols = var_operand_def(IndexType)
    bound = opt_prop_def(AffineMapAttr)
    body = region_def("single_block")
    outputs = var_result_def(TensorType.constr())

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(NoTerminator(), RecursiveMemoryEffect())
    assembly_format = (
        "(`bound` $bound^ `(` $symbols `)`)? (`->` type($outputs)^)? $body attr-dict"
    )

    def __init__(
        self,
        result_types: Sequence[Attribute],
        body: Region,
        bound: AffineMap | None = None,
        symbols: Sequence[SSAValue] = (),
    ) -> None:
        super().__init__(
            operands=[symbols],
            result_types=[result_types],
            regions=[body],
            properties={"bound": None if bound is None else AffineMapAttr(bound)},
        )

    @property
    def bounded_rank(self) -> int | None:
        """How many trips a stream has whose innermost trips the bound ends; None without a bound."""
        return None if self.bound is None else self.bound.data.num_dims + 1

    def verify_(self) -> None:
        self._verify_bound()
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
        writes = any(op.name == "stream.write" for op in block.ops)
        good = not writes or any(is_source(op) for op in block.ops)
        expect(good, "a graph with an input, as a `stream.read`", "none")
        labels = [label for op in block.ops if (label := label_of(op))]
        twice = [label for label in labels if labels.count(label) > 1]
        expect(not twice, "each label once", f'"{next(iter(twice), "")}" twice')

    def _verify_bound(self) -> None:
        bound = None if self.bound is None else self.bound.data
        wanted = 0 if bound is None else bound.num_symbols
        count = len(self.symbols)
        expect(count == wanted, f"{wanted} symbols of the bound", count)
        if bound is None:
            return
        results = len(bound.results)
        expect(results == 1, "a bound of one result", results)
        least = min(divisors(bound.results[0]), default=1)
        expect(least > 0, "a bound that divides by numbers above 0", least)
        self._verify_rows(bound.num_dims + 1)

    def _verify_rows(self, rank: int) -> None:
        """Check that all streams of so many trips have the rows that the bound ends."""
        full: set[tuple[int, ...]] = set()
        for op in self.body.block.ops:
            for value in (*op.operands, *op.results):
                if not isinstance(value.type, StreamType):
                    continue
                counts = value.type.counts
                expect(
                    len(counts) <= rank, f"at most {rank} bounded trips", len(counts)
                )
                if len(counts) == rank:
                    full.add(counts)
                    whole = op.name != "stream.convert"
                    expect(whole, "no stream.convert of bounded rows", "one")
        expect(
            len(full) <= 1, "bounded streams of equal trips", sorted(map(list, full))
        )
