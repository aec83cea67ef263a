"""
Attention on streaming dataflow: long FIFOs, and how to do without them (arXiv 2404.16629).

The paper's graphs make one score per cycle; its FIFOs are short (2) or long (N + 2).
"""

from dfc.reproduce.attention import SIZED, Attention, unbounded
from dfc.reproduce.claims import Claim, Paper
from dfc.runtime.graph import simulate

LENGTH = 512
SHORT = 2
LONG_FIFOS = {"naive": 2, "reordered": 1, "streaming": 0}
"""Long FIFOs of each schedule in the paper: beside the row maximum, and beside the row sum."""


def claims_of(schedule: str, long_fifos: int) -> list[Claim]:
    """What the paper says of one schedule."""
    attention = Attention(LENGTH, schedule)
    graph = attention.graph(SIZED)
    depths = [edge.depth for edge in graph.edges if edge.depth is not None]
    free = simulate(unbounded(graph), statistics=False).cycles
    note = "depths that stream-size-fifos finds"
    made = [
        Claim(
            f"{schedule}: long FIFOs",
            long_fifos,
            sum(d > SHORT for d in depths),
            note=note,
        )
    ]
    if long_fifos:
        deepest = Claim(
            f"{schedule}: depth of a long FIFO", LENGTH + 2, max(depths), "tokens", note
        )
        made.append(deepest)
    rate = Claim(
        f"{schedule}: scores per cycle",
        1.0,
        LENGTH**2 / attention.cycles(),
        note="ours counts filling and draining",
    )
    kept = Claim(
        f"{schedule}: throughput of unbounded FIFOs kept",
        1.0,
        free / attention.cycles(),
        note="cycles with unbounded FIFOs over cycles with these",
    )
    return [*made, rate, kept]


def memory(length: int) -> int:
    """Tokens that the FIFOs of streaming attention hold."""
    edges = Attention(length, "streaming").graph(SIZED).edges
    return sum(edge.depth or 0 for edge in edges)


def paper() -> Paper:
    """The paper's claims at N = 512, head dimension 64, latency and interval 1."""
    claims = [c for name, count in LONG_FIFOS.items() for c in claims_of(name, count)]
    growth = Claim(
        "streaming: FIFO memory at N = 512 over N = 64",
        1.0,
        memory(LENGTH) / memory(64),
        note="constant in the length",
    )
    return Paper(
        "Attention on streaming dataflow: memory-free at full throughput",
        "arXiv 2404.16629",
        (*claims, growth),
    )
