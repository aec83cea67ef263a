"""The `accel` dialect: kernels, launches on units, and the events that order them."""

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    ArrayAttr,
    IndexType,
    MemRefType,
    StringAttr,
    TensorType,
    i1,
)
from xdsl.dialects.utils import AbstractYieldOperation
from xdsl.ir import (
    Attribute,
    Dialect,
    ParametrizedAttribute,
    Region,
    SSAValue,
    TypeAttribute,
)
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_attr_definition,
    irdl_op_definition,
    lazy_traits_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import (
    HasParent,
    IsolatedFromAbove,
    IsTerminator,
    NoTerminator,
    Pure,
    RecursiveMemoryEffect,
)

from dfc.dialects.utils import (
    Canonicalized,
    element,
    expect,
    expect_buffers,
    expect_types,
    shape,
)


@irdl_attr_definition
class EventType(ParametrizedAttribute, TypeAttribute):
    """The completion of a copy or a launch; it exists from its issue on, and others start after it."""

    name = "accel.event"


@irdl_op_definition
class YieldOp(AbstractYieldOperation[Attribute]):
    """
    Ends the body of a kernel or a launch.

        accel.yield %r : tensor<1x64xi32>
    """

    name = "accel.yield"

    traits = lazy_traits_def(
        lambda: (IsTerminator(), Pure(), HasParent(KernelOp, LaunchOp))
    )


def body_values(region: Region) -> list[Attribute]:
    """The types a body yields; none when it has no yield."""
    last = region.block.last_op
    return [value.type for value in last.arguments] if isinstance(last, YieldOp) else []


@irdl_op_definition
class KernelOp(IRDLOperation):
    """
    What one launch of the target runs: an isolated region, over tensors until *tiled*, over memrefs at *placed*.

    Its block arguments are `inputs`, then (at *placed*) `outs`. `operand_values` and `result_values` name
    the tensor-level values that stand at its boundary.

        %y = accel.kernel "k" ins(%x : tensor<4x64xf32>) -> (tensor<4x64xf32>) {
    """

    name = "accel.kernel"

    sym = prop_def(StringAttr)
    inputs = var_operand_def()
    outs = var_operand_def(MemRefType.constr())
    operand_values = opt_prop_def(ArrayAttr[StringAttr])
    result_values = opt_prop_def(ArrayAttr[StringAttr])
    body = region_def("single_block")
    outputs = var_result_def()

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(IsolatedFromAbove(), NoTerminator(), RecursiveMemoryEffect())
    assembly_format = (
        "$sym (`ins` `(` $inputs^ `:` type($inputs) `)`)? (`outs` `(` $outs^ `:` type($outs) `)`)?"
        " (`->` `(` type($outputs)^ `)`)? $body attr-dict"
    )

    def __init__(
        self,
        name: str,
        inputs: Sequence[SSAValue],
        body: Region,
        result_types: Sequence[Attribute] = (),
        outs: Sequence[SSAValue] = (),
        operand_values: Sequence[str] | None = None,
        result_values: Sequence[str] | None = None,
    ) -> None:
        def names(values: Sequence[str] | None) -> ArrayAttr[StringAttr] | None:
            return None if values is None else ArrayAttr(map(StringAttr, values))

        super().__init__(
            operands=[inputs, outs],
            result_types=[result_types],
            regions=[body],
            properties={
                "sym": StringAttr(name),
                "operand_values": names(operand_values),
                "result_values": names(result_values),
            },
        )

    def verify_(self) -> None:
        boundary = (*self.inputs, *self.outs)
        expect_buffers(boundary)
        expect_types(
            "body arguments",
            [argument.type for argument in self.body.block.args],
            [value.type for value in boundary],
        )
        types = [result.type for result in self.outputs]
        expect(not (types and self.outs), "results or `outs`", "both")
        if self.outs:
            expect_memory(self.inputs)
        expect_types("a yield of", body_values(self.body), types)
        for name, values, count in (
            ("operand_values", self.operand_values, len(self.inputs)),
            ("result_values", self.result_values, len(types) or len(self.outs)),
        ):
            if values is not None:
                expect(len(values) == count, f"{count} names in `{name}`", len(values))


@irdl_op_definition
class LaunchOp(IRDLOperation):
    """
    Runs its body on a unit once the events in `after` have happened.

    The body's arguments are the values of `ins`, then the old contents of `outs`; a memref gives
    a tensor of its shape. What it yields is written to `outs`.

        %ran = accel.launch on "tlmm" after(%there) ins(%q, %slot : memref<1x64xi8, "bram">, memref<1024xi8, "uram">) outs(%y : memref<1x64xi32, "bram">) {
    """

    name = "accel.launch"

    unit = prop_def(StringAttr)
    after = var_operand_def(EventType)
    inputs = var_operand_def()
    outs = var_operand_def(MemRefType.constr())
    body = region_def("single_block")
    event = result_def(EventType)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(IsolatedFromAbove(), Canonicalized())
    assembly_format = (
        "`on` $unit (`after` `(` $after^ `)`)? (`ins` `(` $inputs^ `:` type($inputs) `)`)?"
        " (`outs` `(` $outs^ `:` type($outs) `)`)? $body attr-dict"
    )

    def __init__(
        self,
        unit: str,
        after: Sequence[SSAValue],
        inputs: Sequence[SSAValue],
        outs: Sequence[SSAValue],
        body: Region,
    ) -> None:
        super().__init__(
            operands=[after, inputs, outs],
            result_types=[EventType()],
            regions=[body],
            properties={"unit": StringAttr(unit)},
        )

    def verify_(self) -> None:
        values = (*self.inputs, *self.outs)
        expect_memory(self.inputs)
        expect_buffers(values)
        expect_types(
            "body arguments",
            [argument.type for argument in self.body.block.args],
            [value_type(value) for value in values],
        )
        made = body_values(self.body)
        expect_types("a yield of", made, [value_type(value) for value in self.outs])


def expect_memory(inputs: Sequence[SSAValue]) -> None:
    """Check that inputs come from memory or are control values: no tensor passes by the side."""
    for value in inputs:
        kind: Attribute = value.type
        memory = isinstance(value.type, MemRefType)
        good = memory or kind in (IndexType(), i1)
        expect(good, "an input that is a memref, an index or an i1", kind)


def value_type(value: SSAValue) -> Attribute:
    """The type a body sees of an operand: a tensor for a memref, itself otherwise."""
    if not isinstance(value.type, MemRefType):
        return value.type
    return TensorType(element(value), list(shape(value)))


@irdl_op_definition
class WaitOp(IRDLOperation):
    """
    Stops the issuing function until the events have happened; the only op that does.

        accel.wait %ran, %there
    """

    name = "accel.wait"

    events = var_operand_def(EventType)

    traits = traits_def(Canonicalized())
    assembly_format = "$events attr-dict"

    def __init__(self, events: Sequence[SSAValue]) -> None:
        super().__init__(operands=[events])

    def verify_(self) -> None:
        expect(len(self.events) > 0, "an event to wait for", "none")


@irdl_op_definition
class StartOp(IRDLOperation):
    """
    An event that has happened: what the first round of a loop starts after.

        %start = accel.start
    """

    name = "accel.start"

    event = result_def(EventType)

    traits = traits_def(Pure())
    assembly_format = "attr-dict"

    def __init__(self) -> None:
        super().__init__(result_types=[EventType()])


@irdl_op_definition
class ConfigureOp(IRDLOperation):
    """
    Reconfigures a unit; it costs the target's configure time on that unit and gives an event.

        %ready = accel.configure "tlmm" to "prefill" after(%ran)
    """

    name = "accel.configure"

    unit = prop_def(StringAttr)
    configuration = prop_def(StringAttr)
    after = var_operand_def(EventType)
    event = result_def(EventType)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Canonicalized())
    assembly_format = "$unit `to` $configuration (`after` `(` $after^ `)`)? attr-dict"

    def __init__(
        self, unit: str, configuration: str, after: Sequence[SSAValue] = ()
    ) -> None:
        super().__init__(
            operands=[after],
            result_types=[EventType()],
            properties={
                "unit": StringAttr(unit),
                "configuration": StringAttr(configuration),
            },
        )


Accel = Dialect(
    "accel",
    [KernelOp, LaunchOp, WaitOp, StartOp, ConfigureOp, YieldOp],
    [EventType],
)
