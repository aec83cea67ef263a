"""The benchmark programs of `benchmarks/programs.toml`: their list, and those of the small models."""

import tomllib
from pathlib import Path

import pytest

from dfc import zoo
from dfc.api import load
from dfc.runtime.errors import DfcError
from dfc.runtime.machine import list_targets
from dfc.runtime.simulator import Simulator, bound_of
from dfc.runtime.simulator.language_model import asked_of
from dfc.workload import Workload, plan

PROGRAMS = tomllib.loads(
    (Path(__file__).parents[2] / "benchmarks" / "programs.toml").read_text()
)
PREFILL, CONTEXTS = PROGRAMS["prefill"], tuple(PROGRAMS["contexts"])
TOO_LARGE = [
    (model, target)
    for model, targets in PROGRAMS["does_not_fit"].items()
    for target in targets
]
SMALL = ("bitnet-tiny", "llama-tiny")


def test_the_list_names_models_and_targets():
    assert (PREFILL, CONTEXTS) == (128, (1, 128, 1000))
    assert set(PROGRAMS["does_not_fit"]) <= set(zoo.known())
    assert {target for _, target in TOO_LARGE} <= set(list_targets())


@pytest.mark.slow
@pytest.mark.parametrize(("model", "target"), TOO_LARGE)
def test_what_is_left_out_does_not_fit(model: str, target: str):
    with pytest.raises(DfcError, match=r"fit in tier|of tier"):
        load(f"zoo:{model}", target, plan(PREFILL)).module("program")


@pytest.mark.slow
@pytest.mark.parametrize("target", list_targets())
@pytest.mark.parametrize("model", SMALL)
@pytest.mark.parametrize("workload", [plan(PREFILL), plan(context=CONTEXTS)])
def test_estimate_and_bound_beside_the_simulation_with_every_event_kept(
    model: str, target: str, workload: Workload
):
    module = load(f"zoo:{model}", target, workload).module("program")
    simulator = Simulator(module)
    for asked in asked_of(simulator, workload.prefill, workload.positions):
        exact = simulator.call(asked.function, asked.controls)
        unskipped = simulator.record(asked.function, asked.controls)
        assert exact.cycles == unskipped.cycles
        assert exact.counters == pytest.approx(unskipped.counters, rel=1e-9)
        about = simulator.estimate(asked.function, asked.controls)
        assert about.cycles == pytest.approx(exact.cycles, rel=0.05)
        assert about.counters == pytest.approx(exact.counters, rel=1e-9)
        assert bound_of(simulator.target, about.counters).cycles <= exact.cycles
