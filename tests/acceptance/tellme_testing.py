"""What the tests of BitNet on the modelled KV260 share: programs, each lowered once, and other numbers on them."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from xdsl.dialects.builtin import IndexType

from dfc.api import asked, load
from dfc.program import Program
from dfc.runtime.machine import load_target
from dfc.runtime.report import Report
from dfc.runtime.simulator import Simulator, simulate_language_model

LARGE, BOARD = "zoo:bitnet-b1.58-large", "tellme-kv260"
LAYERS, HIDDEN, HEADS, DEPTH, VOCABULARY = 24, 1536, 16, 96, 32002
REGION = 19 * 308 * 96
"""Bytes of a region of weights: 19 blocks of 84 inputs, 1,536 outputs in beats of 5, 96 bytes a beat."""
CAPACITY = 1001

PORTS = {"tier.ddr.efficiency_applies": "port"}

VARIANT = """
[variant]
class = "BitNetForCausalLM"
linear = "autobitlinear-online"
dtype = "float16"
source = "bitnet-b1.58-large with other sizes"

[variant.config]
hidden_size = 1536
intermediate_size = {inner}
num_hidden_layers = {layers}
num_attention_heads = 16
num_key_value_heads = 16
vocab_size = 32002
hidden_act = "silu"
tie_word_embeddings = true
bos_token_id = 1
eos_token_id = 2
"""


@cache
def large() -> Program:
    """The whole model, prompts of 64, a cache that has room for a context of 1,000."""
    workload = asked(prefill=64, decode=CAPACITY - 64)
    return at_program(load(LARGE, BOARD, workload))


@cache
def variant(
    layers: int = 1,
    inner: int = 4096,
    prefill: int = 64,
    batch: int = 1,
    schedule: str | None = None,
) -> Program:
    """The model with other sizes, from a zoo file of the user's own."""
    overrides = {"unit.attention.schedule": schedule} if schedule else {}
    workload = asked(prefill=prefill, decode=CAPACITY - prefill, batch=batch)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mine.toml"
        path.write_text(VARIANT.format(layers=layers, inner=inner))
        model = f"zoo:{path}#variant"
        return at_program(load(model, BOARD, workload, overrides=overrides))


def at_program(program: Program) -> Program:
    """The program, lowered."""
    program.module("program")
    return program


def board(overrides: Mapping[str, object] | None = None) -> Any:
    """The board, with other numbers."""
    return load_target(BOARD, overrides or {})


def report(
    program: Program,
    prefill: int | None = None,
    context: Sequence[int] | None = None,
    decode: int = 0,
    batch: int = 1,
) -> Report:
    """The report of a run of the program on its own target."""
    module = program.module("program")
    return simulate_language_model(module, prefill, decode, context, batch)


class Run:
    """One call of an entry function, on the program's own target or on one with other numbers."""

    def __init__(
        self,
        program: Program,
        entry: str,
        position: int = 0,
        overrides: Mapping[str, object] | None = None,
    ) -> None:
        own = program.target if overrides is None else board(overrides)
        self.simulator = Simulator(program.module("program"), own)
        arguments = self.simulator.planner.functions[entry].body.block.args
        self.entry = entry
        self.controls = {
            arg.index: position for arg in arguments if isinstance(arg.type, IndexType)
        }
        self.call = self.simulator.call(entry, self.controls)

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.call.cycles / float(self.simulator.target.ticks_per_second)

    def spent(self, kernel: str = "") -> dict[str, int]:
        """Cycles by `resource: what`, of kernels whose name ends so."""
        found: dict[str, int] = {}
        for category, ticks in self.call.composition.items():
            if category.kernel.endswith(kernel):
                name = f"{category.resource}: {category.what}"
                found[name] = found.get(name, 0) + ticks
        return found

    def total(self, quantity: str, where: str, kernel: str = "") -> float:
        """A counted quantity at a place, of kernels whose name ends so."""
        return sum(
            amount
            for key, amount in self.call.counters.items()
            if (key.quantity, key.where) == (quantity, where)
            and key.kernel.endswith(kernel)
        )

    def record(self):
        """The same call, op by op."""
        return self.simulator.record(self.entry, self.controls)


def decode_step(
    context: int = 64, overrides: Mapping[str, object] | None = None
) -> Run:
    """A decode step of the whole model."""
    return Run(large(), "decode", context, overrides)


def prompt(overrides: Mapping[str, object] | None = None) -> Run:
    """The prompt of 64 tokens of the whole model."""
    return Run(large(), "prefill", 0, overrides)
