"""
Whether the simulator predicts the host engine: `python benchmarks/host_prediction.py`.

In one run the parts of a forward pass are timed, each alone (`dfc bench host --describe`), models are simulated on the
target that this gives, and the same models run: a prompt of 128 tokens, then steps behind it. No number of the
target comes from a model. A run whose reads of the memory spread by more than 15%, or on a machine with other work,
is no verdict, and says so.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch
from harness import header, table

import dfc
from dfc.host.describe import LOAD, SPREAD, described
from dfc.host.result import HostRun
from dfc.host.run import Asked, run_host
from dfc.runtime.machine import load_target
from dfc.workload import plan

MODELS = ("bitnet-b1.58-2b-4t", "bitnet-b1.58-large")
ERROR = 0.15
"""The error of a prediction that is good enough."""

Row = tuple[str, str, float, float]
"""A model, a phase, and its seconds as predicted and as measured."""


def compare(
    name: str, target: str, options: argparse.Namespace
) -> tuple[list[Row], float]:
    """Both phases of a model, and the spread of the reads behind its run."""
    prompt, steps = options.prefill, options.decode
    report = dfc.simulate(f"zoo:{name}", target, prefill=prompt, decode=steps)
    found = run_host(f"zoo:{name}", Asked(plan(prompt, steps), threads=options.threads))
    assert isinstance(found, HostRun), f"{name} is no language model"
    speed = found.speed
    assert report.ttft_s is not None
    predicted = median(step.latency_s for step in report.steps)
    rows: list[Row] = [
        (name, f"prefill {prompt}", report.ttft_s, median(speed.prefill_s)),
        (name, f"decode at {prompt}", predicted, median(speed.decode_s)),
    ]
    return rows, speed.bandwidth.spread


def show(rows: Sequence[Row]) -> None:
    """Print predictions beside measurements."""
    shown = [
        (name, phase, 1e3 * predicted, 1e3 * measured, predicted / measured)
        for name, phase, predicted, measured in rows
    ]
    table(["model", "phase", "predicted, ms", "measured, ms", "ratio"], shown)


def verdict(rows: Sequence[Row], doubts: Sequence[str]) -> str:
    """Whether every prediction is good enough, or why that cannot be said."""
    if doubts:
        return f"no verdict: {'; '.join(doubts)}"
    worst = max(abs(predicted / measured - 1) for *_, predicted, measured in rows)
    word = "within" if worst <= ERROR else "not within"
    return f"{word} {ERROR:.0%}: the worst prediction is {worst:.1%} off"


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().split("\n")[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--prefill", type=int, default=128)
    parser.add_argument("--decode", type=int, default=16)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--target", help="a target file instead of a new one")
    return parser.parse_args()


def main() -> None:
    """Describe the machine, predict, measure, compare."""
    options = arguments()
    load = os.getloadavg()[0]
    header()
    print(f"{options.threads} threads, PyTorch {torch.__version__}, load {load:.1f}")
    doubts = [f"other work was running (load {load:.1f})"] if load > LOAD else []
    with tempfile.TemporaryDirectory() as folder:
        target = options.target
        if target is None:
            target = str(Path(folder) / "here.toml")
            text, found = described("here", options.threads)
            Path(target).write_text(text)
            doubts += [each for each in found if each not in doubts]
        print(f"target: {load_target(target).description}\n")
        rows: list[Row] = []
        for name in options.models:
            more, spread = compare(name, target, options)
            rows += more
            if spread > SPREAD:
                doubts.append(f"reads behind {name} spread by {spread:.0%}")
    show(rows)
    print(f"\n{verdict(rows, doubts)}")


if __name__ == "__main__":
    main()
