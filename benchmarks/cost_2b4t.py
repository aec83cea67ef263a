"""
What it costs to compile and simulate the 30-layer BitNet b1.58 2B4T, beside one layer of it.

    python benchmarks/cost_2b4t.py [--runs 5]

Weights are abstract, the target is `tiny-npu`, the workload 128 tokens of prompt and 32 decode
steps. First the whole process from outside: `dfc simulate` for both models in turns. Then where the time goes:
the same work in fresh processes, CPU time by the steps that `dfc` announces as its progress.
*Tracing and lowering* is everything from building the model to the last pass: repeated layers are
one function, so it should hardly depend on their number. Limits: 12 s and 1.5 GB for the whole
process, 1.5 times one layer for tracing and lowering.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from harness import Cost, header, medians, middle, process, stages, table

NAME = "bitnet-b1.58-2b-4t"
TARGET, PREFILL, DECODE = "tiny-npu", 128, 32
OUTSIDE = ("starting Python", "loading PyTorch", "simulating")
"""Stages that are not tracing or lowering."""
LEAST = 0.05
"""Seconds from which a ratio means something: the clock ticks in hundredths."""
COLUMNS = ("1 layer", "30 layers", "ratio")


@contextmanager
def architecture(name: str, layers: int) -> Generator[str]:
    """A model of the zoo with another number of layers, as one of a user's own zoo file."""
    from dfc import zoo

    entry = zoo.known()[name]
    config = entry.config | {"num_hidden_layers": layers}
    lines = [
        "[model]",
        f'class = "{entry.class_name}"',
        f'linear = "{entry.linear}"',
        f'dtype = "{entry.dtype}"',
        f'source = "{name} with {layers} layers"',
        f"config = {toml(config)}",
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "zoo.toml"
        path.write_text("\n".join(lines))
        yield f"zoo:{path}#model"


def toml(value: object) -> str:
    """A value of a configuration as TOML."""
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {toml(each)}" for key, each in value.items())
        return f"{{ {inner} }}"
    return json.dumps(value)


def simulate_in_stages(model: str) -> dict[str, float]:
    """The stages of one simulation in this process, as the command runs it."""
    from dfc.cli import tune_process

    tune_process()

    def work() -> None:
        from dfc.api import simulate

        simulate(model, TARGET, PREFILL, DECODE)

    found = stages(work)
    started = found.pop("before the first step")
    named = {renamed(key, model): value for key, value in found.items()}
    return {OUTSIDE[0]: started} | named


def renamed(stage: str, model: str) -> str:
    """A stage's name without the model's."""
    return stage.replace(model, "the model")


def stages_apart(model: str) -> dict[str, float]:
    """The stages of one simulation in a process of its own."""
    command = [sys.executable, __file__, "--stages", model]
    return json.loads(subprocess.run(command, check=True, stdout=-1).stdout)


def together(found: dict[str, float]) -> dict[str, float]:
    """The stages with all verification as one."""
    rest = {k: v for k, v in found.items() if not k.startswith("verifying")}
    checks = sum(v for k, v in found.items() if k.startswith("verifying"))
    last = rest.pop("simulating")
    return rest | {"verifying after each pass": checks, "simulating": last}


def whole(models: tuple[str, str], runs: int) -> tuple[Cost, Cost]:
    """The medians of whole processes, one model after the other in turns."""
    options = ["-t", TARGET, "--prefill", str(PREFILL), "--decode", str(DECODE)]
    dfc = str(Path(sys.executable).with_name("dfc"))
    costs = [
        [process([dfc, "simulate", model, *options]) for model in models]
        for _ in range(runs)
    ]
    first, second = (middle(list(each)) for each in zip(*costs, strict=True))
    return first, second


def ratio(small: float, large: float) -> float | str:
    """How many times as much; nothing where there is too little to compare."""
    return large / small if small >= LEAST else ""


def report(models: tuple[str, str], runs: int) -> None:
    """Print both tables."""
    one, many = whole(models, runs)
    rows = [("wall, s", "wall_s"), ("user CPU, s", "user_s"), ("peak, GB", "peak_gb")]
    pairs = [(label, getattr(one, key), getattr(many, key)) for label, key in rows]
    shown = [(label, a, b, ratio(a, b)) for label, a, b in pairs]
    table(("whole process", *COLUMNS), shown)
    turns = [tuple(map(stages_apart, models)) for _ in range(runs)]
    small, large = (
        medians([together(run) for run in each]) for each in zip(*turns, strict=True)
    )
    work = [name for name in small if name not in OUTSIDE]
    sums = {"tracing and lowering": work, "everything": list(small)}
    shown = [(name, small[name], large[name]) for name in small]
    for name, parts in sums.items():
        shown.append((name, sum(map(small.get, parts)), sum(map(large.get, parts))))
    rows = [(name, a, b, ratio(a, b)) for name, a, b in shown]
    table(("CPU seconds", *COLUMNS), rows)


def main() -> None:
    """Print the tables; `--stages MODEL` is for the processes that this one starts."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--stages", metavar="MODEL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stages is not None:
        print(json.dumps(simulate_in_stages(given.stages)))
        return
    header()
    with architecture(NAME, 1) as one:
        report((one, f"zoo:{NAME}"), given.runs)


if __name__ == "__main__":
    main()
