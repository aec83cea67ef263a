"""
Write the tables of docs/machines/tensor-parallel.md: `python scripts/tensor_parallel_page.py`.

Text between `<!-- NAME -->` and `<!-- end -->` is replaced by the table of the model NAME.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from dfc.api import simulate
from dfc.runtime.machine import load_target
from dfc.runtime.report import Report

PAGE = Path(__file__).parents[1] / "docs" / "machines" / "tensor-parallel.md"
TARGETS = ("sn40l-node", "a100", "h100")
SCALES = {"x1/4": 0.25, "x1": 1.0, "x4": 4.0}
CONTEXT = 4096
HEADS = ("node", "between sockets", "bound, ms", "step, ms", "tokens/s", "network, ms")
TABLE = "| --- | --- | --: | --: | --: | --: | --: |"


@dataclass(frozen=True)
class Model:
    """A Llama's sizes, in elements; weights and caches have two bytes each."""

    layers: int
    width: int
    inner: int
    groups: int
    head: int = 128
    vocabulary: int = 32_000

    def bytes_per_socket(self, sockets: int, positions: int) -> int:
        """
        What a socket must read for a token: its part of all matrices and of the keys and values.

        A layer has q and o (width x width), k and v (width x groups of heads), gate, up and down
        (width x inner); the LM head is width x vocabulary; of the embedding a row is read.
        """
        row = self.groups * self.head
        layer = 2 * self.width**2 + 2 * self.width * row + 3 * self.width * self.inner
        weights = self.layers * layer + self.width * self.vocabulary
        cache = 2 * self.layers * row * positions
        return 2 * (weights + cache) // sockets


MODELS = {
    "llama2-7b": Model(32, 4096, 11_008, 32),
    "llama2-70b": Model(80, 8192, 28_672, 8),
}


def overrides(target: str, scale: float) -> dict[str, object]:
    """A node of a target whose links have a multiple of their rate."""
    network = load_target(target).network
    assert network is not None
    rate = float(network.gb_per_s) * scale
    return {"pipeline": "tensor-parallel", "network.gb_per_s": rate}


def step(model: str, target: str, scale: float) -> Report:
    """One decode step."""
    changes = overrides(target, scale)
    return simulate(f"zoo:{model}", target, context=CONTEXT, overrides=changes)


def bound_s(model: str, target: str) -> float:
    """The bytes of a token over the rate that the memory of a socket reaches."""
    machine = load_target(target)
    memory = machine.tier["hbm"]
    assert machine.network is not None
    assert memory.gb_per_s is not None
    reached = memory.efficiency_of("sequential")
    rate = float(memory.gb_per_s) * 1e9 * (1.0 if reached is None else float(reached))
    sockets = machine.network.sockets.value
    return MODELS[model].bytes_per_socket(sockets, CONTEXT + 1) / rate


def share_of_peak(model: str, target: str, seconds: float) -> float:
    """The part of the memory's peak rate at which a token's bytes are read in a time."""
    machine = load_target(target)
    rate, network = machine.tier["hbm"].gb_per_s, machine.network
    assert rate is not None
    assert network is not None
    size = MODELS[model].bytes_per_socket(network.sockets.value, CONTEXT + 1)
    return size / (seconds * float(rate) * 1e9)


def network_s(found: Report) -> float:
    """The time that the step waits for the network."""
    ticks = sum(n for part, n in found.parts.items() if part.startswith("network:"))
    return found.latency_s * ticks / found.cycles


def row(model: str, target: str, name: str) -> str:
    """One line of a model's table."""
    found = step(model, target, SCALES[name])
    cells = (
        f"`{target}`",
        name,
        f"{1e3 * bound_s(model, target):.2f}",
        f"{1e3 * found.latency_s:.2f}",
        f"{1 / found.latency_s:.0f}",
        f"{1e3 * network_s(found):.2f}",
        f"{100 * share_of_peak(model, target, found.latency_s):.0f}%",
    )
    return f"| {' | '.join(cells)} |"


def table(model: str) -> str:
    """All targets at all rates between sockets."""
    lines = [f"| {' | '.join((*HEADS, 'of the peak'))} |", TABLE]
    lines += [row(model, target, name) for target in TARGETS for name in SCALES]
    return "\n".join(lines)


def main() -> None:
    """Replace the tables."""
    text = PAGE.read_text()
    for model in MODELS:
        made = f"<!-- {model} -->\n{table(model)}\n<!-- end -->"
        text = re.sub(rf"<!-- {model} -->.*?<!-- end -->", made, text, flags=re.DOTALL)
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
