"""Packing against bit-by-bit references, quantised layers against their equations."""

from math import ceil

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.parser import Parser
from xdsl.universe import Universe

from dfc.dialects.ternary import TRITS_PER_GROUP, PackingAttr
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter import packing as packing_module
from dfc.runtime.interpreter import run
from dfc.runtime.interpreter import ternarize as ternarize_module
from dfc.runtime.interpreter.packing import pack, unpack_tile

PACKINGS = [
    PackingAttr("trits1in2"),
    PackingAttr("trits3in5"),
    PackingAttr("trits5in8"),
    PackingAttr("trits1in2", "interleaved"),
    PackingAttr("trits3in5", "interleaved"),
    PackingAttr("trits1in2", "quarters"),
    PackingAttr("trits3in5", "beats", 84, 96),
    PackingAttr("trits3in5", "beats", 6, 3),
    PackingAttr("trits1in2", "beats", 5, 4),
    PackingAttr("trits5in8", "beats", 10, 5),
]


def execute(text: str, *inputs):
    context = Context()
    for name, load in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, load)
    module = Parser(context, text).parse_module()
    module.verify()
    return run(module, "f", inputs)


def put(data: bytearray, bit: int, value: int, bits: int) -> None:
    """Write a code bit by bit, its lowest first."""
    for i in range(bits):
        data[(bit + i) // 8] |= (value >> i & 1) << (bit + i) % 8


def naive(w: np.ndarray, packing: PackingAttr) -> bytes:
    """One tile by the words of the packing's docstring, one trit after the other."""
    rows, columns = w.shape
    data = bytearray(packing.tile_bytes(rows, columns))
    trits, bits = TRITS_PER_GROUP[packing.code.data]

    def trit(i: int, j: int) -> int:
        return int(w[i, j]) + 1 if i < rows and j < columns else 1

    def code(group: list[int]) -> int:
        base = 4 if trits == 1 else 3
        return sum(c * base**n for n, c in enumerate(group))

    if packing.order.data == "interleaved" and trits == 3:
        across = ceil(columns / 12)
        for block in range(ceil(rows / 16) * across):
            for n in range(64):
                i, j = block // across * 16 + n // 4, block % across * 12 + n % 4
                group = [trit(i, j), trit(i, j + 4), trit(i, j + 8)]
                put(data, 8 * 40 * block + 5 * n, code(group), 5)
    elif packing.order.data == "interleaved":
        across = ceil(columns / 16)
        for i in range(16 * ceil(rows / 16)):
            for j in range(16 * across):
                byte = (i // 16 * across + j // 16) * 64 + 4 * (i % 16) + j % 4
                data[byte] |= trit(i, j) << (2 * (j % 16 // 4))
    elif packing.order.data == "quarters":
        quarter = ceil(rows / 4)
        for i in range(4 * quarter):
            for j in range(columns):
                data[i % quarter * columns + j] |= trit(i, j) << 2 * (i // quarter)
    elif packing.order.data == "beats":
        block, beat = packing.block.data, packing.beat.data
        vectors = 8 * beat // packing.vector_bits
        beats = ceil(rows / vectors)
        for b in range(ceil(columns / block)):
            for i in range(beats * vectors):
                start = 8 * beat * (b * beats + i // vectors)
                start += i % vectors * packing.vector_bits
                for g in range(block // trits):
                    group = [trit(i, b * block + g * trits + n) for n in range(trits)]
                    put(data, start + g * bits, code(group), bits)
    else:
        codes = [trit(i, j) for i in range(rows) for j in range(columns)]
        codes += [1] * (-len(codes) % trits)
        for g in range(len(codes) // trits):
            put(data, g * bits, code(codes[g * trits : (g + 1) * trits]), bits)
    return bytes(data)


def trits(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1, 2, shape, np.int8)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(PACKINGS),
    st.integers(1, 40),
    st.integers(1, 100),
    st.integers(0, 99),
)
def test_a_tile_is_packed_bit_by_bit_and_comes_back(packing, rows, columns, seed):
    w = trits(seed, rows, columns)
    (packed,) = pack(w, packing, (rows, columns))
    assert packed.tobytes() == naive(w, packing)
    assert np.array_equal(unpack_tile(packed, packing, (rows, columns)), w)


@pytest.mark.parametrize("packing", PACKINGS)
def test_parts_make_one_tile(packing, monkeypatch):
    w = trits(4, 70, 90)
    whole = pack(w, packing, w.shape)
    monkeypatch.setattr(packing_module, "PART", 120)
    monkeypatch.setattr(packing_module, "KEPT", 0)
    assert np.array_equal(pack(w, packing, w.shape), whole)
    assert np.array_equal(unpack_tile(whole[0], packing, w.shape), w)


@pytest.mark.parametrize("packing", PACKINGS)
def test_tiles_are_row_major_and_padded_with_zero_trits(packing):
    w = trits(1, 40, 50)
    packed = pack(w, packing, (16, 24))
    padded = np.pad(w, [(0, 8), (0, 22)])
    assert packed.shape == (3 * 3, packing.tile_bytes(16, 24))
    for t, data in enumerate(packed):
        i, j = t // 3 * 16, t % 3 * 24
        tile = padded[i : i + 16, j : j + 24]
        assert np.array_equal(unpack_tile(data, packing, (16, 24)), tile)


def test_a_code_without_trits_is_an_error():
    with pytest.raises(ExecutionError, match="stands for no trits"):
        unpack_tile(np.full(4, 3, np.int8), PackingAttr("trits1in2"), (4, 4))


def test_quantize_rounds_half_to_even_per_row():
    text = """
    func.func @f(%x: tensor<3x4xf32>) -> (tensor<3x4xi8>, tensor<3xf32>) {
      %q, %s = ternary.quantize %x : tensor<3x4xf32> -> (tensor<3x4xi8>, tensor<3xf32>)
      func.return %q, %s : tensor<3x4xi8>, tensor<3xf32>
    }"""
    x = np.array([[127, 0.5, 1.5, -2.5], [0, 0, 0, 0], [1e-6, 0, 0, -1e-6]], np.float32)
    q, s = execute(text, x)
    assert q.tolist() == [[127, 0, 2, -2], [0, 0, 0, 0], [13, 0, 0, -13]]
    np.testing.assert_allclose(s, [1, 127e5, 127e5], rtol=1e-6)


@pytest.mark.parametrize("name", ["f32", "f16", "bf16"])
def test_linear_is_its_three_parts(name):
    dtype = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}[name]
    text = f"""
    func.func @f(%x: tensor<4x64x{name}>, %w: tensor<32x64x!ternary.trit>, %scale: tensor<32xf32>, %bias: tensor<32x{name}>) -> (tensor<4x32x{name}>, tensor<4x32x{name}>, tensor<4x32xi32>) {{
      %y = ternary.linear %x, %w scale %scale bias %bias : (tensor<4x64x{name}>, tensor<32x64x!ternary.trit>, tensor<32xf32>, tensor<32x{name}>) -> tensor<4x32x{name}>
      %q, %s = ternary.quantize %x : tensor<4x64x{name}> -> (tensor<4x64xi8>, tensor<4xf32>)
      %a = ternary.matmul %q, %w : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
      %t = ternary.build_tables %q {{group = 3 : i64}} : tensor<4x64xi8> -> tensor<4x22x27xi16>
      %l = ternary.lookup_matmul %t, %w acc %a : (tensor<4x22x27xi16>, tensor<32x64x!ternary.trit>, tensor<4x32xi32>) -> tensor<4x32xi32>
      %z = ternary.dequantize %a, %s, %scale bias %bias : (tensor<4x32xi32>, tensor<4xf32>, tensor<32xf32>, tensor<32x{name}>) -> tensor<4x32x{name}>
      func.return %y, %z, %l : tensor<4x32x{name}>, tensor<4x32x{name}>, tensor<4x32xi32>
    }}"""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((4, 64)).astype(dtype)
    w, scale = trits(3, 32, 64), rng.random(32, np.float32)
    bias = rng.standard_normal(32).astype(dtype)
    y, z, twice = execute(text, x, w, scale, bias)
    assert y.dtype == dtype
    assert y.tobytes() == z.tobytes()
    s = np.float32(127) / np.abs(x.astype(np.float32)).max(1)
    q = np.rint(x.astype(np.float32) * s[:, None]).astype(int)
    assert np.array_equal(twice, 2 * (q @ w.T.astype(int)))
    want = (q @ w.T.astype(int)) / s[:, None] * scale + bias.astype(np.float32)
    np.testing.assert_allclose(
        y.astype(float), want, rtol=float(ml_dtypes.finfo(dtype).eps), atol=1e-6
    )


def test_products_stay_exact_where_f32_is_not():
    k = 2**18
    text = f"""
    func.func @f(%q: tensor<1x{k}xi8>, %w: tensor<1x{k}x!ternary.trit>) -> tensor<1x1xi32> {{
      %a = ternary.matmul %q, %w : (tensor<1x{k}xi8>, tensor<1x{k}x!ternary.trit>) -> tensor<1x1xi32>
      func.return %a : tensor<1x1xi32>
    }}"""
    q = np.full((1, k), 127, np.int8)
    q[0, -1] = 126
    assert execute(text, q, np.ones((1, k), np.int8))[0].item() == 127 * k - 1


def ternarize(rule: str) -> str:
    return f"""
    func.func @f(%w: tensor<2x3xf32>) -> (tensor<2x3x!ternary.trit>, tensor<f32>) {{
      %t, %scale = ternary.ternarize %w {{rule = "{rule}"}} : tensor<2x3xf32> -> (tensor<2x3x!ternary.trit>, tensor<f32>)
      func.return %t, %scale : tensor<2x3x!ternary.trit>, tensor<f32>
    }}"""


def test_ternarize():
    w = np.array([[1, -2, 0.4], [0.1, -0.5, 2]], np.float32)
    t, scale = execute(ternarize("absmean"), w)
    assert scale == np.float32(1)
    assert t.tolist() == [[1, -1, 0], [0, 0, 1]]
    t, scale = execute(ternarize("exact"), np.float32([[0.25, 0, -0.25]] * 2))
    assert (t.tolist(), float(scale)) == ([[1, 0, -1]] * 2, 0.25)
    assert execute(ternarize("exact"), np.zeros((2, 3), np.float32))[1] == 1
    with pytest.raises(ExecutionError, match="holds -s, 0 and s only"):
        execute(ternarize("exact"), w)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.int8])
@pytest.mark.parametrize("part", [3, 1000])
def test_exact_rule_in_parts(dtype, part, monkeypatch):
    monkeypatch.setattr(ternarize_module, "PART", part)
    w = trits(5, 5, 7)
    s = np.array(3, dtype)
    found, scale = ternarize_module.ternarize(w.astype(dtype) * s, "exact")
    assert np.array_equal(found, w)
    assert (float(scale), scale.dtype) == (3, np.float32)
    # the last part alone holds another value
    other = (w.astype(dtype) * s).astype(dtype)
    other[-1, -1] = 2
    with pytest.raises(ExecutionError, match="holds -s, 0 and s only"):
        ternarize_module.ternarize(other, "exact")


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_exact_rule_refuses_what_is_not_finite(dtype, value):
    w = np.full((2, 3), value).astype(dtype)
    with pytest.raises(ExecutionError, match="holds -s, 0 and s only"):
        ternarize_module.ternarize(w, "exact")
    zeros, scale = ternarize_module.ternarize(np.full((2, 3), -0.0, dtype), "exact")
    assert not zeros.any()
    assert scale == 1


def test_absmean_rule_in_parts(monkeypatch):
    w = np.random.default_rng(6).standard_normal((9, 11)).astype(np.float32)
    whole, scale = ternarize_module.ternarize(w, "absmean")
    monkeypatch.setattr(ternarize_module, "PART", 10)
    found, again = ternarize_module.ternarize(w, "absmean")
    assert np.array_equal(found, whole)
    assert again == scale
    want = np.abs(w.astype(np.float64)).mean()
    np.testing.assert_allclose(scale, want, rtol=1e-7)


def test_ternarize_by_a_factor():
    text = """
    func.func @f(%w: tensor<1x3xf32>, %by: tensor<1xbf16>) -> (tensor<1x3x!ternary.trit>, tensor<f32>) {
      %t, %scale = ternary.ternarize %w by %by : tensor<1xbf16> {rule = "exact"} : tensor<1x3xf32> -> (tensor<1x3x!ternary.trit>, tensor<f32>)
      func.return %t, %scale : tensor<1x3x!ternary.trit>, tensor<f32>
    }"""
    by = np.array([0.3], ml_dtypes.bfloat16)
    t, scale = execute(text, np.float32([[0.7, 0, -0.7]]), by)
    assert t.tolist() == [[1, 0, -1]]
    assert scale == np.float32(0.7) * np.float32(by[0])
    assert (scale.dtype, scale.shape) == (np.float32, ())
