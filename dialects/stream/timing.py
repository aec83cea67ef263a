"""What every node of a graph may carry: its latency and interval in cycles, and its name."""

from abc import ABC
from collections.abc import Mapping
from itertools import count

from xdsl.dialects.builtin import IntegerAttr, StringAttr, i64
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import IRDLOperation, opt_prop_def

from dfc.dialects.utils import expect


class NodeOp(IRDLOperation, ABC):
    """An op that is a node of a graph: `latency` and `interval` in cycles (absent: 1), and a `label`."""

    latency = opt_prop_def(IntegerAttr.constr(i64))
    interval = opt_prop_def(IntegerAttr.constr(i64))
    label = opt_prop_def(StringAttr)

    @property
    def latency_cycles(self) -> int:
        """Cycles from a firing until its tokens are visible."""
        return 1 if self.latency is None else self.latency.value.data

    @property
    def interval_cycles(self) -> int:
        """Cycles from a firing to the next."""
        return 1 if self.interval is None else self.interval.value.data

    def verify_timing(self) -> None:
        """Check that time does not run backwards, and that the node fires at most once a cycle."""
        latency, interval = self.latency_cycles, self.interval_cycles
        expect(latency >= 0, "`latency` of at least 0 cycles", latency)
        expect(interval >= 1, "`interval` of at least 1 cycle", interval)


def label_of(op: Operation) -> str:
    """An op's `label`, "" where it has none."""
    label = op.properties.get("label")
    return label.data if isinstance(label, StringAttr) else ""


def node_names(graph: Operation) -> Mapping[Operation, str]:
    """
    The name of each op of a graph: its label, else its mnemonic with the least number that is free.

    Names are unique in the graph, and stay as long as its text does.
    """
    (block,) = graph.regions[0].blocks
    taken = {label_of(op) for op in block.ops}
    numbers: dict[str, count[int]] = {}
    names: dict[Operation, str] = {}
    for op in block.ops:
        kind = op.name.rpartition(".")[2]
        free = numbers.setdefault(kind, count())
        made = (f"{kind}_{n}" for n in free)
        names[op] = label_of(op) or next(name for name in made if name not in taken)
    return names


def node_name(op: Operation) -> str:
    """The name of one op of a graph: its label, or one that is unique in the graph, as `map_3`."""
    graph = op.parent_op()
    return label_of(op) or ("" if graph is None else node_names(graph)[op])


def edge_name(tokens: SSAValue, reader: Operation) -> str:
    """The name of the edge to a node: the label of its FIFO, else `producer->consumer`."""
    maker = tokens.owner
    while isinstance(maker, Operation) and maker.name == "stream.fifo":
        if label := label_of(maker):
            return label
        maker = maker.operands[0].owner
    graph = reader.parent_op()
    names: Mapping[Operation, str] = {} if graph is None else node_names(graph)
    ends = (maker, reader) if isinstance(maker, Operation) else (reader,)
    return "->".join(names.get(end, end.name) for end in ends)
