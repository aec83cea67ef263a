"""What merge-kernels makes one kernel of, its name, and that the values stay at every level."""

import pytest
from lowering import lowered, parse, random_values, same, values
from pass_testing import FILECHECK, apply_to_clone, check_values, ops_named
from xdsl.dialects.builtin import ModuleOp

from dfc.passes.attach_target import AttachTargetPass
from dfc.passes.fuse_kernels import FuseKernelsPass
from dfc.passes.kernels.merged_kernel import joined_name
from dfc.passes.merge_kernels import MergeKernelsPass

CASES = (FILECHECK / "merge_kernels.mlir").read_text().split("// -----")
PRODUCT = "ternary.matmul %{q}, %{w} : (tensor<{m}x{k}xi8>, tensor<{n}x{k}x!ternary.trit>) -> tensor<{m}x{n}xi32>"


@pytest.mark.parametrize("text", CASES)
def test_values_stay(text: str):
    check_values(parse(text), MergeKernelsPass())


def two(m: int, n: int, k: int) -> str:
    """Two layers that quantise one value, the second with a bias and a scale per row and half the rows."""
    half = -(-n // 2)
    return f"""
    func.func @main(%x: tensor<{m}x{k}xf32>, %w: tensor<{n}x{k}x!ternary.trit> {{dfc.weight = "q.w"}}, %c: tensor<f32> {{dfc.weight = "q.c"}}, %v: tensor<{half}x{k}x!ternary.trit> {{dfc.weight = "k.w"}}, %d: tensor<{half}xf32> {{dfc.weight = "k.c"}}, %b: tensor<{half}xf32> {{dfc.weight = "k.b"}}) -> (tensor<{m}x{n}xf32>, tensor<{m}x{half}xf32>) {{
      %q, %s = ternary.quantize %x : tensor<{m}x{k}xf32> -> (tensor<{m}x{k}xi8>, tensor<{m}xf32>)
      %a1 = {PRODUCT.format(q="q", w="w", m=m, n=n, k=k)}
      %y = ternary.dequantize %a1, %s, %c {{dfc.origin = "q_proj:linear"}} : (tensor<{m}x{n}xi32>, tensor<{m}xf32>, tensor<f32>) -> tensor<{m}x{n}xf32>
      %a2 = {PRODUCT.format(q="q", w="v", m=m, n=half, k=k)}
      %z = ternary.dequantize %a2, %s, %d bias %b {{dfc.origin = "k_proj:linear"}} : (tensor<{m}x{half}xi32>, tensor<{m}xf32>, tensor<{half}xf32>, tensor<{half}xf32>) -> tensor<{m}x{half}xf32>
      func.return %y, %z : tensor<{m}x{n}xf32>, tensor<{m}x{half}xf32>
    }}"""


def merged(text: str, target: str, *settings: str) -> ModuleOp:
    """A text for a target, fused and merged."""
    module = parse(text)
    passes = AttachTargetPass(target, settings), FuseKernelsPass(), MergeKernelsPass()
    for each in passes:
        module = apply_to_clone(each, module)
    return module


def names(module: ModuleOp) -> list[str]:
    """The names of the kernels."""
    return [kernel.sym.data for kernel in ops_named(module, "accel.kernel")]


@pytest.mark.parametrize("target", ["tiny-npu", "host"])
@pytest.mark.parametrize("shape", [(4, 64, 64), (7, 100, 52), (33, 130, 96)])
def test_merged_products_keep_their_values_at_every_level(
    target: str, shape: tuple[int, int, int]
):
    module = parse(two(*shape))
    made = merged(two(*shape), target)
    assert len(names(made)) == 2
    given = random_values(module)
    expected = values(module, given)
    assert same(expected, values(made, given))
    for level in ("tiled", "placed", "program"):
        assert same(expected, values(lowered(made, level), given))


def test_a_small_memory_keeps_products_apart():
    # 48 KiB hold one weight of 16 KiB in two slots, not two
    made = merged(two(4, 256, 256), "tiny-npu", "tier.sram.capacity_mib=0.046875")
    assert names(made) == ["quantize", "matmul", "matmul_2"]
    given = random_values(made)
    assert same(values(made, given), values(lowered(made, "tiled"), given))


def test_two_runs_that_wait_for_each_other_are_not_both_merged():
    # k2 needs k1 and k4 needs k3: either k1 and k4 are one or k2 and k3
    product = 'ternary.matmul %x, %v ACC {accel.unit = "array"} : (tensor<4x64xi8>, tensor<64x64x!ternary.trit> TYPE) -> tensor<4x64xi32>'
    first = '%{name} = accel.kernel "{name}" ins(%{q}, %w : tensor<4x64xi8>, tensor<64x64x!ternary.trit>) -> (tensor<4x64xi32>) {{ ^bb0(%x: tensor<4x64xi8>, %v: tensor<64x64x!ternary.trit>): %y = {product} accel.yield %y : tensor<4x64xi32> }}'
    second = '%{name} = accel.kernel "{name}" ins(%{q}, %w, %{after} : tensor<4x64xi8>, tensor<64x64x!ternary.trit>, tensor<4x64xi32>) -> (tensor<4x64xi32>) {{ ^bb0(%x: tensor<4x64xi8>, %v: tensor<64x64x!ternary.trit>, %z: tensor<4x64xi32>): %y = {product} accel.yield %y : tensor<4x64xi32> }}'
    alone = product.replace("ACC", "").replace("TYPE", "")
    added = product.replace("ACC", "acc %z").replace("TYPE", ", tensor<4x64xi32>")
    text = f"""
    builtin.module attributes {{accel.target = "tiny-npu"}} {{
    func.func @main(%q: tensor<4x64xi8>, %p: tensor<4x64xi8>, %w: tensor<64x64x!ternary.trit>) -> (tensor<4x64xi32>, tensor<4x64xi32>) {{
      {first.format(name="k1", q="q", product=alone)}
      {second.format(name="k2", q="p", after="k1", product=added)}
      {first.format(name="k3", q="p", product=alone)}
      {second.format(name="k4", q="q", after="k3", product=added)}
      func.return %k2, %k4 : tensor<4x64xi32>, tensor<4x64xi32>
    }}
    }}"""
    made = check_values(parse(text), MergeKernelsPass())
    assert sorted(names(made)) == ["k1_k4", "k2", "k3"]


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        (["q_proj", "k_proj", "v_proj"], "q_k_v_proj"),
        (["prefill_gate_proj", "prefill_up_proj"], "prefill_gate_up_proj"),
        (["up", "gate"], "up_gate"),
        (["linear", "linear_2"], "linear_2"),
        (["a_b", "a_b_c_b"], "a_b_c_b"),
    ],
)
def test_what_names_have_in_common_is_said_once(given: list[str], joined: str):
    assert joined_name(given) == joined
