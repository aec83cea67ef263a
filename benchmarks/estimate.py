"""
How close the estimate is to the simulation, on the benchmark programs of `programs.toml`.

    python benchmarks/estimate.py [--models bitnet-tiny,...] [--targets tiny-npu,...] [--all]

A ratio is the estimated time over the simulated one; limit: within 5%. *Bound* is the lower bound over the
simulated time, which is never above 1. The times are those of a whole call of `simulate_language_model` and
`estimate_language_model` on the lowered module. Exit status 1 beyond a limit.
"""

import argparse
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from harness import header, table
from xdsl.dialects.builtin import ModuleOp

from dfc.api import load
from dfc.runtime.machine import list_targets
from dfc.runtime.simulator import estimate_language_model, simulate_language_model
from dfc.workload import Workload, plan
from dfc.zoo import known

PROGRAMS = tomllib.loads(Path(__file__).with_name("programs.toml").read_text())
LIMIT = 0.05


@dataclass(frozen=True)
class Row:
    """A program: its simulated, estimated and least cycles, and what finding the first two cost."""

    model: str
    target: str
    call: str
    simulated: int
    estimated: int
    bound: int
    simulate_s: float
    estimate_s: float

    @property
    def ratio(self) -> float:
        """Estimated over simulated cycles."""
        return self.estimated / self.simulated

    @property
    def holds(self) -> bool:
        """Whether the estimate is within the limit and the bound not above the simulation."""
        return abs(self.ratio - 1) <= LIMIT and self.bound <= self.simulated


def fits(model: str, target: str) -> bool:
    """Whether a model is among a target's benchmark programs."""
    return target not in PROGRAMS["does_not_fit"].get(model, [])


def timed(work: Callable[[], object]) -> tuple[object, float]:
    """A result, and the CPU seconds that it took."""
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


def runs() -> Iterator[tuple[Workload, tuple[tuple[object, ...], ...]]]:
    """The modules to lower, each with the arguments of its runs."""
    prefill, contexts = PROGRAMS["prefill"], tuple(PROGRAMS["contexts"])
    yield plan(prefill), ((prefill, 0, None),)
    steps = tuple((None, 0, (context,)) for context in contexts)
    yield plan(context=contexts), steps


def row(model: str, target: str, module: ModuleOp, given: tuple) -> Row:
    """One program, simulated and estimated."""
    report, simulate_s = timed(lambda: simulate_language_model(module, *given))
    about, estimate_s = timed(lambda: estimate_language_model(module, *given))
    return Row(
        model,
        target,
        about.calls[0].name,
        report.cycles,
        about.cycles,
        about.bound_cycles,
        simulate_s,
        estimate_s,
    )


def rows(models: Sequence[str], targets: Sequence[str]) -> Iterator[Row]:
    """Every program of these models on these targets."""
    for target in targets:
        for model in models:
            if fits(model, target):
                for workload, calls in runs():
                    module = load(f"zoo:{model}", target, workload).module("program")
                    for given in calls:
                        yield row(model, target, module, given)


def by_target(found: Sequence[Row]) -> Iterator[tuple[object, ...]]:
    """For each target its programs, the ratios' and bounds' range, and the median times."""
    for target in dict.fromkeys(row.target for row in found):
        own = [row for row in found if row.target == target]
        ratios = [row.ratio for row in own]
        bounds = [row.bound / row.simulated for row in own]
        yield (
            target,
            len(own),
            f"{min(ratios):.4f}",
            f"{max(ratios):.4f}",
            *(min(bounds), max(bounds)),
            1e3 * median(row.simulate_s for row in own),
            1e3 * median(row.estimate_s for row in own),
        )


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    parser.add_argument("--models", default=",".join(known()))
    parser.add_argument("--targets", default=",".join(list_targets()))
    parser.add_argument("--all", action="store_true", help="a row per program")
    given = parser.parse_args()
    header()
    found = list(rows(given.models.split(","), given.targets.split(",")))
    columns = ("programs", "ratio from", "to", "bound from", "to")
    costs = ("simulate, ms", "estimate, ms")
    table(("target", *columns, *costs), list(by_target(found)))
    worst = sorted(found, key=lambda row: -abs(row.ratio - 1))
    shown = found if given.all else worst[:5]
    table(
        ("program", "simulated", "estimated", "ratio", "bound"),
        [
            (
                f"{row.model} on {row.target}, {row.call}",
                row.simulated,
                row.estimated,
                f"{row.ratio:.4f}",
                row.bound / row.simulated,
            )
            for row in shown
        ],
    )
    beyond = [row for row in found if not row.holds]
    print(f"\n{len(found)} programs, {len(beyond)} beyond a limit")
    return 1 if beyond else 0


if __name__ == "__main__":
    raise SystemExit(main())
