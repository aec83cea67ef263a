"""The node that carries a state from firing to firing."""

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    StringAttr,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.stream.nodes import (
    NODE_TRAITS,
    body_yield,
    node_trips,
    token_types,
    verify_operands,
)
from dfc.dialects.stream.timing import NodeOp
from dfc.dialects.stream.types import StreamType, stream_type
from dfc.dialects.utils import expect, expect_types


@irdl_op_definition
class ScanOp(NodeOp):
    """
    Fires once per token with a state: the body makes the new states and one token of each result.

    The states start from `inits`, in every element, and again whenever the inner `over` trips restart.

        %t = stream.scan (%s : !stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>) inits [0.000000e+00 : f32] over 1 -> (!stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>) {
    """

    name = "stream.scan"

    streams = var_operand_def(StreamType)
    controls = var_operand_def(IndexType)
    unit = opt_prop_def(StringAttr, prop_name="unit")
    inits = prop_def(ArrayAttr[FloatAttr | IntegerAttr])
    over = prop_def(IntegerAttr.constr(i64))
    body = region_def("single_block")
    outputs = var_result_def(StreamType)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(*NODE_TRAITS)
    assembly_format = (
        "(`on` $unit^)? `(` $streams `:` type($streams) `)` (`control` `(` $controls^ `)`)?"
        " `inits` $inits `over` $over `->` `(` type($outputs) `)` $body attr-dict"
    )

    def __init__(
        self,
        streams: Sequence[SSAValue],
        controls: Sequence[SSAValue],
        inits: Sequence[Attribute],
        over: int,
        result_types: Sequence[Attribute],
        body: Region | Sequence[Block],
        unit: str | None = None,
    ) -> None:
        super().__init__(
            operands=[streams, controls],
            result_types=[result_types],
            regions=[body],
            properties={
                "inits": ArrayAttr(inits),
                "over": IntegerAttr(over, i64),
                "unit": None if unit is None else StringAttr(unit),
            },
        )

    @property
    def states(self) -> list[Attribute]:
        """The types of the states: those of the body's first arguments."""
        return [arg.type for arg in self.body.block.args[: len(self.inits)]]

    def verify_(self) -> None:
        self.verify_timing()
        trips = node_trips(self.streams)
        verify_operands(self, self.streams)
        for result in self.outputs:
            counts = stream_type(result).counts
            expect(counts == trips, f"results of trips {list(trips)}", list(counts))
        over = self.over.value.data
        expect(1 <= over <= len(trips), f"`over` from 1 to {len(trips)}", over)
        self._verify_states()
        expect_types(
            "body arguments",
            [argument.type for argument in self.body.block.args],
            [
                *self.states,
                *token_types(self.streams),
                *[IndexType()] * len(self.controls),
            ],
        )
        made = body_yield(self.body).arguments
        wanted = [*self.states, *token_types(self.outputs)]
        expect_types("a yield of", [value.type for value in made], wanted)

    def _verify_states(self) -> None:
        count = len(self.states)
        expect(count == len(self.inits), f"{len(self.inits)} states", count)
        for init, state in zip(self.inits, self.states, strict=True):
            if not isinstance(state, TensorType):
                raise VerifyException(f"expected states that are tensors, got {state}")
            kind = cast("TensorType[Attribute]", state).element_type
            if init.type != kind:
                raise VerifyException(
                    f"expected an initial value of {kind}, got {init.type}"
                )
