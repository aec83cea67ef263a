"""
Attention as a stream graph: the cycles of arXiv 2404.16629 from the lowering of `attention.sdpa`.

papers.md 2 has the graphs, the firing rule, and the formulas, which stand in no code but here.
"""

from collections.abc import Callable
from functools import cache

import pytest
from pass_testing import apply_to_clone, check_values, parse
from reference_streams import Reference
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects import stream
from dfc.passes.analysis.graph_variants import edge_streams, graphs_of
from dfc.passes.attach_target import AttachTargetPass
from dfc.passes.attention_set_schedule import AttentionSetSchedulePass
from dfc.passes.convert_attention_to_stream import ConvertAttentionToStreamPass
from dfc.passes.fabric.fifo_sizing import with_depths
from dfc.passes.stream_fold_nodes import StreamFoldNodesPass
from dfc.passes.stream_set_timing import StreamSetTimingPass
from dfc.passes.stream_size_fifos import StreamSizeFifosPass
from dfc.passes.stream_verify_deadlock import StreamVerifyDeadlockPass
from dfc.runtime.graph import Run, simulate
from dfc.runtime.graph.extract import graph_of

LENGTHS = (16, 64, 128, 512)
CYCLES: dict[str, Callable[[int], int]] = {
    "naive": lambda n: n * n + 2 * n + 5,
    "reordered": lambda n: n * n + n + 5,
    "streaming": lambda n: n * n + 4,
}
LONG = {"naive": {"qk->sub", "exp->div"}, "reordered": {"qk->sub"}, "streaming": set()}
"""The FIFOs that hold a row; every other one is short."""
SHORT = 2
ALL = ("fork", "repeat", "read")


def lowered(text: str, schedule: str, rows: int = 1) -> ModuleOp:
    """A module's attention as a stream graph on the fabric, every node explicit."""
    module = parse(text)
    for each in (
        AttachTargetPass("stream-abstract"),
        AttentionSetSchedulePass(schedule, rows),
        ConvertAttentionToStreamPass(),
    ):
        module = apply_to_clone(each, module)
    return module


def sdpa(queries: int, keys: int, how: str = "", at: str = "", heads: int = 1) -> str:
    """The text of an attention with a head dimension of 4; `%p` is an index for `at`."""
    q, k = (f"tensor<1x{heads}x{n}x4xf32>" for n in (queries, keys))
    return f"""
    func.func @main(%q: {q}, %k: {k}, %v: {k}, %p: index) -> {q} {{
      %y = attention.sdpa %q, %k, %v {at} {{{how} scale = 0.5 : f64}} : {q}, {k}, {k} -> {q}
      func.return %y : {q}
    }}"""


@cache
def attention(n: int, schedule: str) -> ModuleOp:
    """An attention of one head over n queries and n keys."""
    return lowered(sdpa(n, n), schedule)


def folded(n: int, schedule: str, nodes: tuple[str, ...]) -> ModuleOp:
    """The graph with these nodes folded, and the timing of the target."""
    module = apply_to_clone(StreamFoldNodesPass(nodes), attention(n, schedule))
    return apply_to_clone(StreamSetTimingPass(), module)


@cache
def sized(n: int, schedule: str, nodes: tuple[str, ...] = ALL) -> ModuleOp:
    """The graph with these nodes folded and its FIFOs sized, which is shown to run."""
    module = apply_to_clone(StreamSizeFifosPass(), folded(n, schedule, nodes))
    return apply_to_clone(StreamVerifyDeadlockPass(), module)


def run(module: ModuleOp) -> Run:
    """The run of the module's one graph."""
    (graph,) = graphs_of(module)
    return simulate(graph_of(graph))


def depths(module: ModuleOp) -> dict[str, int | None]:
    """The depths of the FIFOs of the module's one graph."""
    return {edge.name: edge.depth for edge in run(module).edges}


def with_long_fifos(module: ModuleOp, schedule: str, depth: int) -> ModuleOp:
    """The sized graph with other long FIFOs."""
    changed = module.clone()
    (graph,) = graphs_of(changed)
    for name, value in edge_streams(graph).items():
        if name in LONG[schedule]:
            assert isinstance(value.owner, stream.FifoOp)
            value.owner.depth = IntegerAttr(depth, i64)
    return changed


@pytest.mark.parametrize("n", [*LENGTHS, 4096])
@pytest.mark.parametrize("schedule", CYCLES)
def test_cycles_and_depths(schedule: str, n: int):
    module = sized(n, schedule)
    assert run(module).cycles == CYCLES[schedule](n)
    long, found = LONG[schedule], depths(module)
    assert found == {name: n + 2 if name in long else SHORT for name in found}
    assert long < set(found)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("schedule", ["naive", "reordered"])
def test_the_long_fifo_is_the_smallest(schedule: str, n: int):
    module = sized(n, schedule)
    less = with_long_fifos(module, schedule, n + 1)
    assert run(less).cycles > CYCLES[schedule](n)
    # the pass says so at each long FIFO: every row but the first waits a cycle
    reasons = [
        str(op.attributes["dfc.sizing"])
        for op in module.walk()
        if isinstance(op, stream.FifoOp)
    ]
    why = f'"a depth of {n + 1} takes {n - 1} cycles more"'
    assert reasons == [why] * len(LONG[schedule])


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("schedule", ["naive", "reordered"])
def test_a_fifo_of_less_than_a_row_deadlocks(schedule: str, n: int):
    module = sized(n, schedule)
    run(with_long_fifos(module, schedule, n))
    less = with_long_fifos(module, schedule, n - 1)
    circle = (
        rf"`qk` waits for room in `qk->sub` \(depth {n - 1}\) from `sub`, `sub` waits for a token of"
        r" `rowmax->sub` from `rowmax`, `rowmax` waits for a token of `qk->rowmax` from `qk`"
    )
    with pytest.raises(PassFailedException, match=circle):
        apply_to_clone(StreamVerifyDeadlockPass(), less)


@pytest.mark.parametrize("n", LENGTHS)
def test_explicit_nodes_cost_their_latency(n: int):
    # each of the two forks on the longest way adds a cycle, and the reads one more
    forks = sized(n, "naive", ("repeat", "read"))
    assert run(forks).cycles == CYCLES["naive"](n) + 2
    reads = sized(n, "naive", ("repeat",))
    assert run(reads).cycles == CYCLES["naive"](n) + 3


@pytest.mark.parametrize("schedule", ["naive", "reordered", "streaming"])
def test_depths_hold_at_every_position(schedule: str):
    text = sdpa(3, 12, "causal,", "at %p", heads=2)
    module = apply_to_clone(StreamFoldNodesPass(), lowered(text, schedule))
    module = apply_to_clone(StreamSizeFifosPass(), module)
    (op,) = graphs_of(module)
    for position in range(10):
        graph = graph_of(op, dict.fromkeys(op.symbols, position))
        unbounded = with_depths(graph, {edge.name: None for edge in graph.edges})
        assert simulate(graph).cycles == simulate(unbounded).cycles


SLOW_NODES = {
    "qk": (6, 1),
    "exp": (7, 2),
    "div": (11, 3),
    "scan": (9, 1),
    "sum": (1, 2),
    "pv": (4, 1),
}
"""Latency and interval of nodes by their label."""


@pytest.mark.parametrize("schedule", CYCLES)
@pytest.mark.parametrize("labels", [("exp", "scan"), ("div",), tuple(SLOW_NODES)])
def test_other_timings_are_simulated(schedule: str, labels: tuple[str, ...]):
    module = folded(7, schedule, ALL)
    for op in module.walk():
        if isinstance(op, stream.NodeOp) and op.label and op.label.data in labels:
            latency, interval = SLOW_NODES[op.label.data]
            op.latency = IntegerAttr(latency, i64)
            op.interval = IntegerAttr(interval, i64)
    module = apply_to_clone(StreamSizeFifosPass(), module)
    (op,) = graphs_of(module)
    graph = graph_of(op)
    found, reference = simulate(graph), Reference(graph).run()
    assert found.cycles == reference.cycles
    assert {e.name: e.peak_occupancy for e in found.edges} == reference.peaks
    unbounded = with_depths(graph, dict.fromkeys(reference.peaks, 7 * 7))
    assert Reference(unbounded).run().cycles == reference.cycles


FORMS = {
    "naive": sdpa(9, 9),
    "reordered": sdpa(3, 12, "causal,", "at %p", heads=2),
    "streaming": sdpa(1, 12, "causal,", "at %p", heads=2),
    "reversed": sdpa(16, 16, "causal,", heads=2),
    "windowed": sdpa(13, 13, "causal, window = 4 : i64,", heads=2),
    "unified_max": sdpa(9, 9),
}


@pytest.mark.parametrize(("schedule", "text"), FORMS.items(), ids=FORMS)
def test_values_stay(schedule: str, text: str):
    check_values(
        lowered(text, schedule, rows=4 if schedule == "reversed" else 1),
        StreamFoldNodesPass(),
        StreamSetTimingPass(),
        StreamSizeFifosPass(),
        StreamVerifyDeadlockPass(),
    )
