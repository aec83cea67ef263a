"""What the metamorphic tests share: programs lowered once, and targets with other numbers."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

from xdsl.dialects.builtin import IndexType

from dfc.api import asked, load
from dfc.listing import numbers
from dfc.program import Program
from dfc.runtime.machine import Target, load_target, parse_target
from dfc.runtime.simulator import CallTime, Simulator

MODELS = ("zoo:bitnet-tiny", "zoo:llama-tiny")
PREFILL, DECODE = 16, 8

FASTER_WHEN_LARGER = {
    *("gb_per_s", "bytes_per_cycle", "efficiency", "port_efficiency", "banks"),
    *("gmac_per_s", "gelement_per_s", "lanes", "outputs_per_step", "epilogue_lanes"),
    "one_row_gmac_per_s",
}
FASTER_WHEN_SMALLER = {
    *("latency_ns", "overhead_ns", "row_cycle_ns", "launch_cycles", "copy_cycles"),
    "attention_ns",
    *("overhead_cycles", "build_cycles", "step_cycles", "head_iteration_cycles"),
    *("update_cycles", "exponential_cycles", "key_fill_cycles", "value_fill_cycles"),
    *("cycles_per_step", "cycles_per_element", "cycles_per_beat", "configure_cycles"),
}
AT_MOST_ONE = {"efficiency", "port_efficiency"}
IN_THE_IR = {"latency_cycles", "interval_cycles", "lanes", "stages"}
"""Of a fabric these are written into the graph when it is lowered."""
REAL_RATES = {"gb_per_s", "gmac_per_s", "gelement_per_s", "one_row_gmac_per_s"}
REAL_TIMES = {"latency_ns", "overhead_ns", "row_cycle_ns", "attention_ns"}
IN_TICKS = {"launch_cycles", "copy_cycles", "configure_cycles"}
"""Costs in ticks of the target's clock, whatever the clock of the unit."""


@cache
def program(model: str, target: str) -> Program:
    """The model on the target, lowered; a prompt, and a cache for the decode steps."""
    found = load(model, target, asked(prefill=PREFILL, decode=DECODE))
    found.module("program")
    return found


def calls(model: str, name: str, target: Target) -> tuple[CallTime, CallTime]:
    """The prompt and the last decode step of the model lowered for a target, with another's numbers."""
    simulator = Simulator(program(model, name).module("program"), target)
    last = PREFILL + DECODE - 1

    def call(entry: str, position: int) -> CallTime:
        arguments = simulator.planner.functions[entry].body.block.args
        indices = [arg.index for arg in arguments if isinstance(arg.type, IndexType)]
        return simulator.call(entry, dict.fromkeys(indices, position))

    return call("prefill", 0), call("decode", last)


def cycles(model: str, name: str, target: Target) -> tuple[int, int]:
    """Ticks of the prompt, and of the last decode step."""
    first, last = calls(model, name, target)
    return first.cycles, last.cycles


def ops(call: CallTime) -> int:
    """How many ops a call issues, each of which is rounded up to a tick once."""
    counted = ("launches", "copies", "exchanges")
    return int(sum(n for key, n in call.counters.items() if key.quantity in counted))


def holds_graphs(name: str) -> bool:
    """Whether a target has a stream fabric."""
    return any(unit.holds_graphs for unit in load_target(name).unit.values())


def speeds(name: str) -> Iterator[tuple[str, bool]]:
    """Each number of a target that says how fast something is, and whether that is faster when it is larger."""
    target = load_target(name)
    for key, number in numbers(target, ""):
        parts = key.split(".")
        words = set(parts)
        fabric = parts[0] == "unit" and target.unit[parts[1]].holds_graphs
        if not number.value or (fabric and words & IN_THE_IR):
            continue
        if words & FASTER_WHEN_LARGER:
            yield key, True
        elif words & FASTER_WHEN_SMALLER:
            yield key, False


def times_faster(name: str, factors: Mapping[str, float]) -> Target:
    """A target with numbers that are so many times faster, or slower below one, as far as their kind allows."""
    values = {key: number.value for key, number in numbers(load_target(name), "")}
    larger = dict(speeds(name))
    changed: dict[str, float] = {}
    for key, factor in factors.items():
        value = values[key] * factor if larger[key] else values[key] / factor
        if set(key.split(".")) & AT_MOST_ONE:
            value = min(1.0, value)
        whole = isinstance(values[key], int)
        changed[key] = max(int(larger[key]), int(value)) if whole else value
    return load_target(name, changed)


def every_clock(name: str, factor: float) -> Target:
    """Every clock times a factor, and with it what is stated in real time."""
    found: dict[str, float] = {}
    for key, number in numbers(load_target(name), ""):
        last = key.split(".")[-1]
        if last in ("clock_mhz", "mhz") or last in REAL_RATES:
            found[key] = number.value * factor
        elif last in REAL_TIMES:
            found[key] = number.value / factor
    return load_target(name, found)


def every_rate(name: str, factor: int) -> Target:
    """Every rate times a factor, every latency and cost of an issue by it; the target's clock as it is."""
    target = load_target(name)
    found: dict[str, object] = {f"unit.{unit}.clock": "faster" for unit in target.unit}
    for key, number in numbers(target, ""):
        last = key.split(".")[-1]
        if last in REAL_RATES | {"bytes_per_cycle"}:
            found[key] = number.value * factor
        elif last in IN_TICKS:
            assert number.value % factor == 0
            found[key] = number.value // factor
        elif last in REAL_TIMES:
            found[key] = number.value / factor
    text = (resources.files("dfc.runtime.targets") / f"{name}.toml").read_text()
    mhz = target.clock_mhz.value * factor
    clock = f'\n[clock.faster]\nmhz = {mhz}\nsource = "{factor} times the target\'s"\n'
    return parse_target(text + clock, f"{name}.toml", found)
