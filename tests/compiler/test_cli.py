"""The command line: exit status, one sentence per error, JSON."""

import json

import pytest

from dfc.cli import status
from dfc.passes import PASSES
from dfc.pipelines import PIPELINES

GOOD = """
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = arith.addf %x, %x : tensor<2xf32>
  func.return %y : tensor<2xf32>
}
"""
ILL_FORMED = """
func.func @main(%q: tensor<2x8xi8>, %w: tensor<4x9x!ternary.trit>) -> tensor<2x4xi32> {
  %a = ternary.matmul %q, %w {dfc.origin = "layer:mm"} : (tensor<2x8xi8>, tensor<4x9x!ternary.trit>) -> tensor<2x4xi32>
  func.return %a : tensor<2x4xi32>
}
"""


@pytest.fixture
def file(tmp_path):
    """Write a text to a file and give its path."""

    def write(text: str, name: str = "x.mlir") -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def error(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    """The exit status and the one line on stderr; nothing stands on stdout."""
    code = status(args)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    return code, err.strip()


def test_every_listed_pass_of_a_pipeline_exists(capsys: pytest.CaptureFixture[str]):
    from dfc.driver import parse_passes

    for pipeline in PIPELINES.values():
        for run in pipeline:
            assert parse_passes(",".join(run)) or not run


def test_passes_as_json(capsys: pytest.CaptureFixture[str]):
    assert status(["passes", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in shown["passes"]] == list(PASSES)
    assert shown["pipelines"]["dataflow"]["placed"] == [
        "place-buffers",
        "verify-placement",
    ]


LINEAR = """
func.func @main(%x: tensor<4x52xf32>, %w: tensor<100x52x!ternary.trit> {dfc.weight = "w"}, %c: tensor<f32> {dfc.weight = "c"}) -> tensor<4x100xf32> {
  %y = ternary.linear %x, %w scale %c : (tensor<4x52xf32>, tensor<100x52x!ternary.trit>, tensor<f32>) -> tensor<4x100xf32>
  func.return %y : tensor<4x100xf32>
}"""


def test_native_code_branches_off_for_the_host(
    file, capsys: pytest.CaptureFixture[str]
):
    assert status(["compile", file(LINEAR), "-t", "host", "--emit", "native"]) == 0
    out = capsys.readouterr().out
    assert out.count("dfc.isa = ") == out.count("func.func") == 2
    assert "ternary." not in out


def test_a_pipeline_without_native_code_is_told(
    file, capsys: pytest.CaptureFixture[str]
):
    options = ("-t", "tiny-npu", "--emit", "native")
    code, err = error(capsys, "compile", file(LINEAR), *options)
    assert code == 1
    assert "a pipeline that leads to `native` (host), got `dataflow`" in err


def test_one_pass_shows_its_rewrite(capsys: pytest.CaptureFixture[str]):
    assert status(["passes", "attach-target"]) == 0
    assert "-->" in capsys.readouterr().out


def test_one_target_shows_where_its_numbers_come_from(
    capsys: pytest.CaptureFixture[str],
):
    assert status(["targets", "tellme-kv260"]) == 0
    out = capsys.readouterr().out
    assert "calibrated" in out
    assert "arXiv 2510.15926" in out


def test_an_override_shows_as_assumed(capsys: pytest.CaptureFixture[str]):
    assert status(["targets", "tiny-npu", "--set", "clock_mhz=123", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["clock_mhz"] == {
        "value": 123,
        "kind": "assumed",
        "note": "set by the user",
    }


def test_opt_writes_a_file(file, tmp_path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / "out.mlir"
    assert status(["opt", file(GOOD), "-p", "cse", "-o", str(output)]) == 0
    assert capsys.readouterr().out == ""
    assert "arith.addf" in output.read_text()


def test_ill_formed_ir_names_op_and_origin(file, capsys: pytest.CaptureFixture[str]):
    code, message = error(capsys, "opt", file(ILL_FORMED))
    assert (code, message) == (
        1,
        'error: `ternary.matmul` ("layer:mm"): expected `w` with 8 columns, got 9',
    )


def test_a_parse_error_names_line_and_column(file, capsys: pytest.CaptureFixture[str]):
    path = file("func.func @main() {\n  nonsense\n}\n")
    code, message = error(capsys, "opt", path)
    assert code == 1
    assert f"{path}:3:1: operation nonsense is not registered" in message


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["opt", "nowhere.mlir"], "cannot open `nowhere.mlir`"),
        (["opt", "{file}", "-p", "csee"], "did you mean `cse`?"),
        (["opt", "{file}", "-p", "zzzzzz"], "`dfc passes` lists those of dfc"),
        (["opt", "{file}", "-p", "cse{a=1}"], "it takes no options"),
        (["opt", "{file}", "-p", "cse{"], "cannot read the list of passes"),
        (["opt", "{file}", "-t", "tiny-nqu"], "did you mean `tiny-npu`"),
        (["opt", "{file}", "-t", "tiny-npu", "--set", "a.b=1"], "cannot set `a.b`"),
        (["opt", "{bytes}"], "found bytes that are not text"),
        (["passes", "attach-targets"], "did you mean `attach-target`?"),
        (["targets", "tellme"], "did you mean `tellme-kv260`"),
        (["targets", "{broken}"], "expected TOML"),
        (["models", "bitnet-tinny"], "did you mean `bitnet-tiny`?"),
        (["simulate", "zoo:bitnet-tinny", "-t", "tiny-npu"], "did you mean"),
        (["simulate", "x.onnx", "-t", "tiny-npu"], "other files are not read"),
        (["simulate", "x.pt2", "-t", "tiny-npu"], "expected a model file at `x.pt2`"),
        (["simulate", "{file}", "-t", "tiny-npu", "--prefill", "4"], "leave out"),
        (["simulate", "{file}", "-t", "tiny-npu", "-o", "x.txt"], "`.json`"),
        (["run", "{file}", "-t", "tiny-npu", "-o", "x.txt"], "`.npz`"),
        (["run", "{file}", "-t", "tiny-npu", "--inputs", "no.npz"], "cannot open"),
        (["compile", "{file}", "-t", "tiny-npu", "--emit", "plcaed"], "`placed`"),
        (
            ["targets", "tiny-npu", "--set", "pipeline=dataflo"],
            "target `tiny-npu`: no `pipeline` is called `dataflo`: did you mean `dataflow`",
        ),
        (
            ["simulate", "{file}", "-t", "tiny-npu", "--set", "pipeline=dataflo"],
            "target `tiny-npu`: no `pipeline`",
        ),
        (["compile", "{file}", "-t", "tiny-npu", "--dtype", "float16"], "own dtypes"),
        (
            ["simulate", "zoo:bitnet-tiny", "-t", "tiny-npu", "--decode", "4"],
            "`context`",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_status_1(
    args, message: str, file, tmp_path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "b.mlir").write_bytes(b"\xff\xfe\x00")
    paths = {
        "file": file(GOOD),
        "bytes": str(tmp_path / "b.mlir"),
        "broken": file("name = ", "broken.toml"),
    }
    for name, path in paths.items():
        args = [path if arg == f"{{{name}}}" else arg for arg in args]
    code, found = error(capsys, *args)
    assert code == 1
    assert found.startswith("error: ")
    assert message in found


@pytest.mark.parametrize(
    "args",
    [
        ["opt"],
        ["opt", "x.mlir", "--frob"],
        ["optt"],
        ["simulate", "zoo:bitnet-tiny"],
        ["simulate", "zoo:bitnet-tiny", "-t", "tiny-npu", "--prefill", "many"],
        ["simulate", "zoo:bitnet-tiny", "-t", "tiny-npu", "--context", "1,x"],
        ["targets", "tiny-npu", "--set", "clock_mhz"],
    ],
)
def test_a_wrong_option_is_status_2(args, capsys: pytest.CaptureFixture[str]):
    assert error(capsys, *args)[0] == 2


def test_an_error_as_json(capsys: pytest.CaptureFixture[str]):
    assert status(["opt", "nowhere.mlir", "--json"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["error"] == {
        "message": "cannot open `nowhere.mlir`: no such file or directory",
        "where": "nowhere.mlir",
    }


def test_a_bug_of_ours_keeps_its_traceback(file, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("dfc.driver.run_passes", broken)
    with pytest.raises(ZeroDivisionError):
        status(["opt", file(GOOD)])
