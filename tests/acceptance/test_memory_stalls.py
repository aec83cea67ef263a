"""A memory swept from starved to plenty: time goes from its bytes to the compute, and the report names the cause."""

from functools import cache

import pytest

from dfc.api import asked, load
from dfc.program import Program
from dfc.runtime.machine import link_rates, load_target
from dfc.runtime.report import Report
from dfc.runtime.simulator import simulate_language_model

pytestmark = pytest.mark.slow

RATES = [0.01, 0.1, 1.0, 10.0, 100.0, 1e4, 1e6]
STILL = {
    "tier.ddr.efficiency": 1,
    "tier.ddr.latency_ns": 0,
    # the host's bytes go through the memory's channel like all others
    "unit.host.roofline": True,
    # ports are never the limit
    **{
        f"port.{port}.bytes_per_cycle": 10**9
        for port in ("keys", "values", "ddr_read", "ddr_write")
    },
}
TOKENS = 32


@cache
def program() -> Program:
    """A prompt on the small machine, lowered once."""
    return load("zoo:llama-tiny", "tiny-npu", asked(prefill=TOKENS))


@cache
def run(gb_per_s: float) -> Report:
    """The prompt with DDR at this rate, of which everything is reached, without latency."""
    target = load_target("tiny-npu", {"tier.ddr.gb_per_s": gb_per_s, **STILL})
    module = program().module("program")
    return simulate_language_model(module, TOKENS, target=target)


def bytes_bound(gb_per_s: float) -> float:
    """Ticks that the bytes of DDR take at its rate."""
    (row,) = [row for row in run(gb_per_s).tiers if row.name == "ddr"]
    target = load_target("tiny-npu", {"tier.ddr.gb_per_s": gb_per_s, **STILL})
    return float((row.read_bytes + row.written_bytes) / link_rates(target)["tier.ddr"])


def compute_bound() -> int:
    """Ticks of the busiest unit, whatever the memory."""
    return max(row.busy_cycles for row in run(RATES[-1]).units)


@pytest.mark.parametrize("rate", RATES)
def test_the_time_is_never_below_the_bytes_or_the_compute(rate: float):
    assert run(rate).cycles >= bytes_bound(rate) * (1 - 1e-9)
    assert run(rate).cycles >= compute_bound()


def test_the_time_goes_from_the_one_to_the_other():
    times = [run(rate).cycles for rate in RATES]
    assert times == sorted(times, reverse=True)
    assert times[0] == pytest.approx(bytes_bound(RATES[0]), rel=0.02)
    assert times[-1] == times[-2]


def causes(rate: float) -> dict[str, float]:
    """Shares of the time by resource."""
    found: dict[str, float] = {}
    report = run(rate)
    for part, ticks in report.parts.items():
        resource = part.split(":")[0]
        found[resource] = found.get(resource, 0.0) + ticks / report.cycles
    return found


def test_the_report_names_the_cause_on_each_side():
    assert causes(RATES[0])["tier.ddr"] > 0.97
    assert causes(RATES[-1]).get("tier.ddr", 0.0) < 0.01
    stalls = [
        row.stalls.get("tier.ddr", 0) / row.cycles
        for row in run(RATES[0]).kernels
        if row.cycles > 10**6
    ]
    assert stalls
    assert min(stalls) > 0.9
