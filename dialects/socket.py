"""
The `socket` dialect: values and buffers that the sockets of a node hand each other.

All sockets run one program. What xDSL's `shard` dialect has comes from there (`shard.grid`,
`shard.all_reduce`); this dialect adds what it lacks, in its form, and what a collective is once
its values are buffers.
"""

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import (
    FlatSymbolRefAttr,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    StringAttr,
    SymbolRefAttr,
    TensorType,
    i64,
)
from xdsl.dialects.shard import AllReduceOp, GridOp
from xdsl.ir import Attribute, Dialect, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.accel import EventType
from dfc.dialects.utils import (
    Canonicalized,
    element,
    expect,
    expect_buffers,
    expect_element,
    expect_shape,
    expect_static,
    expect_type,
    shape,
)

DIM = "socket.dim"
"""The attribute of an entry's arguments and results that are each socket's part, along that dimension."""

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "send")
"""What `socket.exchange` does."""


def _expect_parts(whole: SSAValue, part: SSAValue, dim: int, names: str) -> None:
    """Check that a whole value is two or more equal parts along a dimension."""
    sizes, rank = shape(part), len(shape(part))
    expect(0 <= dim < rank, f"`dim` of 0 to {rank - 1}", dim)
    got = shape(whole)
    length = got[dim] if len(got) == rank else 0
    parts = length // sizes[dim] if sizes[dim] else 0
    expect(
        length == parts * sizes[dim] and parts > 1,
        f"{names} with two or more times the {sizes[dim]} elements along `dim`",
        length,
    )
    expect_shape(names.strip("`"), whole, (*sizes[:dim], length, *sizes[dim + 1 :]))
    expect_element(names.strip("`"), whole, element(part))


def _expect_route(source: int, goal: int) -> None:
    """Check the ends of a message."""
    expect(source >= 0 and goal >= 0, "sockets of at least 0", f"{source} and {goal}")
    expect(source != goal, "two sockets", f"{source} twice")


@irdl_op_definition
class AllGatherOp(IRDLOperation):
    """
    Every socket's part, one behind the other along a dimension, on every socket.

        %y = socket.all_gather %x on @sockets dim 1 : tensor<2x64xf32> -> tensor<2x512xf32>
    """

    name = "socket.all_gather"

    x = operand_def(TensorType.constr())
    grid = prop_def(FlatSymbolRefAttr)
    dim = prop_def(IntegerAttr.constr(i64))
    y = result_def(TensorType.constr())

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())
    assembly_format = "$x `on` $grid `dim` $dim attr-dict `:` type($x) `->` type($y)"

    def __init__(self, x: SSAValue, grid: str, dim: int, result: Attribute) -> None:
        properties = {"grid": SymbolRefAttr(grid), "dim": IntegerAttr(dim, i64)}
        super().__init__(operands=[x], properties=properties, result_types=[result])

    def verify_(self) -> None:
        _expect_parts(self.y, self.x, self.dim.value.data, "`y`")


@irdl_op_definition
class ReduceScatterOp(IRDLOperation):
    """
    The sum over all sockets; each keeps its part of it along a dimension.

        %z = socket.reduce_scatter %w on @sockets dim 1 : tensor<2x512xf32> -> tensor<2x64xf32>
    """

    name = "socket.reduce_scatter"

    x = operand_def(TensorType.constr())
    grid = prop_def(FlatSymbolRefAttr)
    dim = prop_def(IntegerAttr.constr(i64))
    y = result_def(TensorType.constr())

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())
    assembly_format = "$x `on` $grid `dim` $dim attr-dict `:` type($x) `->` type($y)"

    def verify_(self) -> None:
        _expect_parts(self.x, self.y, self.dim.value.data, "`x`")


@irdl_op_definition
class SendOp(IRDLOperation):
    """
    The value of one socket on another; the others keep their own.

        %s = socket.send %x on @sockets from 0 to 3 : tensor<2x64xf32> -> tensor<2x64xf32>
    """

    name = "socket.send"

    x = operand_def(TensorType.constr())
    grid = prop_def(FlatSymbolRefAttr)
    source = prop_def(IntegerAttr.constr(i64))
    goal = prop_def(IntegerAttr.constr(i64))
    y = result_def(TensorType.constr())

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())
    assembly_format = (
        "$x `on` $grid `from` $source `to` $goal attr-dict `:` type($x) `->` type($y)"
    )

    def verify_(self) -> None:
        _expect_route(self.source.value.data, self.goal.value.data)
        expect_type("y", self.y, self.x.type)


@irdl_op_definition
class ExchangeOp(IRDLOperation):
    """
    A collective from buffer to buffer, once the events in `after` have happened.

        %done = socket.exchange "all-reduce" %x to %y after(%old) : memref<2x64xf32, "hbm"> to memref<2x64xf32, "hbm">
    """

    name = "socket.exchange"

    kind = prop_def(StringAttr)
    source = operand_def(MemRefType.constr())
    target = operand_def(MemRefType.constr())
    dim = opt_prop_def(IntegerAttr.constr(i64))
    sender = opt_prop_def(IntegerAttr.constr(i64))
    receiver = opt_prop_def(IntegerAttr.constr(i64))
    after = var_operand_def(EventType)
    event = result_def(EventType)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Canonicalized())
    assembly_format = (
        "$kind $source `to` $target (`dim` $dim^)? (`sender` $sender^)?"
        " (`receiver` $receiver^)? (`after` `(` $after^ `)`)? attr-dict"
        " `:` type($source) `to` type($target)"
    )

    def __init__(
        self,
        kind: str,
        source: SSAValue,
        target: SSAValue,
        *,
        dim: IntegerAttr | None = None,
        sender: IntegerAttr | None = None,
        receiver: IntegerAttr | None = None,
        after: Sequence[SSAValue] = (),
    ) -> None:
        super().__init__(
            operands=[source, target, after],
            properties={
                "kind": StringAttr(kind),
                "dim": dim,
                "sender": sender,
                "receiver": receiver,
            },
            result_types=[EventType()],
        )

    def verify_(self) -> None:
        kind = self.kind.data
        expect(kind in KINDS, f"a kind of {', '.join(KINDS)}", f"`{kind}`")
        expect_buffers([self.source, self.target])
        expect_static("source", self.source)
        expect_static("target", self.target)
        split = kind in ("all-gather", "reduce-scatter")
        expect((self.dim is not None) == split, "`dim` for parts only", kind)
        ends = (self.sender, self.receiver)
        routed = [end is not None for end in ends] == [kind == "send"] * 2
        expect(routed, "`sender` and `receiver` for a send only", kind)
        self._verify_shapes()

    def _verify_shapes(self) -> None:
        if self.dim is not None:
            gather = self.kind.data == "all-gather"
            whole, part = self.target, self.source
            if not gather:
                whole, part = part, whole
            name = "`target`" if gather else "`source`"
            _expect_parts(whole, part, self.dim.value.data, name)
            return
        expect_shape("target", self.target, shape(self.source))
        expect_element("target", self.target, element(self.source))
        if self.sender is not None and self.receiver is not None:
            _expect_route(self.sender.value.data, self.receiver.value.data)

    def behind(self, after: Sequence[SSAValue]) -> "ExchangeOp":
        """The same exchange that starts after these events."""
        made = ExchangeOp(
            self.kind.data,
            self.source,
            self.target,
            dim=self.dim,
            sender=self.sender,
            receiver=self.receiver,
            after=after,
        )
        made.attributes |= self.attributes
        return made


def sockets_of(module: ModuleOp) -> int:
    """How many sockets run a module: one, or as many as its grid has."""
    grids = [op for op in module.ops if isinstance(op, GridOp)]
    if len(grids) > 1:
        raise VerifyException(f"expected one `shard.grid` at most, got {len(grids)}")
    return prod(grids[0].shape.get_values()) if grids else 1


COLLECTIVES = (AllReduceOp, AllGatherOp, ReduceScatterOp, SendOp)
"""The collectives on values; each has one operand and one result."""

Socket = Dialect("socket", [AllGatherOp, ReduceScatterOp, SendOp, ExchangeOp], [])

__all__ = [
    "COLLECTIVES",
    "DIM",
    "KINDS",
    "AllGatherOp",
    "ExchangeOp",
    "ReduceScatterOp",
    "SendOp",
    "Socket",
    "sockets_of",
]
