"""Makes the nodes of an attention graph, where an `ImplicitBuilder` puts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, StringAttr
from xdsl.ir import Attribute, Operation, SSAValue

from dfc.dialects import stream
from dfc.dialects.stream import StreamType, stream_type
from dfc.passes.analysis.origins import copy_origin
from dfc.passes.attention.graph_nest import repeated
from dfc.passes.attention.graph_ops import Make, Values, region

Node = TypeVar("Node", bound=Operation)
SHARE = "accel.tiles"
"""How many tiles of a fabric a node may take: an attribute of the op, handed on to its nodes."""


def inputs_of(streams: Sequence[SSAValue], controls: Values) -> list[Attribute]:
    """The types of a body's arguments behind its states."""
    kinds = [stream_type(value).token for value in streams]
    return [*kinds, *(value.type for value in controls)]


@dataclass
class NodeMaker:
    """Makes nodes that stand for `op`: they have its origin, its unit and its share of it."""

    op: Operation
    unit: str | None = field(init=False)

    def __post_init__(self) -> None:
        unit = self.op.attributes.get("accel.unit")
        self.unit = unit.data if isinstance(unit, StringAttr) else None

    def named(self, node: Node, label: str = "") -> Node:
        """A node under a name."""
        if label:
            node.properties["label"] = StringAttr(label)
        copy_origin(self.op, node)
        return node

    def map(
        self,
        label: str,
        streams: Sequence[SSAValue],
        result: StreamType,
        make: Make,
        controls: Values = (),
    ) -> SSAValue:
        """A node that makes one token of its operands' tokens."""
        body = region(inputs_of(streams, controls), make)
        made = stream.MapOp(streams, controls, [result], body, self.unit)
        return self._working(made, label).outputs[0]

    def reduce(
        self,
        label: str,
        streams: Sequence[SSAValue],
        init: FloatAttr | IntegerAttr,
        result: StreamType,
        make: Make,
        controls: Values = (),
    ) -> SSAValue:
        """A node that folds the inner trips, those its result does not have."""
        body = region([result.token, *inputs_of(streams, controls)], make)
        made = stream.ReduceOp(streams, controls, [init], [result], body, self.unit)
        return self._working(made, label).outputs[0]

    def scan(
        self,
        label: str,
        streams: Sequence[SSAValue],
        init: FloatAttr,
        state: Attribute,
        results: Sequence[StreamType],
        make: Make,
    ) -> Sequence[SSAValue]:
        """A node with a state that starts anew with each block."""
        body = region([state, *inputs_of(streams, ())], make)
        made = stream.ScanOp(streams, [], [init], 1, results, body, self.unit)
        return self._working(made, label).outputs

    def fork(self, tokens: SSAValue, copies: int = 2) -> Sequence[SSAValue]:
        """A stream several times."""
        return self.named(stream.ForkOp(tokens, copies)).copies

    def repeat(self, tokens: SSAValue, count: int) -> SSAValue:
        """A stream whose tokens are each given `count` times."""
        kind = repeated(stream_type(tokens), count)
        return self.named(stream.RepeatOp(tokens, kind)).out

    def _working(self, node: Node, label: str) -> Node:
        if SHARE in self.op.attributes:
            node.attributes[SHARE] = self.op.attributes[SHARE]
        return self.named(node, label)
