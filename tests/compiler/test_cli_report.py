"""The tables of a report: figures, kernels with their bytes and stalls, what grows with the context."""

import pytest

from dfc.cli_report import print_report
from dfc.runtime.report import (
    KernelRow,
    Report,
    StepRow,
    TierRow,
    Traffic,
    UnitRow,
)

DDR, KEYS = "tier.ddr: transfer", "unit.attention: K pass"


def step(context: int, passes: int) -> StepRow:
    """A decode step of 600 cycles of loading and so many of attention."""
    cycles = 600 + passes
    return StepRow(
        context=context,
        cycles=cycles,
        latency_s=cycles / 1e6,
        energy_j=1.0,
        parts={DDR: 600, KEYS: passes},
    )


@pytest.fixture
def report() -> Report:
    """Five steps, whose attention takes 80 cycles and 10 more from step to step."""
    steps = tuple(step(context, 80 + 10 * context) for context in range(5))
    cycles = sum(each.cycles for each in steps)
    attend = KernelRow(
        name="attend",
        origin="model.layers.0:sdpa",
        unit="attention",
        calls=5,
        cycles=500,
        tiers={"ddr": Traffic(read_bytes=2_000_000, written_bytes=500_000)},
        parts={KEYS: 500},
        stalls={"port.keys": 125, "control": 4},
    )
    load = KernelRow(
        name="load",
        origin="",
        unit="",
        calls=5,
        cycles=cycles - 500,
        tiers={},
        parts={DDR: cycles - 500},
        stalls={},
    )
    return Report(
        target="tiny-npu",
        cycles=cycles,
        latency_s=cycles / 1e6,
        energy_j=5.0,
        assumed_share=0.125,
        calibrated_share=0.5,
        parts={DDR: cycles - 500, KEYS: 500},
        kernels=(attend, load),
        units=(
            UnitRow(name="attention", busy_cycles=500, utilisation=500 / cycles),
            UnitRow(name="idle", busy_cycles=0, utilisation=0.0),
        ),
        links=(),
        tiers=(
            TierRow(
                name="ddr",
                capacity_bytes=8000,
                peak_bytes=4096,
                read_bytes=2_000_000,
                written_bytes=500_000,
            ),
        ),
        notes=("every index argument is 4",),
        decode_tokens_per_s=12.5,
        tokens_per_j=3.0,
        steps=steps,
    )


@pytest.fixture
def lines(report: Report, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The words of each line that is printed."""
    print_report(report)
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def line(lines: list[list[str]], *first: str) -> list[str]:
    """What follows these words in the line that begins with them."""
    found = [words for words in lines if tuple(words[: len(first)]) == first]
    assert found, f"no line begins with {' '.join(first)}"
    return found[0][len(first) :]


def test_figures_have_their_units_and_those_that_do_not_apply_are_left_out(lines):
    assert line(lines, "decode,", "tokens/s") == ["12.5"]
    assert line(
        lines, "of", "the", "time", "set", "by", "assumed", "numbers,", "%"
    ) == ["12.5"]
    assert not any("first" in words for words in lines)


def test_a_kernel_has_its_share_its_bytes_and_its_largest_stalls(lines):
    # 500 of 3,500 cycles; 2.5 MB of ddr; 4 of 500 cycles are too few to say
    assert line(lines, "attend") == [
        *("attention", "5", "500", "14.3", "2.5", "port.keys", "25%")
    ]


def test_the_longest_kernel_comes_first(lines):
    names = [words[0] for words in lines if words]
    assert names.index("load") < names.index("attend")


def test_units_that_did_nothing_are_left_out(lines):
    assert line(lines, "unit", "attention") == ["500", "14.3"]
    assert not any("idle" in words for words in lines)


def test_a_memory_has_its_capacity_peak_and_traffic(lines):
    assert line(lines, "ddr") == ["8,000", "4,096", "2,000,000", "500,000"]


def test_of_many_steps_the_first_and_the_last_say_what_grows(lines):
    assert line(lines, "at") == ["0", "at", "4", "growth"]
    assert line(lines, *KEYS.split()) != []
    grown = [words for words in lines if words[-1:] == ["+40"]]
    # in all, and the only part that grows
    assert [words[-3:-1] for words in grown] == [["680", "720"], ["80", "120"]]


def test_notes_are_said(lines):
    assert line(lines, "note:") == ["every", "index", "argument", "is", "4"]
