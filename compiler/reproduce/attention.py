"""One attention op as a stream graph: what the papers on attention are compared on."""

from dataclasses import dataclass, replace
from functools import lru_cache

from dfc.dialects import stream
from dfc.driver import new_context, parse_module, parse_passes, run_passes
from dfc.runtime.graph import Graph, simulate
from dfc.runtime.graph.extract import graph_of
from dfc.stream_graphs import graphs_of

LOWERING = "convert-attention-to-stream,stream-fold-nodes"
SIZED = f"{LOWERING},stream-size-fifos"


@dataclass(frozen=True)
class Attention:
    """
    Self-attention of one head over `length` tokens of `depth` elements, by one of the papers' schedules.

    `window` (with `causal`) is the number of keys that a query sees.
    """

    length: int
    schedule: str
    depth: int = 64
    causal: bool = False
    window: int | None = None

    @property
    def text(self) -> str:
        """The op in a function, as MLIR text."""
        kind = f"tensor<1x1x{self.length}x{self.depth}xf32>"
        schedule = f"schedule = #attention.schedule<{self.schedule}, rows = 1>"
        options = ["causal"] * (self.causal or self.window is not None)
        options += [f"window = {self.window} : i64"] * (self.window is not None)
        return (
            f"func.func @main(%q: {kind}, %k: {kind}, %v: {kind}) -> {kind} {{\n"
            f"  %y = attention.sdpa %q, %k, %v {{{', '.join([*options, schedule])}}}"
            f" : {kind}, {kind}, {kind} -> {kind}\n"
            f"  func.return %y : {kind}\n}}\n"
        )

    def op(self, passes: str = LOWERING) -> stream.GraphOp:
        """The op's stream graph after these passes; `SIZED` gives FIFOs their smallest depths."""
        return _op(self, passes)

    def graph(self, passes: str = LOWERING) -> Graph:
        """The same as the engine's graph."""
        return graph_of(self.op(passes))

    def cycles(self, passes: str = SIZED) -> int:
        """Cycles at latency 1 and interval 1, with the FIFOs that these passes make."""
        return _cycles(self, passes)

    def tokens_of(self, node: str) -> int:
        """Tokens that a node gives in all, `read` nodes not folded."""
        graph = self.graph("convert-attention-to-stream")
        return graph.tokens(next(edge for edge in graph.edges if edge.source == node))


@lru_cache
def _op(attention: Attention, passes: str) -> stream.GraphOp:
    context = new_context()
    module = parse_module(attention.text, context)
    run_passes(parse_passes(passes), module, context)
    return next(iter(graphs_of(module).values()))


@lru_cache
def _cycles(attention: Attention, passes: str) -> int:
    return simulate(attention.graph(passes), statistics=False).cycles


def unbounded(graph: Graph) -> Graph:
    """The same graph with room for all tokens on every edge."""
    edges = tuple(replace(edge, depth=None) for edge in graph.edges)
    return replace(graph, edges=edges)
