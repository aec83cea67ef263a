"""The code of kernels computes what the interpreter does, exactly in integers and in floats, on every instruction set."""

import re
from collections.abc import Sequence
from itertools import product

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_testing import (
    HERE,
    PACKINGS,
    byte_product_text,
    call,
    guarded,
    kernel,
    product_text,
    random_product,
)
from pass_testing import FILECHECK, apply_to_clone, ops_named, parse
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects.ternary import PackingAttr
from dfc.passes.convert_ternary_to_vector import ConvertTernaryToVectorPass
from dfc.passes.native.bytes import PANEL
from dfc.passes.native.form import LONGEST
from dfc.passes.native.isa import ISAS
from dfc.runtime.interpreter import run
from dfc.runtime.interpreter.packing import pack
from dfc.runtime.native.cpu import NEEDS

TEXT = (FILECHECK / "convert_ternary_to_vector.mlir").read_text()
FLOATS = {"f32": np.float32, "bf16": ml_dtypes.bfloat16, "f16": np.float16}
INTERLEAVED = PACKINGS[0]


def check_product(
    tokens: Sequence[int],
    shape: tuple[int, int],
    packing: PackingAttr,
    isa: str,
    threads: int = 1,
) -> None:
    """The integers of a kernel are the interpreter's; one kernel serves any number of tokens."""
    made = kernel(parse(product_text((1, *shape), packing)), isa)
    for m in tokens:
        module = parse(product_text((m, *shape), packing))
        inputs = random_product((m, *shape), packing, seed=m)
        (expected,) = run(module, "f", inputs)
        (found,) = call(made, module, list(inputs), threads)
        np.testing.assert_array_equal(found, expected)


# a weight in rows has the same code on every instruction set
@pytest.mark.parametrize(
    ("isa", "packing"),
    [*product(HERE, [INTERLEAVED]), *product(["portable"], PACKINGS[1:])],
    ids=str,
)
@settings(deadline=None, max_examples=4)
@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=4),
    st.integers(1, 150),
    st.integers(1, 200),
)
def test_products_are_exact(
    isa: str, packing: PackingAttr, tokens: list[int], n: int, k: int
):
    check_product(tokens, (n, k), packing, isa)


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (17, 33), (100, 49)])
def test_every_form_meets_every_edge(isa: str, shape: tuple[int, int]):
    tokens = (1, 2, 3, 4, 5, 16, 17, 21, 300)
    check_product(tokens, shape, INTERLEAVED, isa, threads=2)


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("code", [-1, 1])
@pytest.mark.parametrize("activation", [-128, 127])
def test_the_largest_sums_do_not_overflow(isa: str, code: int, activation: int):
    # code 2 in the highest field of each byte is 128, and -128 of them fill 16 bits
    m, n, k = 2, 16, LONGEST // 64
    packing = INTERLEAVED
    packed = np.full(packing.tile_bytes(n, k), {-1: 0, 1: 0xAA}[code], np.uint8)
    for tokens in (1, m):
        module = parse(product_text((tokens, n, k), packing))
        q = np.full((tokens, k), activation, np.int8)
        (found,) = call(kernel(module, isa), module, [q, packed.view(np.int8)])
        assert (found == code * activation * k).all()


def test_a_weight_too_wide_for_32_bits_is_left():
    text = product_text((1, 1, LONGEST + 1), INTERLEAVED)
    after = apply_to_clone(ConvertTernaryToVectorPass(), parse(text))
    assert ops_named(after, "ternary.matmul")
    text = product_text((1, 1, LONGEST), INTERLEAVED)
    after = apply_to_clone(ConvertTernaryToVectorPass(), parse(text))
    assert not ops_named(after, "ternary.matmul")


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("packing", [INTERLEAVED, PACKINGS[2]], ids=str)
@pytest.mark.parametrize("shape", [(1, 35, 43), (7, 32, 48)])
def test_dequantised_values_are_equal(
    isa: str, dtype: str, packing: PackingAttr, shape: tuple[int, int, int]
):
    m, n, _ = shape
    random = np.random.default_rng(1)
    kind = FLOATS[dtype]
    s = random.uniform(1, 100, m).astype(np.float32)
    scale = random.uniform(0.5, 2, n).astype(np.float32)
    bias = random.normal(size=n).astype(kind)
    module = parse(product_text(shape, packing, dtype))
    inputs = [*random_product(shape, packing, seed=2), s, scale, bias]
    (expected,) = run(module, "f", inputs)
    (found,) = call(kernel(module, isa), module, inputs)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("tokens", [1, 5, 21])
def test_several_products_are_one_kernel(isa: str, tokens: int):
    # 50, 83 and 20 rows in blocks, 35 in rows: ranges of four parts lie across their ends
    text = re.sub(r"tensor<5x", f"tensor<{tokens}x", SEVERAL)
    module = parse(text)
    random = np.random.default_rng(tokens)
    q = random.integers(-128, 128, (tokens, 43)).astype(np.int8)
    s = random.uniform(1, 100, tokens).astype(np.float32)
    packings = [INTERLEAVED, PACKINGS[2], INTERLEAVED, INTERLEAVED]
    weights = [
        pack(random.integers(-1, 2, (n, 43)).astype(np.int8), packing, (n, 43)).ravel()
        for n, packing in zip((50, 35, 83, 20), packings, strict=True)
    ]
    c = random.uniform(0.5, 2, 83).astype(np.float32)
    inputs = [weights[0], s, *weights[1:3], q, c, weights[3]]
    made = kernel(module, isa)
    assert made.parts == 4 + 35 + 6 + 2
    for expected, found in zip(
        run(module, "f", inputs), call(made, module, inputs, 3, tokens), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def check_bytes(isa: str, shape: tuple[int, int], tokens: Sequence[int]) -> None:
    """The integers of a product with int8 rows are the interpreter's."""
    made = kernel(parse(byte_product_text((1, *shape))), isa)
    n, k = shape
    for m in tokens:
        module = parse(byte_product_text((m, n, k)))
        random = np.random.default_rng(m)
        q, w = (
            random.integers(-128, 128, (size, k)).astype(np.int8) for size in (m, n)
        )
        (expected,) = run(module, "f", [q, w])
        (found,) = call(made, module, [q, guarded(w)], threads=2)
        np.testing.assert_array_equal(found, expected)


# a vector is 64, 16 or fewer bytes; what is left of a row, and rows of less than a vector
@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize(
    "shape", [(1, 1), (33, 17), (40, 64), (35, 100), (20, 15), (9, 250)]
)
def test_products_of_bytes_are_exact(isa: str, shape: tuple[int, int]):
    check_bytes(isa, shape, (1, 2, 5, 21))


@pytest.mark.parametrize("isa", HERE)
@settings(deadline=None, max_examples=3)
@given(st.integers(1, 300), st.integers(1, 150), st.integers(1, 200))
def test_any_product_of_bytes_is_exact(isa: str, tokens: int, n: int, k: int):
    check_bytes(isa, (n, k), (tokens,))


@pytest.mark.parametrize("isa", HERE)
def test_panels_of_bytes_are_one_behind_the_other(isa: str):
    # 16 rows are more than a panel, and the last panel is half a block
    columns = PANEL // 16 + 16
    check_bytes(isa, (40, columns), (3,))


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("weight", [-128, 127])
@pytest.mark.parametrize("activation", [-128, 127])
def test_the_largest_products_of_bytes_do_not_saturate(
    isa: str, weight: int, activation: int
):
    module = parse(byte_product_text((1, 3, 130)))
    q, w = (
        np.full((size, 130), value, np.int8)
        for size, value in ((1, activation), (3, weight))
    )
    (found,) = call(kernel(module, isa), module, [q, w])
    assert (found == weight * activation * 130).all()


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 35, 43), (7, 32, 80)])
def test_dequantised_products_of_bytes_are_equal(
    isa: str, dtype: str, shape: tuple[int, int, int]
):
    m, n, k = shape
    random = np.random.default_rng(1)
    q, w = (random.integers(-128, 128, (size, k)).astype(np.int8) for size in (m, n))
    s, scale = (random.uniform(1, 100, size).astype(np.float32) for size in (m, n))
    module = parse(byte_product_text(shape, dtype))
    (expected,) = run(module, "f", [q, w, s, scale])
    (found,) = call(kernel(module, isa), module, [q, w, s, scale])
    np.testing.assert_array_equal(found, expected)


SEVERAL = """
func.func @f(%p0: tensor<768xi8>, %s: tensor<5xf32>, %p1: tensor<314xi8>, %p2: tensor<1152xi8>, %q: tensor<5x43xi8>,
    %c: tensor<83xf32>, %p3: tensor<384xi8>) -> (tensor<5x83xbf16>, tensor<5x35xi32>, tensor<5x50xi32>, tensor<5x20xi32>) {
  %w0 = ternary.unpack %p0 {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<768xi8> -> tensor<50x43x!ternary.trit>
  %w1 = ternary.unpack %p1 {packing = #ternary.packing<trits3in5, order = rows>} : tensor<314xi8> -> tensor<35x43x!ternary.trit>
  %w2 = ternary.unpack %p2 {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<1152xi8> -> tensor<83x43x!ternary.trit>
  %w3 = ternary.unpack %p3 {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<384xi8> -> tensor<20x43x!ternary.trit>
  %a0 = ternary.matmul %q, %w0 : (tensor<5x43xi8>, tensor<50x43x!ternary.trit>) -> tensor<5x50xi32>
  %a1 = ternary.matmul %q, %w1 : (tensor<5x43xi8>, tensor<35x43x!ternary.trit>) -> tensor<5x35xi32>
  %a2 = ternary.matmul %q, %w2 : (tensor<5x43xi8>, tensor<83x43x!ternary.trit>) -> tensor<5x83xi32>
  %a3 = ternary.matmul %q, %w3 : (tensor<5x43xi8>, tensor<20x43x!ternary.trit>) -> tensor<5x20xi32>
  %y = ternary.dequantize %a2, %s, %c : (tensor<5x83xi32>, tensor<5xf32>, tensor<83xf32>) -> tensor<5x83xbf16>
  func.return %y, %a1, %a0, %a3 : tensor<5x83xbf16>, tensor<5x35xi32>, tensor<5x50xi32>, tensor<5x20xi32>
}"""


@pytest.mark.parametrize("isa", ISAS)
def test_only_the_asked_instructions_are_used(isa: str):
    text = str(apply_to_clone(ConvertTernaryToVectorPass(isa), parse(TEXT)))
    found = set(re.findall(r"llvm\.(?:x86|aarch64|arm)\.[a-z0-9.]+", text))
    expected = {
        "avx512-vbmi": {
            "llvm.x86.avx512.vpdpbusd.512",
            "llvm.x86.avx512.permvar.qi.512",
            "llvm.x86.avx512.pmultishift.qb.512",
        },
        "avx512-vnni": {"llvm.x86.avx512.vpdpbusd.512"},
        "avx2": {"llvm.x86.avx2.pmadd.ub.sw", "llvm.x86.avx2.pmadd.wd"},
        "portable": set[str](),
    }
    assert found == expected[isa]
    assert ("call_intrinsic" in text) == bool(found)


def test_the_engine_knows_the_same_instruction_sets():
    assert list(ISAS) == list(NEEDS)


def test_an_unknown_instruction_set_is_refused():
    with pytest.raises(
        PassFailedException, match="avx512-vnni, avx2, portable, got 'sse'"
    ):
        apply_to_clone(ConvertTernaryToVectorPass("sse"), parse(TEXT))
