"""
Write the tables and pictures of docs/streaming-attention.md: `python scripts/streaming_page.py`.

Text between `<!-- NAME -->` and `<!-- end -->` is replaced by the table NAME.
"""

# pyright: strict, reportUnknownMemberType=false

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from dfc.reproduce.attention import SIZED, Attention
from dfc.runtime.drawing import draw
from dfc.runtime.graph.storage import storage_of
from dfc.stream_graphs import run_graph

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "streaming-attention.md"
PICTURES = ROOT / "docs" / "pictures"

DEPTH = 64
WINDOW = 256
CYCLE_LENGTHS = (16, 64, 128, 512)
MEMORY_LENGTHS = (64, 256, 1024, 4096)
WINDOW_LENGTHS = (512, 1024, 2048, 4096, 8192, 16384)
UNFOLDED = "convert-attention-to-stream,stream-size-fifos"
SCHEDULES = ("naive", "reordered", "unified_max", "streaming", "reversed", "windowed")


def attention(name: str, length: int) -> Attention:
    """One head by this schedule; `reversed` needs a causal one, `windowed` a window."""
    causal = name == "reversed"
    window = WINDOW if name == "windowed" else None
    return Attention(length, name, DEPTH, causal=causal, window=window)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; all columns but the first are numbers."""
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(shown, line))} |" for line in lines)


def shown(cell: object) -> str:
    """Thousands apart, one digit of a fraction."""
    match cell:
        case int():
            return f"{cell:,}"
        case float():
            return f"{cell:,.1f}"
        case _:
            return str(cell)


def cycles() -> str:
    """Cycles of each schedule before and after folding."""
    rows: list[list[object]] = []
    for name in ("naive", "reordered", "streaming"):
        for form, passes in (("as lowered", UNFOLDED), ("folded", SIZED)):
            made = [attention(name, n).cycles(passes) for n in CYCLE_LENGTHS]
            rows.append([f"{name}, {form}", *made])
    return table(["schedule", *(f"N = {n}" for n in CYCLE_LENGTHS)], rows)


def stored(name: str, length: int) -> int:
    """The intermediate memory of a schedule at a length, in bytes."""
    return storage_of(attention(name, length).op(SIZED)).bytes


def memory() -> str:
    """Intermediate memory in bytes by schedule and length."""
    rows: list[list[object]] = [
        ["scores as a tensor", *(4 * n * n for n in MEMORY_LENGTHS)]
    ]
    for name in SCHEDULES:
        rows.append([name, *(stored(name, n) for n in MEMORY_LENGTHS)])
    return table(["schedule", *(f"N = {n:,}" for n in MEMORY_LENGTHS)], rows)


def window() -> str:
    """Cycles and rows read of window attention against dense attention."""
    rows: list[list[object]] = []
    for n in WINDOW_LENGTHS:
        narrow = attention("windowed", n)
        dense = attention("streaming", n).cycles()
        rows.append(
            [
                f"{n:,}",
                narrow.cycles(),
                narrow.cycles() / n,
                narrow.tokens_of("k") / n,
                dense,
                dense / narrow.cycles(),
            ]
        )
    heads = (
        "N",
        "cycles",
        "per query",
        "K rows per query",
        "dense",
        "dense / windowed",
    )
    return table(heads, rows)


def plot_memory(path: Path) -> None:
    """Memory against length on two logarithmic axes."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "dfc"
    figure, axes = plt.subplots(figsize=(7, 4))
    axes.plot(
        MEMORY_LENGTHS,
        [4 * n * n for n in MEMORY_LENGTHS],
        "--",
        label="scores as a tensor",
    )
    for name in SCHEDULES:
        made = [stored(name, n) for n in MEMORY_LENGTHS]
        axes.plot(MEMORY_LENGTHS, made, marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="tokens N", ylabel="bytes")
    axes.set_title("Intermediate memory of one head, D = 64, float32")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


TABLES: dict[str, Callable[[], str]] = {
    "cycles": cycles,
    "memory": memory,
    "window": window,
}


def page(text: str) -> str:
    """The page with its tables made again."""

    def again(found: re.Match[str]) -> str:
        made = TABLES[found[1]]()
        return f"<!-- {found[1]} -->\n\n{made}\n\n<!-- end -->"

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- end -->", again, text, flags=re.DOTALL)


def main() -> None:
    """Write page and pictures."""
    PAGE.write_text(page(PAGE.read_text()))
    PICTURES.mkdir(exist_ok=True)
    plot_memory(PICTURES / "attention-memory.svg")
    found = run_graph("naive attention, N = 16", attention("naive", 16).op(SIZED))
    (PICTURES / "attention-naive.svg").write_text(draw([found.picture()]))


if __name__ == "__main__":
    main()
