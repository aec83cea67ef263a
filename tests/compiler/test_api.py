"""`dfc.compile` and `dfc.simulate` on PyTorch models and on the zoo."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import dfc
from dfc.errors import InputError


class Two(nn.Module):
    """Gives a dictionary and takes a keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 8)

    def forward(self, x: torch.Tensor, *, shift: torch.Tensor) -> dict[str, object]:
        """A hidden layer and its shifted square."""
        y = self.linear(x)
        return {"hidden": y, "parts": (y * y + shift, 3)}


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """A model with random weights that are always the same."""
    torch.manual_seed(0)
    return Two().eval()


def test_a_program_gives_what_the_module_gives(model: nn.Module):
    x, shift = torch.randn(4, 16), torch.randn(8)
    program = dfc.compile(model, (x,), {"shift": shift}, target="tiny-npu")
    other = torch.randn(4, 16)
    found, expected = program(other, shift=shift), model(other, shift=shift)
    assert found.keys() == expected.keys()
    torch.testing.assert_close(found["hidden"], expected["hidden"])
    torch.testing.assert_close(found["parts"][0], expected["parts"][0])
    assert found["parts"][1] == 3


def test_inputs_that_do_not_fit_are_one_sentence(model: nn.Module):
    x, shift = torch.randn(4, 16), torch.randn(8)
    program = dfc.compile(model, (x,), {"shift": shift})
    with pytest.raises(dfc.DfcError, match="expected float32 of shape"):
        program(x[:2], shift=shift)
    with pytest.raises(dfc.DfcError, match="expected float32 of shape"):
        program(x.double(), shift=shift)


def test_an_exported_program_and_its_file(model: nn.Module, tmp_path: Path):
    x, shift = torch.randn(4, 16), torch.randn(8)
    exported = torch.export.export(model, (x,), {"shift": shift})
    program = dfc.compile(exported, target="tiny-npu")
    expected = model(x, shift=shift)
    torch.testing.assert_close(program(x, shift=shift)["hidden"], expected["hidden"])
    path = tmp_path / "m.pt2"
    torch.export.save(exported, path)
    again = dfc.compile(str(path), target="tiny-npu")
    torch.testing.assert_close(again(x, shift=shift)["hidden"], expected["hidden"])
    with pytest.raises(InputError, match="is not a language model"):
        dfc.simulate(str(path), "tiny-npu", prefill=4)


def test_a_file_that_is_no_program_leaves_no_traceback(tmp_path: Path):
    path = tmp_path / "m.pt2"
    path.write_bytes(b"nothing of torch's")
    dfc_command = Path(sys.executable).with_name("dfc")
    run = subprocess.run(
        [dfc_command, "run", path, "-t", "tiny-npu"], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("error: ")
    assert run.stderr.count("\n") == 1


@pytest.mark.slow
def test_totals_are_over_the_prompt_and_every_step():
    report = dfc.simulate("zoo:bitnet-tiny", "tiny-npu", prefill=4, decode=3)
    assert [step.context for step in report.steps] == [4, 5, 6]
    latencies = [step.latency_s for step in report.steps]
    assert report.latency_s == pytest.approx(report.ttft_s + sum(latencies))
    assert report.decode_tokens_per_s == pytest.approx(3 / sum(latencies))
    cycles = sum(kernel.cycles for kernel in report.kernels)
    assert cycles == report.cycles
    again = dfc.simulate("zoo:bitnet-tiny", "tiny-npu", prefill=4, decode=3)
    assert again == report


@pytest.mark.slow
def test_contexts_are_one_step_each():
    report = dfc.simulate("zoo:bitnet-tiny", "tiny-npu", context=(8, 32))
    assert [step.context for step in report.steps] == [8, 32]
    assert report.ttft_s is None
    assert report.steps[0].cycles < report.steps[1].cycles


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "tellme-kv260", "prefill": 2000}, "at most 1024 tokens"),
        ({"target": "tiny-npu", "dtype": "float8"}, "expected a dtype of"),
        ({"target": "tiny-npux"}, "did you mean `tiny-npu`"),
        ({"target": "tiny-npu", "overrides": {"tier.sram.size": 3}}, "size"),
    ],
)
def test_bad_requests_are_one_sentence(options, message: str):
    with pytest.raises(dfc.DfcError, match=message) as error:
        dfc.simulate("zoo:bitnet-tiny", **options)
    assert "\n" not in str(error.value)


def test_a_half_precision_program_is_read_back(tmp_path: Path):
    model = nn.Linear(16, 8, dtype=torch.bfloat16)
    x = torch.ones(4, 16, dtype=torch.bfloat16)
    program = dfc.compile(model, (x,), target="tiny-npu")
    program.save(tmp_path / "p.dfc")
    kept = dfc.load(tmp_path / "p.dfc")
    for level in ("tensor", "program"):
        assert kept.ir(level) == program.ir(level)
