"""Tests of fuse-kernels: what becomes one kernel, on which unit, and that the values stay."""

import re
from importlib import resources
from pathlib import Path

import pytest
from pass_testing import (
    FILECHECK,
    apply_to_clone,
    check_values,
    function,
    ops_named,
    parse,
)
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects import accel
from dfc.passes.attach_target import AttachTargetPass
from dfc.passes.fuse_kernels import FuseKernelsPass
from dfc.passes.kernels.growth import reached

CASES = (FILECHECK / "fuse_kernels.mlir").read_text().split("// -----")

MAPS = """
#full = affine_map<(m, d) -> (m, d)>
#row = affine_map<(m, d) -> (m)>
"""


def fused(text: str, target: str = "tiny-npu") -> ModuleOp:
    """A text for a target, with its values checked on the way."""
    module = parse(MAPS + text)
    return check_values(module, AttachTargetPass(target), FuseKernelsPass())


def kernels(module: ModuleOp, name: str = "main") -> dict[str, list[str]]:
    """The ops of each kernel of a function, without those that every kernel makes for itself."""
    skipped = ("arith.constant", "tensor.empty", "linalg.fill", "accel.yield")
    return {
        op.sym.data: [o.name for o in op.body.block.ops if o.name not in skipped]
        for op in function(module, name).body.block.ops
        if isinstance(op, accel.KernelOp)
    }


def units(module: ModuleOp) -> dict[str, str]:
    """The unit of each op in a kernel, by op name."""
    found = [op for kernel in ops_named(module, "accel.kernel") for op in kernel.walk()]
    return {
        op.name: op.attributes["accel.unit"].data
        for op in found
        if "accel.unit" in op.attributes
    }


def pointwise(
    name: str, ins: str, body: str, shape: str = "4x64", dtype: str = "f32"
) -> str:
    """An elementwise `linalg.generic` on operands of one shape; the body computes %r from %a, %b."""
    names = ins.split(", ")
    kind = f"tensor<{shape}x{dtype}>"
    args = ", ".join(f"%{x}: {dtype}" for x in "abc"[: len(names)])
    return f"""
      {name}_e = tensor.empty() : {kind}
      {name} = linalg.generic {{indexing_maps = [{"#full, " * len(names)}#full], iterator_types = ["parallel", "parallel"]}} ins({ins} : {", ".join([kind] * len(names))}) outs({name}_e : {kind}) {{
      ^bb0({args}, %o: {dtype}):
        %r = {body} : {dtype}
        linalg.yield %r : {dtype}
      }} -> {kind}"""


def row_sum(name: str, source: str) -> str:
    """The sums of the rows of a 4x64 tensor."""
    return f"""
      {name}_z = arith.constant 0.0 : f32
      {name}_e = tensor.empty() : tensor<4xf32>
      {name}_i = linalg.fill ins({name}_z : f32) outs({name}_e : tensor<4xf32>) -> tensor<4xf32>
      {name} = linalg.generic {{indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]}} ins({source} : tensor<4x64xf32>) outs({name}_i : tensor<4xf32>) {{
      ^bb0(%a: f32, %o: f32):
        %r = arith.addf %a, %o : f32
        linalg.yield %r : f32
      }} -> tensor<4xf32>"""


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("target", ["tiny-npu", "tellme-kv260"])
def test_values_stay(text: str, target: str):
    check_values(parse(text), AttachTargetPass(target), FuseKernelsPass())


def test_everything_that_computes_is_in_a_kernel_and_has_a_unit():
    made = apply_to_clone(FuseKernelsPass(), parse(CASES[0]))
    outside = {op.name for op in function(made, "layer").body.block.ops}
    assert outside == {"accel.kernel", "func.return"}
    for kernel in ops_named(made, "accel.kernel"):
        for op in kernel.regions[0].block.ops:
            assert (
                op.name in ("accel.yield", "tensor.empty")
                or "accel.unit" in op.attributes
            )


def test_norm_joins_what_reads_its_rows_twice():
    body = pointwise("%x2", "%x, %x", "arith.mulf %a, %b") + row_sum("%s", "%x2")
    body += """
      %n_e = tensor.empty() : tensor<4x64xf32>
      %n = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel"]} ins(%x2, %s : tensor<4x64xf32>, tensor<4xf32>) outs(%n_e : tensor<4x64xf32>) {
      ^bb0(%a: f32, %b: f32, %o: f32):
        %r = arith.divf %a, %b : f32
        linalg.yield %r : f32
      } -> tensor<4x64xf32>"""
    made = fused(
        f"func.func @main(%x: tensor<4x64xf32>) -> tensor<4x64xf32> {{{body} func.return %n : tensor<4x64xf32> }}"
    )
    assert list(kernels(made).values()) == [["linalg.generic"] * 3]


def test_value_that_must_leave_anyway_starts_a_new_kernel():
    body = pointwise("%h", "%x, %x", "arith.addf %a, %b") + row_sum("%s", "%h")
    made = fused(
        f"func.func @main(%x: tensor<4x64xf32>) -> (tensor<4x64xf32>, tensor<4xf32>) {{{body} func.return %h, %s : tensor<4x64xf32>, tensor<4xf32> }}"
    )
    assert len(kernels(made)) == 2


def test_nothing_is_worked_out_in_front_of_a_product():
    body = pointwise("%h", "%x, %x", "arith.addf %a, %b")
    made = fused(f"""
    func.func @main(%x: tensor<4x64xf32>, %w: tensor<64x64xf32>) -> tensor<4x64xf32> {{{body}
      %z = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<4x64xf32>
      %i = linalg.fill ins(%z : f32) outs(%e : tensor<4x64xf32>) -> tensor<4x64xf32>
      %y = linalg.matmul ins(%h, %w : tensor<4x64xf32>, tensor<64x64xf32>) outs(%i : tensor<4x64xf32>) -> tensor<4x64xf32>
      {pointwise("%n", "%y", "arith.negf %a")}
      func.return %n : tensor<4x64xf32>
    }}""")
    assert len(kernels(made)) == 2
    assert len(kernels(made)["matmul"]) == 2


def test_product_whose_columns_a_norm_needs_whole_ends_its_kernel():
    made = fused("""
    func.func @main(%x: tensor<4x64xf32>, %w: tensor<64x64xf32>) -> (tensor<4x64xi8>, tensor<4xf32>) {
      %z = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<4x64xf32>
      %i = linalg.fill ins(%z : f32) outs(%e : tensor<4x64xf32>) -> tensor<4x64xf32>
      %y = linalg.matmul ins(%x, %w : tensor<4x64xf32>, tensor<64x64xf32>) outs(%i : tensor<4x64xf32>) -> tensor<4x64xf32>
      %q, %s = ternary.quantize %y : tensor<4x64xf32> -> (tensor<4x64xi8>, tensor<4xf32>)
      func.return %q, %s : tensor<4x64xi8>, tensor<4xf32>
    }""")
    assert kernels(made) == {
        "matmul": ["linalg.generic"],
        "quantize": ["ternary.quantize"],
    }


def test_product_of_two_projections_rides_behind_the_last():
    matmul = "ternary.matmul %q, %{w} : (tensor<4x64xi8>, tensor<64x64x!ternary.trit>) -> tensor<4x64xi32>"
    made = fused(
        f"""
    func.func @main(%q: tensor<4x64xi8>, %s: tensor<4xf32>, %w: tensor<64x64x!ternary.trit>, %v: tensor<64x64x!ternary.trit>, %c: tensor<f32>) -> tensor<4x64xf16> {{
      %a = {matmul.format(w="w")}
      %g = ternary.dequantize %a, %s, %c {{dfc.origin = "gate:linear"}} : (tensor<4x64xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x64xf16>
      %b = {matmul.format(w="v")}
      %u = ternary.dequantize %b, %s, %c {{dfc.origin = "up:linear"}} : (tensor<4x64xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x64xf16>
      {pointwise("%y", "%g, %u", "arith.mulf %a, %b", dtype="f16")}
      func.return %y : tensor<4x64xf16>
    }}""".replace("%a, %b : f16", "%aa, %bb : f16").replace(
            "^bb0(%a: f16, %b", "^bb0(%aa: f16, %bb"
        ),
        "tellme-kv260",
    )
    assert list(kernels(made).values()) == [
        ["ternary.matmul", "ternary.dequantize"],
        ["ternary.matmul", "ternary.dequantize", "linalg.generic"],
    ]
    assert set(units(made).values()) == {"tlmm"}


def test_of_equal_savings_elementwise_work_rides_behind_the_product():
    made = fused(
        f"""
    func.func @main(%q: tensor<4x64xi8>, %s: tensor<4xf32>, %w: tensor<64x64x!ternary.trit>, %c: tensor<f32>, %g: tensor<4x64xf16>) -> (tensor<4x64xi8>, tensor<4xf32>) {{
      %m = ternary.matmul %q, %w : (tensor<4x64xi8>, tensor<64x64x!ternary.trit>) -> tensor<4x64xi32>
      %u = ternary.dequantize %m, %s, %c : (tensor<4x64xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x64xf16>
      {pointwise("%y", "%u, %g", "arith.mulf %a, %b", dtype="f16")}
      %r, %t = ternary.quantize %y : tensor<4x64xf16> -> (tensor<4x64xi8>, tensor<4xf32>)
      func.return %r, %t : tensor<4x64xi8>, tensor<4xf32>
    }}""".replace("%r = arith", "%rr = arith").replace(
            "linalg.yield %r", "linalg.yield %rr"
        ),
        "tellme-kv260",
    )
    assert kernels(made) == {
        "matmul": ["ternary.matmul", "ternary.dequantize", "linalg.generic"],
        "quantize": ["ternary.quantize"],
    }


def test_host_unit_is_the_last_choice_however_fast():
    text = f"func.func @main(%x: tensor<4x64xf32>) -> tensor<4x64xf32> {{{pointwise('%y', '%x', 'math.exp %a')} func.return %y : tensor<4x64xf32> }}"
    module = parse(MAPS + text)
    fast = AttachTargetPass(
        "tiny-npu", ("unit.host.gelement_per_s=100000", "unit.host.overhead_ns=0")
    )
    made = apply_to_clone(FuseKernelsPass(), apply_to_clone(fast, module))
    assert units(made)["linalg.generic"] == "vector"


def test_gather_goes_where_its_table_stands():
    made = fused("""
    func.func @main(%ids: tensor<4xi64>, %table: tensor<32x16xf32>) -> tensor<4x16xf32> {
      %e = tensor.empty() : tensor<4x16xf32>
      %y = linalg.generic {indexing_maps = [#row, #full], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<4xi64>) outs(%e : tensor<4x16xf32>) attrs = {dfc.origin = "embed:gather"} {
      ^bb0(%id: i64, %o: f32):
        %i = arith.index_cast %id : i64 to index
        %j = linalg.index 1 : index
        %r = tensor.extract %table[%i, %j] : tensor<32x16xf32>
        linalg.yield %r : f32
      } -> tensor<4x16xf32>
      func.return %y : tensor<4x16xf32>
    }""")
    assert list(kernels(made)) == ["embed"]
    assert units(made)["linalg.generic"] == "host"


def bare_target(folder: Path) -> str:
    """The path of a copy of tiny-npu without its host unit."""
    text = resources.files("dfc.runtime.targets").joinpath("tiny-npu.toml").read_text()
    head, host, rest = re.split(r"(?ms)^(\[unit\.host\].*?)(?=^\[)", text)
    assert "fixed-rate" in host
    text = (head + rest).replace('name = "tiny-npu"', 'name = "bare"')
    path = folder / "bare.toml"
    path.write_text(text)
    return str(path)


def refusal(text: str, target: str) -> str:
    """What fuse-kernels says about a text that it refuses."""
    module = apply_to_clone(AttachTargetPass(target), parse(MAPS + text))
    with pytest.raises(PassFailedException) as caught:
        apply_to_clone(FuseKernelsPass(), module)
    return str(caught.value)


def test_op_without_a_unit_is_refused_by_name(tmp_path: Path):
    body = pointwise("%y", "%x", "math.exp %a", dtype="f64")
    text = f"func.func @main(%x: tensor<4x64xf64>) -> tensor<4x64xf64> {{{body} func.return %y : tensor<4x64xf64> }}"
    message = refusal(text, bare_target(tmp_path))
    assert "expected a unit of target `bare` that runs `linalg.generic`" in message
    assert "on tensor<4x64xf64>, got array, vector, attention" in message


def test_op_whose_tile_fits_nowhere_is_refused(tmp_path: Path):
    text = "func.func @main(%x: tensor<4x400000xf32>) -> (tensor<4x400000xi8>, tensor<4xf32>) { %q, %s = ternary.quantize %x : tensor<4x400000xf32> -> (tensor<4x400000xi8>, tensor<4xf32>) func.return %q, %s : tensor<4x400000xi8>, tensor<4xf32> }"
    message = refusal(text, bare_target(tmp_path))
    assert (
        "the smallest tile of `ternary.quantize` to fit in the memories of vector"
        in message
    )
    # two slots each of a row of f32, of its int8 and of its scale
    assert f"got {2 * (4 * 400000 + 400000 + 4)} bytes for tier `sram` of" in message


def test_a_long_function_without_layers_becomes_one_kernel():
    """Work on a group is done once per group, so this takes a second, not minutes."""
    lines = [pointwise(f"%v{n + 1}", f"%v{n}", "math.exp %a") for n in range(200)]
    text = f"func.func @main(%v0: tensor<4x64xf32>) -> tensor<4x64xf32> {{ {' '.join(lines)} func.return %v200 : tensor<4x64xf32> }}"
    module = apply_to_clone(AttachTargetPass("tiny-npu"), parse(MAPS + text))
    made = apply_to_clone(FuseKernelsPass(), module)
    assert len(ops_named(made, "accel.kernel")) == 1


def test_kernels_of_two_entries_have_the_entry_in_front():
    entry = 'func.func @{name}(%x: tensor<4x64xf32>) -> (tensor<4x64xi8>, tensor<4xf32>) {{ %q, %s = ternary.quantize %x {{dfc.origin = "up:linear#quantize"}} : tensor<4x64xf32> -> (tensor<4x64xi8>, tensor<4xf32>) func.return %q, %s : tensor<4x64xi8>, tensor<4xf32> }}'
    made = fused("\n".join(entry.format(name=name) for name in ("prefill", "decode")))
    assert list(kernels(made, "prefill")) == ["prefill_up_quantize"]
    assert list(kernels(made, "decode")) == ["decode_up_quantize"]


@pytest.mark.parametrize(("most", "stands_on"), [(None, 2), (1, 1)])
def test_a_kernel_stands_on_no_more_units_than_the_target_says(
    most: int | None, stands_on: int, tmp_path: Path
):
    limit = "" if most is None else f"units_per_kernel = {most}\n"
    text = f'name = "few"\nbase = "tiny-npu"\nsource = "test"\n{limit}'
    (tmp_path / "few.toml").write_text(text)
    made = fused(
        """
        func.func @main(%x: tensor<4x64xf32>, %w: tensor<32x64x!ternary.trit>, %c: tensor<f32>) -> tensor<4x32xf32> {
          %q, %s = ternary.quantize %x : tensor<4x64xf32> -> (tensor<4x64xi8>, tensor<4xf32>)
          %a = ternary.matmul %q, %w : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
          %y = ternary.dequantize %a, %s, %c : (tensor<4x32xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x32xf32>
          func.return %y : tensor<4x32xf32>
        }""",
        str(tmp_path / "few.toml"),
    )
    # the array has no dequantisation, which rides behind the product on the vector unit
    on = [
        {
            each.attributes["accel.unit"]
            for each in op.walk()
            if "accel.unit" in each.attributes
        }
        for op in ops_named(made, "accel.kernel")
    ]
    assert max(map(len, on)) == stands_on


def test_row_work_on_one_unit_keeps_a_value_that_another_product_needs_later():
    """A residual that is added twice: its first sum is made, normed and quantised in one kernel, and leaves it too."""
    product = """
      %{name}_a = ternary.matmul %{q}, %w : (tensor<4x64xi8>, tensor<64x64x!ternary.trit>) -> tensor<4x64xi32>
      %{name} = ternary.dequantize %{name}_a, %{s}, %c : (tensor<4x64xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x64xf32>"""
    made = fused(
        f"""
    func.func @main(%q: tensor<4x64xi8>, %s: tensor<4xf32>, %w: tensor<64x64x!ternary.trit>, %c: tensor<f32>, %x: tensor<4x64xf32>) -> tensor<4x64xf32> {{
      {product.format(name="y", q="q", s="s")}
      {pointwise("%h", "%x, %y", "arith.addf %a, %b")}
      {pointwise("%g", "%h, %h", "arith.mulf %a, %b")}
      %p, %t = ternary.quantize %g : tensor<4x64xf32> -> (tensor<4x64xi8>, tensor<4xf32>)
      {product.format(name="z", q="p", s="t")}
      {pointwise("%k", "%h, %z", "arith.addf %a, %b")}
      func.return %k : tensor<4x64xf32>
    }}""",
        "host",
    )
    found = [
        (
            sorted(
                op.name for op in kernel.body.block.ops if op.name != "tensor.empty"
            ),
            len(kernel.outputs),
        )
        for kernel in ops_named(made, "accel.kernel")
    ]
    product_ops = ["accel.yield", "ternary.dequantize", "ternary.matmul"]
    assert found == [
        (product_ops, 1),
        (["accel.yield", "linalg.generic", "linalg.generic", "ternary.quantize"], 3),
        (product_ops, 1),
        (["accel.yield", "linalg.generic"], 1),
    ]


def test_paths_are_found_along_chains_of_any_length():
    # 0 -> 1 -> … -> 4999, longer than Python's stack
    last = 4999
    nexts = [{index + 1} for index in range(last)] + [set[int]()]
    backs = [set[int]()] + [{index} for index in range(last)]
    assert reached(nexts, backs)[0] == (1 << last + 1) - 2
    assert reached(backs, nexts)[2] == 0b11


def test_a_view_of_a_filled_tensor_is_made_in_the_kernel():
    module = fused(
        """
        func.func @main(%x: tensor<1x64xf32>) -> tensor<1x64xf32> {
          %c = arith.constant 2.0 : f32
          %e = tensor.empty() : tensor<64xf32>
          %f = linalg.fill ins(%c : f32) outs(%e : tensor<64xf32>) -> tensor<64xf32>
          %v = tensor.expand_shape %f [[0, 1]] output_shape [1, 64] : tensor<64xf32> into tensor<1x64xf32>
          %o = tensor.empty() : tensor<1x64xf32>
          %y = linalg.generic {indexing_maps = [#full, #full, #full], iterator_types = ["parallel", "parallel"]} ins(%x, %v : tensor<1x64xf32>, tensor<1x64xf32>) outs(%o : tensor<1x64xf32>) {
          ^bb0(%a: f32, %b: f32, %z: f32):
            %m = arith.mulf %a, %b : f32
            linalg.yield %m : f32
          } -> tensor<1x64xf32>
          func.return %y : tensor<1x64xf32>
        }"""
    )
    outside = {op.name for op in function(module, "main").body.block.ops}
    assert outside == {"accel.kernel", "func.return"}
