"""
Print what a decode step's time goes to at several contexts, as a Markdown table.

    python scripts/context_table.py zoo:bitnet-b1.58-large tellme-kv260 64 256 1000

Rows are the parts of the report, in ms, that take 1% of some step; `grows by` is the last context less
the first. `--set KEY=VALUE` changes a number of the target.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import typer

from dfc.api import simulate
from dfc.runtime.report import Report, StepRow

LEAST = 0.01
"""The share of some step's time from which a part has its own row."""


def main(
    model: str,
    target: str,
    contexts: list[int],
    set_: Annotated[list[str] | None, typer.Option("--set")] = None,
) -> None:
    """Print the table."""
    print(
        table(model, target, contexts, dict(pair.split("=", 1) for pair in set_ or []))
    )


def table(
    model: str, target: str, contexts: Sequence[int], overrides: Mapping[str, object]
) -> str:
    """The table of one step at each context."""
    found = simulate(model, target, context=contexts, overrides=overrides)
    heads = [f"at {step.context:,}" for step in found.steps]
    rows = [
        ("", *heads, "grows by"),
        ("---", *["--:"] * (len(heads) + 1)),
        *lines(found),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def lines(report: Report) -> Iterator[tuple[str, ...]]:
    """Speed, time, and the parts of the time, the largest of the last step first."""
    steps = report.steps
    yield ("tokens/s", *(f"{1 / step.latency_s:.1f}" for step in steps), "")
    yield row("all, ms", [1e3 * step.latency_s for step in steps])
    names = sorted(steps[-1].parts, key=lambda name: -steps[-1].parts[name])
    rest = [0.0] * len(steps)
    for name in names:
        times = [milliseconds(step, name) for step in steps]
        if any(step.parts.get(name, 0) >= LEAST * step.cycles for step in steps):
            yield row(f"`{name}`", times)
        else:
            rest = [a + b for a, b in zip(rest, times, strict=True)]
    yield row("less than 1% each", rest)


def milliseconds(step: StepRow, name: str) -> float:
    """What a part of a step takes."""
    return 1e3 * step.latency_s * step.parts.get(name, 0) / step.cycles


def row(name: str, times: Sequence[float]) -> tuple[str, ...]:
    """Times, and how much longer the last is than the first."""
    more = times[-1] - times[0]
    grown = f"{more:+.2f}" if abs(more) >= 0.005 else ""
    return (name, *(f"{time:.2f}" for time in times), grown)


if __name__ == "__main__":
    typer.run(main)
