"""Bad input ends with one sentence and status 1, never with a traceback; with `--json` as an object."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dfc.cli import status

TINY = (
    Path(__file__).parents[2].joinpath("runtime", "targets", "tiny-npu.toml")
).read_text()
GOOD = """
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = arith.addf %x, %x : tensor<2xf32>
  func.return %y : tensor<2xf32>
}
"""
LINEAR = """
func.func @main(%x: tensor<2x32xf32>, %w: tensor<16x32x!ternary.trit> {dfc.weight = "w"}, %s: tensor<f32>) -> tensor<2x16xf32> {
  %y = ternary.linear %x, %w scale %s : (tensor<2x32xf32>, tensor<16x32x!ternary.trit>, tensor<f32>) -> tensor<2x16xf32>
  func.return %y : tensor<2x16xf32>
}
"""
HEAD = "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {\n"
CALL = "%y = func.call @main(%x) : (tensor<2xf32>) -> tensor<2xf32>\n"
UNIT = re.compile(r"\[unit\.host\].*?(?=\[tier\.sram\])", re.DOTALL)
WITHOUT_HOST = UNIT.sub("", TINY)
WITHOUT_VECTOR = re.sub(
    r"\[unit\.vector.*?(?=\[unit\.attention\])", "", WITHOUT_HOST, flags=re.DOTALL
)

FILES: dict[str, str] = {
    "good.mlir": GOOD,
    "linear.mlir": LINEAR,
    "garbage.mlir": "hello world",
    "half.mlir": GOOD.replace("f32", "f16"),
    "double.mlir": GOOD.replace("f32", "f64"),
    "ill.mlir": GOOD.replace("-> tensor<2xf32>", "-> tensor<3xf32>", 1),
    "undefined.mlir": GOOD.replace("return %y", "return %z"),
    "none.mlir": "builtin.module {}",
    "dynamic.mlir": GOOD.replace("<2x", "<?x"),
    "scalar.mlir": "func.func @main(%x: f32) -> f32 {\n  func.return %x : f32\n}",
    "empty.mlir": GOOD.replace("<2x", "<0x"),
    "recursive.mlir": HEAD + CALL + "func.return %y : tensor<2xf32>\n}",
    "text.pt2": "hello",
    "text.npz": "hello",
    "text.dfc": "hello",
    "model.onnx": "hello",
    "zoo.toml": '[m]\nclass = "torch.nn.Linear"\nsource = "x"\n'
    "config = { in_features = 8, out_features = 4 }\n"
    "inputs = [{ shape = [2, 9] }]\n"
    '[n]\nclass = "LlamaForCausalLM"\nsource = "x"\nconfig = { hidden_size = 7 }\n',
    "malformed.toml": "[unit",
    "negative.toml": TINY.replace("rows = 32", "rows = -32"),
    "mistyped.toml": TINY.replace("clock_mhz", "clok_mhz"),
    "without.toml": TINY.replace("clock_mhz = 500", ""),
    "unknown.toml": TINY.replace("rows = 32", "rows = 32\nrow = 3"),
    "units.toml": re.sub(r"\[unit.*(?=\[tier\.sram\])", "", TINY, flags=re.DOTALL),
    "kind.toml": TINY.replace('"systolic"', '"sistolic"'),
    "tier.toml": TINY.replace('data_tier = "sram"', 'data_tier = "srm"', 1),
    "novector.toml": WITHOUT_VECTOR,
    "nohost.toml": WITHOUT_HOST,
}
ARRAYS: dict[str, dict[str, np.ndarray]] = {
    "shape.npz": {"arr_0": np.zeros(3, np.float32)},
    "dtype.npz": {"arr_0": np.zeros(2, np.int32)},
    "many.npz": {"a": np.zeros(2, np.float32), "b": np.zeros(2, np.float32)},
}

SIMULATE = ("simulate", "good.mlir", "-t")
ON_TINY = ("-t", "tiny-npu")
LM = ("simulate", "zoo:bitnet-tiny", *ON_TINY)
RUN = ("run", "good.mlir", *ON_TINY, "--inputs")
OPT = ("opt", "good.mlir", "-p")

CASES: list[tuple[tuple[str, ...], str]] = [
    # names
    ((*SIMULATE, "tiny-nqu"), "did you mean `tiny-npu`"),
    (("simulate", "zoo:bitnet-tinny", *ON_TINY), "did you mean `bitnet-tiny`?"),
    (("simulate", "bitnet-tiny", *ON_TINY), "did you mean `zoo:bitnet-tiny`?"),
    ((*OPT, "tile-kernel"), "did you mean `tile-kernels`?"),
    ((*OPT, "attach-target{targt=tiny-npu}"), "it takes target: str"),
    ((*OPT, 'run-upstream{pipeline="foo"}'), "'foo' does not refer to"),
    ((*OPT, "tile-kernels"), "attach one with `-t`"),
    (("compile", "good.mlir", *ON_TINY, "--emit", "plcaed"), "did you mean `placed`?"),
    (("opt", "good.mlir", "--set", "clock_mhz=1"), "add -t"),
    # target files
    ((*SIMULATE, "malformed.toml"), "malformed.toml: expected TOML"),
    ((*SIMULATE, "missing.toml"), "no such file"),
    ((*SIMULATE, "negative.toml"), "`unit.array.rows`: expected a number above 0"),
    ((*SIMULATE, "mistyped.toml"), "missing key `clock_mhz`, found `clok_mhz`"),
    ((*SIMULATE, "without.toml"), "missing key `clock_mhz`"),
    ((*SIMULATE, "unknown.toml"), "unknown key `row` in [unit.array]"),
    ((*SIMULATE, "units.toml"), "missing key `unit`"),
    ((*SIMULATE, "kind.toml"), "got `sistolic`"),
    ((*SIMULATE, "tier.toml"), "did you mean `sram`"),
    ((*SIMULATE, "tiny-npu", "--set", "unit.arry.rows=3"), "did you mean `array`"),
    ((*SIMULATE, "tiny-npu", "--set", "unit.array.rows=x"), "expected a number"),
    # what a target cannot do
    ((*SIMULATE, "novector.toml"), "expected a unit of target `novector`"),
    (("simulate", "double.mlir", "-t", "nohost.toml"), "on tensor<2xf64>"),
    (
        (
            "simulate",
            "linear.mlir",
            *ON_TINY,
            "--set",
            "tier.ddr.capacity_gib=0.0000001",
        ),
        "tier `ddr`",
    ),
    # models
    (("simulate", "garbage.mlir", *ON_TINY), "garbage.mlir:1:7: operation hello"),
    (("simulate", "ill.mlir", *ON_TINY), "`func.return`: expected"),
    (("simulate", "undefined.mlir", *ON_TINY), "not defined: [%z]"),
    (("run", "none.mlir", *ON_TINY), "expected a public function"),
    (("run", "dynamic.mlir", *ON_TINY), "expected tensors of static shape"),
    (("simulate", "scalar.mlir", *ON_TINY), "got `f32` as argument 0 of `@main`"),
    (("simulate", "empty.mlir", *ON_TINY), "expected tensors with elements"),
    (("simulate", "recursive.mlir", *ON_TINY), "a recursion through `@main`"),
    (("opt", "recursive.mlir", "-p", "cse", "--check-values"), "a recursion"),
    (("simulate", "text.pt2", *ON_TINY), "not a program saved by torch.export"),
    (("simulate", "text.dfc", *ON_TINY), "expected a program saved by dfc"),
    (("simulate", "model.onnx", *ON_TINY), "other files are not read"),
    (("simulate", "missing.mlir", *ON_TINY), "no such file"),
    (("simulate", "folder.mlir", *ON_TINY), "is a directory"),
    (("simulate", "folder.pt2", *ON_TINY), "found a folder"),
    (("simulate", "zoo:zoo.toml", *ON_TINY), "a file's model is `zoo.toml#NAME`"),
    (("simulate", "zoo:zoo.toml#m", *ON_TINY), "expected arguments that `Linear` runs"),
    (("simulate", "zoo:zoo.toml#n", *ON_TINY), "does not take this configuration"),
    # inputs and outputs
    ((*RUN, "shape.npz"), "expected shape 2 for input 0 of `@main`, got 3"),
    ((*RUN, "dtype.npz"), "expected float32 for input 0 of `@main`"),
    ((*RUN, "many.npz"), "expected at most 1 arrays, got 2"),
    ((*RUN, "one.npy"), "expected an `.npz` file"),
    ((*RUN, "text.npz"), "expected an `.npz` file"),
    ((*RUN, "missing.npz"), "no such file"),
    (("compile", "good.mlir", *ON_TINY, "-o", "no/x.dfc"), "cannot open `no/x.dfc`"),
    (("run", "good.mlir", *ON_TINY, "-o", "no/x.npz"), "cannot open `no/x.npz`"),
    # workloads
    ((*LM, "--prefill", "4", "--decode", "2", "--set", "max_tokens=5"), "at most 5"),
    ((*LM, "--context", "4", "--prefill", "3"), "`context` excludes `prefill`"),
    ((*LM, "--context", "4,0"), "expected `context` of at least 1"),
    ((*LM, "--dtype", "fp16"), "expected a dtype of float32, float16, bfloat16"),
    ((*SIMULATE, "tiny-npu", "--prefill", "4"), "is not a language model"),
    ((*SIMULATE, "tiny-npu", "--batch", "2"), "is not a language model"),
    ((*SIMULATE, "tiny-npu", "--dtype", "float16"), "leave out dtype"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All the files, in the present folder."""
    for name, text in FILES.items():
        stem = Path(name).stem
        own = text.replace('name = "tiny-npu"', f'name = "{stem}"')
        (tmp_path / name).write_text(own)
    for name, arrays in ARRAYS.items():
        np.savez(tmp_path / name, **arrays)
    np.save(tmp_path / "one.npy", np.zeros(2, np.float32))
    for name in ("folder.mlir", "folder.pt2"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("args", "message"),
    CASES,
    ids=lambda v: v[:60] if isinstance(v, str) else " ".join(v),
)
def test_one_sentence_and_status_1(
    args: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
):
    assert status(args) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"error: [^\n]+[^.\n]\n", err), err
    assert message in err


def test_the_sentence_as_json(capsys: pytest.CaptureFixture[str]):
    for args, message in CASES[:4] + CASES[-4:]:
        assert status([*args, "--json"]) == 1
        out, err = capsys.readouterr()
        assert err == ""
        error = json.loads(out)["error"]
        assert message in error["message"]
        assert set(error) == {"message", "where"}


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("frob",),
        ("simulate",),
        ("simulate", "good.mlir"),
        ("simulate", "good.mlir", *ON_TINY, "--jsn"),
        ("simulate", "good.mlir", *ON_TINY, "--prefill", "0"),
        ("simulate", "good.mlir", *ON_TINY, "--context", "4,"),
        ("run", "good.mlir", *ON_TINY, "--seed", "-1"),
        ("targets", "tiny-npu", "--set", "=3"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_status_2(args: tuple[str, ...]):
    assert status(args) == 2


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, capsys):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dfc.cli_opt.print", full, raising=False)
    assert status(("opt", "good.mlir")) == 1
    assert capsys.readouterr().err == "error: cannot write: no space left on device\n"


def test_a_saved_program_is_a_model(capsys: pytest.CaptureFixture[str]):
    assert status(("compile", "good.mlir", *ON_TINY, "-o", "good.dfc")) == 0
    assert status(("run", "good.dfc", *ON_TINY)) == 0
    assert status(("simulate", "good.dfc", *ON_TINY, "--json")) == 0
    assert status(("simulate", "good.dfc", "-t", "tellme-kv260")) == 1
    assert "expected target `tiny-npu`" in capsys.readouterr().err


def test_an_archive_of_something_else_is_no_program():
    from dfc.errors import InputError
    from dfc.storage import load

    for about in ("{}", "[]", "nonsense"):
        with zipfile.ZipFile("other.dfc", "w") as archive:
            for name in ("source.mlir", "program.mlir", "weights.safetensors"):
                archive.writestr(name, "")
            archive.writestr("about.json", about)
        with pytest.raises(InputError, match="expected a program saved by dfc"):
            load("other.dfc")
