"""The values of a program's nodes at a place of the code, each computed once and as far out as it can be."""

from collections.abc import Callable
from enum import IntEnum

from xdsl.dialects.builtin import VectorType, f32
from xdsl.ir import Attribute, SSAValue

from dfc.passes.native.attributes import as_vector
from dfc.passes.native.code import Code
from dfc.passes.native.result import BLOCK, kind_like
from dfc.passes.rows.graph import Apply, Constant, Node
from dfc.passes.rows.lanes import computed
from dfc.passes.rows.ops import working

VECTOR = VectorType(f32, [BLOCK])
"""Columns at once; also the shape of vectors of other kinds."""


class Level(IntEnum):
    """How far in a place of the code is."""

    EVERYWHERE = 0
    TOKEN = 1
    COLUMN = 2


def level(node: Node) -> Level:
    """Where a node's values are computed."""
    if node.by_column:
        return Level.COLUMN
    return Level.TOKEN if node.by_token else Level.EVERYWHERE


class Values:
    """
    Values at one place; `held` gives those that are in memory or known already.

    In a loop over columns they are vectors or scalars, as `like` is.
    """

    def __init__(
        self,
        code: Code,
        here: Level,
        held: Callable[[Node], SSAValue | None],
        outer: "Values | None" = None,
        like: Attribute = f32,
    ) -> None:
        self.code, self.level, self.held = code, here, held
        self.outer, self.like = outer, like
        self.known: dict[Node, SSAValue] = {}
        self.spreads: dict[Node, SSAValue] = {}

    def get(self, node: Node) -> SSAValue:
        """A node's value."""
        if isinstance(node, Constant):
            return self.code.constant(node.value, self.type(node))
        if self.outer is not None and level(node) < self.level:
            vector = as_vector(self.like) is not None
            return self.outer.spread(node) if vector else self.outer.get(node)
        if node not in self.known:
            self.known[node] = self.make(node)
        return self.known[node]

    def make(self, node: Node) -> SSAValue:
        """A value read or computed."""
        found = self.held(node)
        if found is not None:
            return found
        assert isinstance(node, Apply)
        return computed(self.code, node, [self.get(each) for each in node.inputs])

    def spread(self, node: Node) -> SSAValue:
        """A value in every lane."""
        if self.outer is not None and level(node) < self.level:
            return self.outer.spread(node)
        if node not in self.spreads:
            lanes = as_vector(kind_like(VECTOR, working(node.kind)))
            assert lanes is not None
            self.spreads[node] = self.code.splat(self.get(node), lanes)
        return self.spreads[node]

    def type(self, node: Node) -> Attribute:
        """The type of a node's value here."""
        return kind_like(self.like, working(node.kind))
