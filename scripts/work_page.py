"""
Write the tables of docs/work.md: `python scripts/work_page.py`.

Text between `<!-- NAME -->` and `<!-- end -->` is replaced by the table NAME.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from dfc.api import load
from dfc.roofline import Phase, host_rate, peak_rate, roofline
from dfc.runtime.machine import Target, load_target
from dfc.workload import plan

PAGE = Path(__file__).parents[1] / "docs" / "work.md"
MODELS = (
    "bitnet-b1.58-large",
    "bitnet-b1.58-2b-4t",
    "llama-3.2-1b",
    "llama2-7b",
    "llama2-70b",
)
TARGETS = ("a100", "h100", "h200", "sn40l", "sg2042", "tellme-kv260", "tiny-npu")
TOKENS = 256
"""Below 0.3 times the width of every model."""
TARGET = "h100"
"""Whose packing the weights have: two bits a trit."""
MODEL_HEADS = (
    "model",
    "phase",
    "parameters",
    "linear, GFLOP",
    "attention, GFLOP",
    "other, GFLOP",
    "total over linear",
    "weights, MB",
    "cache, MB",
    "FLOP per byte",
    "unfused",
)
TARGET_HEADS = ("target", "operations, Gop/s", "memory, GB/s", "FLOP per byte")


def phases(model: str) -> tuple[Phase, ...]:
    """Prefill, decode and training of a model."""
    return roofline(load(f"zoo:{model}", TARGET, plan(TOKENS, 1)))


def model_rows(model: str) -> list[tuple[str, ...]]:
    """A model's rows, one per phase."""
    rows: list[tuple[str, ...]] = []
    for phase in phases(model):
        work, figures = phase.work, phase.as_dict()
        flops = (work.linear_flops, work.attention_flops, work.other_flops)
        rows.append(
            (
                f"`{model}`",
                phase.name,
                f"{work.parameters:,}",
                *(f"{n / 1e9:,.4g}" if n < 1e13 else f"{n / 1e9:,.0f}" for n in flops),
                f"{work.flops / work.linear_flops:.3f}",
                f"{float(work.weight_bytes) / 1e6:,.0f}",
                f"{work.cache_bytes / 1e6:,.1f}",
                f"{figures['intensity']:.3g}",
                f"{figures['unfused_intensity']:.3g}",
            )
        )
    return rows


def target_row(name: str) -> tuple[str, ...]:
    """A target's rates, and the intensity from which its operations set the time."""
    target: Target = load_target(name)
    peak, rate = peak_rate(target), host_rate(target)
    assert peak is not None
    assert rate is not None
    second = target.ticks_per_second
    return (
        f"`{name}`",
        f"{float(peak * second) / 1e9:,.0f}",
        f"{float(rate * second) / 1e9:,.1f}",
        f"{float(peak / rate):.3g}",
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> str:
    """A Markdown table; columns after the first ones of words are numbers."""
    lines = [heads, ["---"] * words + ["--:"] * (len(heads) - words), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(text: str) -> str:
    """The page with its tables made anew."""
    models = [row for model in MODELS for row in model_rows(model)]
    tables = {
        "models": table(MODEL_HEADS, models, 2),
        "targets": table(TARGET_HEADS, map(target_row, TARGETS), 1),
    }

    def again(found: re.Match[str]) -> str:
        return f"<!-- {found[1]} -->\n\n{tables[found[1]]}\n\n<!-- end -->"

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- end -->", again, text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
