"""A program in Python: its levels, values, time, and the file it is kept in."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from xdsl.utils.exceptions import PassFailedException

import dfc
from dfc.errors import InputError, PassError

TEXT = Path(__file__).parents[1] / "filecheck" / "cli" / "simulate.mlir"
X = np.arange(512, dtype=np.float32).reshape(8, 64)


@pytest.fixture
def program() -> dfc.Program:
    """Eight rows that are copied on chip, doubled and copied back; written at program level."""
    return dfc.compile(str(TEXT), target="tiny-npu")


def test_its_values_are_computed_on_the_modelled_machine(program: dfc.Program):
    (y,) = program(X)
    assert np.array_equal(y, X + X)


def test_its_time_follows_from_the_target(program: dfc.Program):
    report = program.simulate()
    (ddr,) = [tier for tier in report.tiers if tier.name == "ddr"]
    # eight rows of 64 float32, there and back
    assert (ddr.read_bytes, ddr.written_bytes) == (8 * 64 * 4, 8 * 64 * 4)
    # two of tiny-npu's latencies of 100 ns at 500 MHz per row, and nothing overlaps
    assert report.parts["tier.ddr: latency"] == 8 * 2 * 50


def test_an_override_changes_the_time(program: dfc.Program):
    slow = dfc.compile(
        str(TEXT), target="tiny-npu", overrides={"tier.ddr.latency_ns": 200}
    )
    assert slow.simulate().cycles - program.simulate().cycles == 8 * 2 * 50


def test_text_is_a_model_too(program: dfc.Program):
    again = dfc.compile(program.ir("program"), target="tiny-npu")
    assert again.ir("program") == program.ir("program")


def test_levels_above_its_source_do_not_exist(program: dfc.Program):
    with pytest.raises(InputError, match="expected level `program` or a later one"):
        program.ir("tiled")
    with pytest.raises(InputError, match="did you mean `placed`"):
        program.ir("place")


def test_it_comes_back_from_its_file(program: dfc.Program, tmp_path: Path):
    program.weights = {
        "w": np.ones(3, np.float16),
        "b": np.arange(4, dtype=np.float32).astype("bfloat16"),
    }
    program.save(tmp_path / "p.dfc")
    again = dfc.load(tmp_path / "p.dfc")
    assert again.ir("program") == program.ir("program")
    assert again.target == program.target
    assert again.weights is not None
    for name, weight in program.weights.items():
        assert again.weights[name].dtype == weight.dtype
        assert np.array_equal(again.weights[name], weight)
    assert np.array_equal(again(X)[0], X + X)


def test_another_file_is_no_program(tmp_path: Path):
    path = tmp_path / "p.dfc"
    path.write_text("hello")
    with pytest.raises(InputError, match="expected a program saved by dfc"):
        dfc.load(path)


def test_wrong_inputs_are_one_sentence(program: dfc.Program):
    with pytest.raises(dfc.DfcError, match="expected shape 8x64 for input 0"):
        program(X[:4])
    with pytest.raises(dfc.DfcError, match="expected float32 for input 0"):
        program(X.astype(np.float64))


def test_a_thing_that_is_no_model_is_refused():
    with pytest.raises(InputError, match=r"expected a module, .* got `int`"):
        dfc.compile(3, target="tiny-npu")


def test_a_saved_program_takes_tensors(tmp_path: Path):
    layer = nn.Linear(8, 4).to(torch.bfloat16)
    x = torch.randn(2, 8).to(torch.bfloat16)
    compiled = dfc.compile(layer, (x,))
    compiled.save(tmp_path / "p.dfc")
    (y,) = dfc.load(tmp_path / "p.dfc")(x)
    assert (y.dtype, y.shape) == (torch.bfloat16, (2, 4))
    assert torch.equal(y, compiled(x))


def test_a_pass_that_cannot_proceed_is_one_sentence():
    text = """
    func.func @main(%x: tensor<8x64xf32>) -> tensor<8x64xf32> {
      %e = tensor.empty() : tensor<8x64xf32>
      %y = linalg.exp ins(%x : tensor<8x64xf32>) outs(%e : tensor<8x64xf32>) -> tensor<8x64xf32>
      func.return %y : tensor<8x64xf32>
    }"""
    with pytest.raises(PassError) as caught:
        dfc.compile(text, overrides={"tier.ddr.capacity_gib": 1e-6})
    sizes = "of 2048 bytes does not fit in tier `ddr` (1073 bytes, 0 taken)"
    assert sizes in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.where == "`func.func`"
    assert isinstance(caught.value.__cause__, PassFailedException)
