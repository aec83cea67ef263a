"""
What the benchmarks share: whole processes measured from outside, stages from inside, tables.

Times are CPU seconds (user and system, children included), which other work on the machine
disturbs less than wall time. What is compared runs in turns within one run, and only ratios of
medians are meant to be compared with another day's.
"""

import gc
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from dfc.progress import listening


@dataclass(frozen=True)
class Cost:
    """What one process took; the peak is the largest of it and its children, not their sum."""

    wall_s: float
    user_s: float
    peak_gb: float


def header() -> None:
    """Print the date, the class of machine and the command."""
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}")
    print(f"command: python {shlex.join(sys.argv)}")


def machine() -> str:
    """Cores that this process may use, and their model."""
    cores = len(os.sched_getaffinity(0))
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if "model name" in line)
    return f"{cores} cores of {next(models, platform.machine())}, Python {platform.python_version()}"


def process(command: Sequence[str]) -> Cost:
    """Run a command to its end without its output; a failure ends the benchmark."""
    start = time.perf_counter()
    null = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=[null])
    _, status, used = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"`{shlex.join(command)}` failed")
    wall = time.perf_counter() - start
    return Cost(wall, used.ru_utime, used.ru_maxrss * 1024 / 1e9)


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(
        median(c.wall_s for c in costs),
        median(c.user_s for c in costs),
        max(c.peak_gb for c in costs),
    )


def cpu_s() -> float:
    """CPU seconds of this process and the children that have ended."""
    return sum(os.times()[:4])


def stages(work: Callable[[], object]) -> dict[str, float]:
    """CPU seconds of each step that the work announces, in order; equal steps are added up."""
    found: dict[str, float] = {}
    current, since = "before the first step", cpu_s()

    def listener(what: str) -> None:
        nonlocal current, since
        now = cpu_s()
        found[current] = found.get(current, 0.0) + now - since
        current, since = what, now

    with listening(listener):
        work()
    listener("")
    return found


def per_call(work: Callable[[], object], runs: int = 5) -> float:
    """The median CPU seconds of a call in this process, rubbish of earlier work out of the way."""
    taken: list[float] = []
    for _ in range(runs):
        gc.collect()
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return median(taken)


def medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """By key the median over runs that have the same keys."""
    return {key: median(run[key] for run in runs) for key in runs[0]}


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table; fractions have two digits."""
    cells = [[text(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * width for width in widths]
    print()
    for row in [cells[0], rule, *cells[1:]]:
        parts = [
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print(f"| {' | '.join(parts)} |")


def text(cell: object) -> str:
    """A cell as text: fractions with two digits."""
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)
