"""`arith` and `math` on scalars and arrays: signs, widths, NaN and rounding."""

import math

import ml_dtypes
import numpy as np
import pytest
from xdsl.context import Context
from xdsl.parser import Parser
from xdsl.universe import Universe

from dfc.runtime.interpreter import run

I8 = np.array([-128, -7, -1, 0, 1, 7, 127], np.int8)
F32 = np.array([-np.inf, -2.5, -0.5, 0.0, 0.5, 1.5, np.inf, np.nan], np.float32)


def execute(text: str, *inputs):
    context = Context()
    for name, load in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, load)
    module = Parser(context, text).parse_module()
    module.verify()
    return run(module, "f", inputs)


def apply(op: str, kinds: str, result: str, *arrays: np.ndarray) -> np.ndarray:
    """An op on the elements of arrays, in a body of `linalg`."""
    (size,) = arrays[0].shape
    scalars = kinds.split(" ")
    types = ", ".join(f"tensor<{size}x{kind}>" for kind in scalars)
    names = ", ".join(f"%a{i}" for i in range(len(arrays)))
    typed = ", ".join(f"%a{i}: tensor<{size}x{kind}>" for i, kind in enumerate(scalars))
    elements = ", ".join(f"%e{i}: {kind}" for i, kind in enumerate(scalars))
    name, _, attributes = op.partition(" ")
    maps = ", ".join(["affine_map<(i) -> (i)>"] * (len(arrays) + 1))
    text = f"""
    func.func @f({typed}) -> tensor<{size}x{result}> {{
      %o = tensor.empty() : tensor<{size}x{result}>
      %r = linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel"]}}
        ins({names} : {types}) outs(%o : tensor<{size}x{result}>) {{
      ^bb0({elements}, %old: {result}):
        %v = "{name}"({names.replace("a", "e")}) {attributes} : ({", ".join(scalars)}) -> {result}
        linalg.yield %v : {result}
      }} -> tensor<{size}x{result}>
      func.return %r : tensor<{size}x{result}>
    }}"""
    (value,) = execute(text, *arrays)
    return value


def pairs(values: np.ndarray):
    a, b = np.meshgrid(values, values)
    return a.ravel().copy(), b.ravel().copy()


def nonzero(values: np.ndarray):
    return pairs(values)[0][pairs(values)[1] != 0], pairs(values)[1][
        pairs(values)[1] != 0
    ]


def wrapped(value: int) -> int:
    return (value + 128) % 256 - 128


@pytest.mark.parametrize(
    ("op", "meaning"),
    [
        ("addi", lambda a, b: wrapped(a + b)),
        ("subi", lambda a, b: wrapped(a - b)),
        ("muli", lambda a, b: wrapped(a * b)),
        ("maxsi", max),
        ("minui", lambda a, b: wrapped(min(a % 256, b % 256))),
        ("andi", lambda a, b: a & b),
        ("xori", lambda a, b: a ^ b),
    ],
)
def test_integers_wrap_in_their_width(op, meaning):
    a, b = pairs(I8)
    got = apply(f"arith.{op}", "i8 i8", "i8", a, b)
    assert got.tolist() == [meaning(int(x), int(y)) for x, y in zip(a, b, strict=True)]


@pytest.mark.parametrize(
    ("op", "meaning"),
    [
        ("divsi", lambda a, b: wrapped(int(a / b))),
        ("remsi", math.fmod),
        ("floordivsi", lambda a, b: wrapped(a // b)),
        ("ceildivsi", lambda a, b: wrapped(-(-a // b))),
        ("divui", lambda a, b: wrapped(a % 256 // (b % 256))),
        ("remui", lambda a, b: wrapped(a % 256 % (b % 256))),
        ("ceildivui", lambda a, b: wrapped(-(-(a % 256) // (b % 256)))),
    ],
)
def test_divisions_round_as_their_names_say(op, meaning):
    a, b = nonzero(I8)
    got = apply(f"arith.{op}", "i8 i8", "i8", a, b)
    # the one overflow, -128 / -1, is undefined upstream
    want = [meaning(int(x), int(y)) for x, y in zip(a, b, strict=True)]
    keep = [
        i for i, (x, y) in enumerate(zip(a, b, strict=True)) if (x, y) != (-128, -1)
    ]
    assert [got[i] for i in keep] == [want[i] for i in keep]


@pytest.mark.parametrize("predicate", range(10))
def test_integer_comparisons(predicate):
    a, b = pairs(I8)
    got = apply(f"arith.cmpi <{{predicate = {predicate} : i64}}>", "i8 i8", "i1", a, b)
    sign = (lambda x: int(x)) if predicate < 6 else (lambda x: int(x) % 256)
    compare = [
        int.__eq__, int.__ne__, int.__lt__, int.__le__, int.__gt__, int.__ge__,
        int.__lt__, int.__le__, int.__gt__, int.__ge__,
    ][predicate]  # fmt: skip
    assert got.tolist() == [
        compare(sign(x), sign(y)) for x, y in zip(a, b, strict=True)
    ]


@pytest.mark.parametrize("predicate", range(16))
def test_float_comparisons_and_nan(predicate):
    a, b = pairs(F32)
    got = apply(
        f"arith.cmpf <{{predicate = {predicate} : i64, fastmath = #arith.fastmath<none>}}>",
        "f32 f32", "i1", a, b,
    )  # fmt: skip
    relations = ["false", "==", ">", ">=", "<", "<=", "!=", "true"]
    for x, y, value in zip(a.tolist(), b.tolist(), got, strict=True):
        unordered = math.isnan(x) or math.isnan(y)
        if predicate in (0, 15):
            want = predicate == 15
        elif predicate in (7, 8 + 6):
            want = unordered == (predicate == 14)
        else:
            relation = relations[predicate if predicate < 7 else predicate - 7]
            holds = eval(f"x {relation} y")
            want = unordered if unordered and predicate > 7 else holds and not unordered
        assert bool(value) == want, (predicate, x, y)


def test_a_set_i1_is_minus_one_where_it_is_signed_and_one_where_not():
    bits = np.array([True, False])
    assert apply("arith.extsi", "i1", "i8", bits).tolist() == [-1, 0]
    assert apply("arith.extui", "i1", "i8", bits).tolist() == [1, 0]
    assert apply("arith.sitofp", "i1", "f32", bits).tolist() == [-1, 0]
    assert apply("arith.uitofp", "i1", "f32", bits).tolist() == [1, 0]
    assert apply("arith.addi", "i1 i1", "i1", bits, bits).tolist() == [False, False]
    less = apply("arith.cmpi <{predicate = 2 : i64}>", "i1 i1", "i1", bits, ~bits)
    assert less.tolist() == [True, False]


def test_conversions():
    ints = np.array([-1, 200], np.int32)
    assert apply("arith.trunci", "i32", "i8", ints).tolist() == [-1, -56]
    assert apply("arith.trunci", "i32", "i1", ints).tolist() == [True, False]
    assert apply("arith.extui", "i8", "i32", np.array([-1], np.int8)).tolist() == [255]
    assert apply("arith.uitofp", "i8", "f32", np.array([-1], np.int8)).tolist() == [255]
    floats = np.array([-2.7, 2.7, 1e30, np.nan], np.float32)
    got = apply("arith.fptosi", "f32", "i32", floats).tolist()
    assert got == [-2, 2, 2**31 - 1, 0]
    bits = apply("arith.bitcast", "f32", "i32", np.array([1.0], np.float32))
    assert bits.tolist() == [0x3F800000]
    narrow = apply("arith.truncf", "f32", "bf16", np.array([1.00390625], np.float32))
    assert narrow.dtype == ml_dtypes.bfloat16
    assert float(narrow[0]) == 1.0


def test_extremes_with_nan_and_rounding():
    a, b = pairs(F32)
    assert np.array_equal(
        apply("arith.maximumf", "f32 f32", "f32", a, b),
        np.maximum(a, b),
        equal_nan=True,
    )
    assert np.array_equal(
        apply("arith.minnumf", "f32 f32", "f32", a, b), np.fmin(a, b), equal_nan=True
    )
    halves = np.array([-2.5, -0.5, 0.5, 1.5, 2.5], np.float32)
    assert apply("math.roundeven", "f32", "f32", halves).tolist() == [-2, 0, 0, 2, 2]
    assert apply("math.round", "f32", "f32", halves).tolist() == [-3, -1, 1, 2, 3]


@pytest.mark.parametrize(
    ("op", "meaning"),
    [
        ("exp", math.exp),
        ("erf", math.erf),
        ("rsqrt", lambda x: x**-0.5),
        ("tanh", math.tanh),
        ("log1p", math.log1p),
    ],
)
@pytest.mark.parametrize("name", ["f32", "f16", "bf16"])
def test_functions_are_rounded_once(op, meaning, name):
    dtype = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}[name]
    x = np.linspace(0.25, 4, 50).astype(dtype)
    got = apply(f"math.{op}", name, name, x)
    want = np.array([meaning(float(v)) for v in x])
    assert got.dtype == dtype
    step = float(ml_dtypes.finfo(dtype).eps)
    np.testing.assert_allclose(got.astype(float), want, rtol=step)


def test_scalars_loops_and_branches():
    text = """
    func.func @f(%n: index) -> (index, i32, index) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c3 = arith.constant 3 : index
      %one = arith.constant 1 : i32
      %sum, %count = scf.for %i = %c0 to %n step %c3 iter_args(%s = %c0, %k = %one) -> (index, i32) {
        %t = arith.addi %s, %i : index
        %l = arith.addi %k, %one : i32
        scf.yield %t, %l : index, i32
      }
      %big = arith.cmpi sgt, %sum, %n : index
      %r = scf.if %big -> (index) {
        %d = arith.divui %sum, %c3 : index
        scf.yield %d : index
      } else {
        scf.yield %n : index
      }
      func.return %sum, %count, %r : index, i32, index
    }"""
    total, count, result = execute(text, 11)
    assert (total, int(count), result) == (0 + 3 + 6 + 9, 5, 6)
    assert isinstance(total, int)
