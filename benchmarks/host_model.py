"""
A whole model of BitNet b1.58 2B4T's shape beside bf16 PyTorch, in one run: `python benchmarks/host_model.py --threads 2`.

Decoding with a static cache at a context of 128, weights random. dfc runs the ternary model, with and without the LM head
in int8; PyTorch runs plain bf16 linear layers of the same sizes, in eager and with `torch.compile` in its default mode.
Contenders take turns, round by round, and each round reads the memory once. Times are wall times, medians over all
steps; only ratios within the run mean anything. A run on a machine with other work is no verdict, and says so.
"""

import argparse
import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
from harness import header, table

import dfc
from dfc import zoo
from dfc.host.generate import Generator
from dfc.host.parts import where
from dfc.host.result import SPREAD, spread
from dfc.host.run import weight_bytes
from dfc.runtime.native.bandwidth import Bandwidth, Reader, pause

MODEL = "bitnet-b1.58-2b-4t"
BLOCK = 1 << 20
"""Random numbers of which plain weights are made: their values do not matter here."""


@dataclass
class Contender:
    """One way to run the model: its generator, and the seconds of its steps."""

    name: str
    generator: Generator
    token: torch.Tensor
    context: int
    weights: int
    resident: int
    steps: list[float] = field(default_factory=list[float])

    def run(self, steps: int) -> None:
        """So many steps behind the prompt, on cores that are free."""
        pause()
        self.generator.rewind(self.context)
        for _ in range(steps):
            start = time.perf_counter()
            self.generator.logits(self.token)
            self.steps.append(time.perf_counter() - start)

    def once(self) -> None:
        """The step behind the prompt."""
        self.generator.rewind(self.context)
        self.generator.logits(self.token)


def entry(linear: str, layers: int) -> zoo.Entry:
    """The model with these linear layers, and so many of its decoder layers."""
    found = zoo.find(MODEL)
    config = {**found.config, "num_hidden_layers": layers}
    return found.model_copy(update={"linear": linear, "config": config})


def plain(layers: int) -> Any:
    """The model in bf16, every linear layer a `nn.Linear`."""
    with zoo.no_initialisation(), zoo.default_dtype(torch.bfloat16):
        model: Any = zoo.construct(entry("linear", layers)).eval()
    model.tie_weights()
    block = torch.randn(BLOCK, dtype=torch.bfloat16) * 0.02
    with torch.no_grad():
        for parameter in model.parameters():
            flat = parameter.view(-1)
            for part in flat.split(BLOCK):
                part.copy_(block[: part.numel()])
    return model


def packed(layers: int, quantize: bool) -> Any:
    """The ternary model as packed bytes."""
    model = zoo.build(entry("bitlinear", layers), abstract=False)
    return dfc.pack(model, quantize_lm_head=quantize)


def resident() -> int:
    """Bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def contender(
    name: str,
    build: Callable[[], Any],
    wrap: Callable[[Any], Callable[..., Any]],
    options: argparse.Namespace,
) -> Contender:
    """Build a model, give it the prompt, and warm its step up."""
    gc.collect()
    before = resident()
    model = build()
    generator = Generator(model, wrap(model), options.context + options.steps)
    prompt = generator.prompt(options.context, 0)
    generator.logits(prompt)
    token = prompt[:, :1]
    found = Contender(name, generator, token, options.context, weight_bytes(model), 0)
    found.run(min(3, options.steps))
    found.steps.clear()
    gc.collect()
    found.resident = resident() - before
    return found


def contenders(options: argparse.Namespace) -> list[Contender]:
    """All of them; the two of PyTorch share one model."""
    host: dict[str, Any] = {"target": "host"}

    def native(model: Any) -> Callable[..., Any]:
        return torch.compile(model, backend="dfc", options=host, dynamic=False)

    def inductor(model: Any) -> Callable[..., Any]:
        return torch.compile(model, dynamic=False)

    layers = options.layers
    found = [
        contender(
            "dfc, LM head in int8", lambda: packed(layers, True), native, options
        ),
        contender("dfc", lambda: packed(layers, False), native, options),
    ]
    dense = contender("eager bf16", lambda: plain(layers), lambda m: m, options)
    model = dense.generator.model
    compiled = contender("torch.compile bf16", lambda: model, inductor, options)
    return [*found, dense, compiled]


def parse() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().split("\n")[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--steps", type=int, default=8, help="steps in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gib", type=float, default=1, help="memory read each round")
    return parser.parse_args()


def main() -> None:
    """Print the tables, and whether they say anything."""
    options = parse()
    torch.set_num_threads(options.threads)
    load = os.getloadavg()[0]
    header()
    print(
        f"{options.threads} threads, {options.layers} layers, PyTorch {torch.__version__}, load {load:.1f}"
    )
    all_ = contenders(options)
    reader = Reader(int(options.gib * 2**30))
    reads: list[float] = []
    for _ in range(options.rounds):
        reads.append(reader.read(options.threads))
        for one in all_:
            one.run(options.steps)
    memory = Bandwidth(tuple(reads))
    show(all_, memory)
    for one in all_[:2]:
        show_parts(one, memory)
    if load > 0.5 or memory.spread > SPREAD:
        print("\nno verdict: other work was running, or reads of the memory spread")


def show(all_: list[Contender], memory: Bandwidth) -> None:
    """The table of contenders."""
    own, dense = median(all_[0].steps), all_[2].weights
    rows = [
        [
            one.name,
            1 / median(one.steps),
            median(one.steps) * 1e3,
            spread(one.steps) * 100,
            median(one.steps) / own,
            one.weights / 1e6,
            one.weights / dense,
            one.resident / 1e6,
        ]
        for one in all_
    ]
    columns = ["model", "tokens/s", "ms a step", "spread, %", "time / first's"]
    columns += ["weights, MB", "weights / bf16's", "resident memory added, MB"]
    table(columns, rows)
    print(
        f"\nmemory: best read {memory.best / 1e9:.1f} GB/s, spread {memory.spread:.0%}"
    )


def show_parts(one: Contender, memory: Bandwidth) -> None:
    """Where the milliseconds of a step go."""
    head = one.generator.model.get_output_embeddings().weight
    parts = where(one.once, one.generator.cache_bytes, head)
    rows = [
        [p.name, p.calls, p.seconds * 1e3, p.bytes_ / 1e6, share(p, memory)]
        for p in parts
    ]
    columns = [one.name, "calls", "ms", "MB read", "of the memory's rate, %"]
    table(columns, rows)


def share(part: Any, memory: Bandwidth) -> float:
    """The rate at which a part reads, in percent of the memory's."""
    return 100 * part.bytes_ / max(part.seconds, 1e-9) / memory.best


if __name__ == "__main__":
    main()
