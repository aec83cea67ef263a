"""Whole-array evaluation of `linalg` against the obvious numpy, and against loops run one by one."""

import ml_dtypes
import numpy as np
import pytest
from xdsl.context import Context
from xdsl.parser import Parser
from xdsl.universe import Universe

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter import nest as implementation
from dfc.runtime.interpreter import run

rng = np.random.default_rng(0)


def execute(text: str, *inputs):
    context = Context(allow_unregistered=True)
    for name, load in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, load)
    module = Parser(context, text).parse_module()
    module.verify()
    return run(module, "f", inputs)


def floats(*shape: int, dtype=np.float32):
    return rng.standard_normal(shape).astype(dtype)


def generic(maps: str, kinds: str, ins: str, outs: str, body: str) -> str:
    """A function of one `linalg.generic`: `ins` and `outs` are lists of types."""
    names = [f"%a{i}" for i in range(len(ins.split(" ")))]
    parameters = ", ".join(
        f"{n}: {t}" for n, t in zip(names, ins.split(" "), strict=True)
    )
    outputs = [f"%o{i}" for i in range(len(outs.split(" ")))]
    olds = ", ".join(f"{n}: {t}" for n, t in zip(outputs, outs.split(" "), strict=True))
    results = f"({', '.join(outs.split(' '))})"
    count = f":{len(outputs)}" if len(outputs) > 1 else ""
    returned = ", ".join(f"%r#{i}" for i in range(len(outputs))) if count else "%r"
    return f"""
    func.func @f({parameters}, {olds}) -> {results} {{
      %r{count} = linalg.generic {{indexing_maps = [{maps}], iterator_types = [{kinds}]}}
        ins({", ".join(names)} : {", ".join(ins.split(" "))})
        outs({", ".join(outputs)} : {", ".join(outs.split(" "))}) {{
        {body}
      }} -> {", ".join(outs.split(" "))}
      func.return {returned} : {", ".join(outs.split(" "))}
    }}"""


IJ = "affine_map<(i, j) -> (i, j)>"
ROW = "affine_map<(i, j) -> (i)>"
ROW1 = "affine_map<(i, j) -> (i, 0)>"
COLUMN = "affine_map<(i, j) -> (j)>"
PARALLEL = '"parallel", "parallel"'
REDUCED = '"parallel", "reduction"'


def test_broadcast_and_permutation_by_map():
    text = generic(
        f"affine_map<(i, j) -> (j, i)>, {COLUMN}, {IJ}",
        PARALLEL,
        "tensor<4x3xf32> tensor<4xf32>",
        "tensor<3x4xf32>",
        """^bb0(%x: f32, %y: f32, %old: f32):
        %s = arith.subf %x, %y : f32
        linalg.yield %s : f32""",
    )
    x, y = floats(4, 3), floats(4)
    (r,) = execute(text, x, y, np.zeros((3, 4), np.float32))
    assert np.array_equal(r, x.T - y)


def test_output_in_another_order_than_the_loops():
    text = generic(
        f"{IJ}, affine_map<(i, j) -> (j, i)>",
        PARALLEL,
        "tensor<3x4xf32>",
        "tensor<4x3xf32>",
        """^bb0(%x: f32, %old: f32):
        linalg.yield %x : f32""",
    )
    x = floats(3, 4)
    (r,) = execute(text, x, np.zeros((4, 3), np.float32))
    assert np.array_equal(r, x.T)


def test_sum_adds_to_the_old_output_and_keeps_a_unit_dimension():
    text = generic(
        f"{IJ}, {ROW1}",
        REDUCED,
        "tensor<3x5xf32>",
        "tensor<3x1xf32>",
        """^bb0(%x: f32, %old: f32):
        %s = arith.addf %x, %old : f32
        linalg.yield %s : f32""",
    )
    x, old = floats(3, 5), floats(3, 1)
    (r,) = execute(text, x, old)
    np.testing.assert_allclose(r, old + x.sum(1, keepdims=True), rtol=1e-6)


def test_sum_of_a_constant_counts_every_trip():
    text = generic(
        f"{IJ}, {ROW}",
        REDUCED,
        "tensor<3x5xi32>",
        "tensor<3xi32>",
        """^bb0(%x: i32, %old: i32):
        %one = arith.constant 1 : i32
        %s = arith.addi %old, %one : i32
        linalg.yield %s : i32""",
    )
    (r,) = execute(text, np.zeros((3, 5), np.int32), np.zeros(3, np.int32))
    assert r.tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("op", "fold"),
    [("maximumf", np.maximum), ("minimumf", np.minimum), ("maxnumf", np.fmax)],
)
def test_extremes_treat_nan_as_their_op_says(op, fold):
    text = generic(
        f"{IJ}, {ROW}",
        REDUCED,
        "tensor<3x5xf32>",
        "tensor<3xf32>",
        f"""^bb0(%x: f32, %old: f32):
        %s = arith.{op} %x, %old : f32
        linalg.yield %s : f32""",
    )
    x = floats(3, 5)
    x[1, 2] = np.nan
    old = floats(3)
    (r,) = execute(text, x, old)
    assert np.array_equal(r, fold(old, fold.reduce(x, 1)), equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_contraction_forms_products_of_narrow_floats_in_f32(dtype):
    name = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}[
        np.dtype(dtype).name
    ]
    text = generic(
        "affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (n, k)>,"
        " affine_map<(b, m, n, k) -> (b, m, n)>",
        '"parallel", "parallel", "parallel", "reduction"',
        f"tensor<2x3x64x{name}> tensor<5x64x{name}>",
        f"tensor<2x3x5x{name}>",
        f"""^bb0(%x: {name}, %y: {name}, %old: {name}):
        %p = arith.mulf %x, %y : {name}
        %s = arith.addf %old, %p : {name}
        linalg.yield %s : {name}""",
    )
    x, y = floats(2, 3, 64, dtype=dtype), floats(5, 64, dtype=dtype)
    (r,) = execute(text, x, y, np.zeros((2, 3, 5), dtype))
    exact = np.einsum("bmk,nk->bmn", x.astype(np.float64), y.astype(np.float64))
    assert r.dtype == dtype
    step = float(ml_dtypes.finfo(dtype).eps)
    np.testing.assert_allclose(r.astype(np.float64), exact, rtol=step, atol=64 * 2**-22)


def test_integer_contraction_is_exact_beyond_the_mantissa_of_f32():
    text = generic(
        "affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>",
        '"parallel", "parallel", "reduction"',
        "tensor<2x4096xi64> tensor<3x4096xi64>",
        "tensor<2x3xi64>",
        """^bb0(%x: i64, %y: i64, %old: i64):
        %p = arith.muli %x, %y : i64
        %s = arith.addi %old, %p : i64
        linalg.yield %s : i64""",
    )
    for limit in (2**7, 2**15, 2**26):
        x = rng.integers(-limit, limit, (2, 4096))
        y = rng.integers(-limit, limit, (3, 4096))
        (r,) = execute(text, x, y, np.ones((2, 3), np.int64))
        want = [
            [1 + sum(int(a) * int(b) for a, b in zip(p, q, strict=True)) for q in y]
            for p in x
        ]
        assert r.tolist() == want


def test_convolution_through_a_map_of_sums():
    text = generic(
        "affine_map<(i, k) -> (i * 2 + k)>, affine_map<(i, k) -> (k)>, affine_map<(i, k) -> (i)>",
        REDUCED,
        "tensor<9xf32> tensor<3xf32>",
        "tensor<4xf32>",
        """^bb0(%x: f32, %y: f32, %old: f32):
        %p = arith.mulf %x, %y : f32
        %s = arith.addf %old, %p : f32
        linalg.yield %s : f32""",
    )
    x, w = floats(9), floats(3)
    (r,) = execute(text, x, w, np.zeros(4, np.float32))
    want = [sum(x[2 * i + k] * w[k] for k in range(3)) for i in range(4)]
    np.testing.assert_allclose(r, want, rtol=1e-5)


def test_argmax_runs_its_loop_in_order():
    text = generic(
        f"{IJ}, {ROW}, {ROW}",
        REDUCED,
        "tensor<3x6xf32>",
        "tensor<3xf32> tensor<3xi64>",
        """^bb0(%x: f32, %best: f32, %at: i64):
        %j = linalg.index 1 : index
        %here = arith.index_cast %j : index to i64
        %more = arith.cmpf ogt, %x, %best : f32
        %value = arith.select %more, %x, %best : f32
        %where = arith.select %more, %here, %at : i64
        linalg.yield %value, %where : f32, i64""",
    )
    x = floats(3, 6)
    x[0, 4] = x[0, 1] = 9
    value, at = execute(text, x, np.full(3, -np.inf, np.float32), np.zeros(3, np.int64))
    assert np.array_equal(value, x.max(1))
    assert at.tolist() == x.argmax(1).tolist()


def test_fold_and_loops_one_by_one_agree(monkeypatch):
    text = generic(
        "affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>",
        '"parallel", "parallel", "reduction"',
        "tensor<3x8xi8> tensor<8x5xi8>",
        "tensor<3x5xi32>",
        """^bb0(%x: i8, %y: i8, %old: i32):
        %xi = arith.extsi %x : i8 to i32
        %yi = arith.extsi %y : i8 to i32
        %p = arith.muli %xi, %yi : i32
        %s = arith.addi %old, %p : i32
        linalg.yield %s : i32""",
    )
    x = rng.integers(-128, 128, (3, 8), np.int8)
    y = rng.integers(-128, 128, (8, 5), np.int8)
    (fast,) = execute(text, x, y, np.ones((3, 5), np.int32))
    monkeypatch.setattr(implementation, "find_folds", lambda *_: None)
    (slow,) = execute(text, x, y, np.ones((3, 5), np.int32))
    assert fast.tolist() == slow.tolist() == (1 + x.astype(int) @ y).tolist()


EMBEDDING = generic(
    f"{ROW}, {IJ}",
    PARALLEL,
    "tensor<3xi64>",
    "tensor<3x4xf32>",
    """^bb0(%token: i64, %old: f32):
        %row = arith.index_cast %token : i64 to index
        %zero = arith.constant 0 : i64
        %good = arith.cmpi sge, %token, %zero : i64
        cf.assert %good, "index must not be negative"
        %column = linalg.index 1 : index
        %e = tensor.extract %table[%row, %column] : tensor<6x4xf32>
        linalg.yield %e : f32""",
).replace("%o0: tensor<3x4xf32>", "%o0: tensor<3x4xf32>, %table: tensor<6x4xf32>")


def test_rows_gathered_in_a_body():
    table = floats(6, 4)
    tokens = np.array([5, 0, 5])
    (r,) = execute(EMBEDDING, tokens, np.zeros((3, 4), np.float32), table)
    assert np.array_equal(r, table[tokens])


@pytest.mark.parametrize(
    ("token", "message"), [(-1, "must not be negative"), (6, "takes element 6")]
)
def test_index_outside_a_table_is_an_error(token, message):
    with pytest.raises(ExecutionError, match=message):
        execute(
            EMBEDDING,
            np.array([0, 0, token]),
            np.zeros((3, 4), np.float32),
            floats(6, 4),
        )


def test_named_ops_are_their_bodies():
    text = """
    func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x5xf32>) -> tensor<5x3xf32> {
      %zero = arith.constant 1.000000e+00 : f32
      %e = tensor.empty() : tensor<3x5xf32>
      %c = linalg.fill ins(%zero : f32) outs(%e : tensor<3x5xf32>) -> tensor<3x5xf32>
      %m = linalg.matmul ins(%a, %b : tensor<3x4xf32>, tensor<4x5xf32>) outs(%c : tensor<3x5xf32>) -> tensor<3x5xf32>
      %f = tensor.empty() : tensor<5x3xf32>
      %t = linalg.transpose ins(%m : tensor<3x5xf32>) outs(%f : tensor<5x3xf32>) permutation = [1, 0]
      func.return %t : tensor<5x3xf32>
    }"""
    a, b = floats(3, 4), floats(4, 5)
    (r,) = execute(text, a, b)
    np.testing.assert_allclose(r, (1 + a @ b).T, rtol=1e-6)


def test_slices_pads_and_reshapes():
    text = """
    func.func @f(%x: tensor<4x6xf32>, %i: index) -> (tensor<2x3xf32>, tensor<5x8xf32>, tensor<2x2x6xf32>, tensor<4x6xf32>, tensor<4x12xf32>) {
      %z = arith.constant 2.500000e+00 : f32
      %s = tensor.extract_slice %x[%i, 0] [2, 3] [1, 2] : tensor<4x6xf32> to tensor<2x3xf32>
      %p = tensor.pad %x low[1, 0] high[0, 2] {
      ^bb0(%a: index, %b: index):
        tensor.yield %z : f32
      } : tensor<4x6xf32> to tensor<5x8xf32>
      %e = tensor.expand_shape %x [[0, 1], [2]] output_shape [2, 2, 6] : tensor<4x6xf32> into tensor<2x2x6xf32>
      %n = tensor.insert_slice %s into %x[1, 3] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<4x6xf32>
      %c = tensor.concat dim(1) %x, %n : (tensor<4x6xf32>, tensor<4x6xf32>) -> tensor<4x12xf32>
      func.return %s, %p, %e, %n, %c : tensor<2x3xf32>, tensor<5x8xf32>, tensor<2x2x6xf32>, tensor<4x6xf32>, tensor<4x12xf32>
    }"""
    x = floats(4, 6)
    s, p, e, n, c = execute(text, x, 2)
    assert np.array_equal(s, x[2:4, 0:5:2])
    want = np.full((5, 8), 2.5, np.float32)
    want[1:, :6] = x
    assert np.array_equal(p, want)
    assert np.array_equal(e, x.reshape(2, 2, 6))
    inserted = x.copy()
    inserted[1:3, 3:] = s
    assert np.array_equal(n, inserted)
    assert np.array_equal(c, np.concatenate([x, inserted], 1))
    with pytest.raises(
        ExecutionError, match="elements 3 to 5 of dimension 0, which has 4"
    ):
        execute(text, x, 3)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "expects 2 inputs, got 0"),
        ([np.zeros((3, 4), np.float32), np.zeros((4, 4), np.float32)], "shape 4x5 for input 1"),
        ([np.zeros((3, 4)), np.zeros((4, 5), np.float32)], "float32 for input 0 .* got 3x4 of float64"),
    ],
)  # fmt: skip
def test_wrong_inputs_are_sentences(inputs, message):
    text = "func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x5xf32>) { func.return }"
    with pytest.raises(ExecutionError, match=message):
        execute(text, *inputs)


def test_unknown_op_is_named_with_its_origin():
    text = """
    func.func @f(%a: tensor<3xf32>) -> tensor<3xf32> {
      %b = "foo.bar"(%a) {dfc.origin = "layer:node"} : (tensor<3xf32>) -> tensor<3xf32>
      func.return %b : tensor<3xf32>
    }"""
    with pytest.raises(
        ExecutionError, match=r"no way is known to execute `foo.bar` \(layer:node\)"
    ):
        execute(text, floats(3))
