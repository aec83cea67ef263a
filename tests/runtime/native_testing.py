"""What the tests of the host engine share: kernels from text, run on the host and in the interpreter."""

import ctypes
import mmap
from math import ceil

import numpy as np
from pass_testing import apply_to_clone, function
from xdsl.dialects.builtin import ModuleOp

from dfc.dialects.ternary import PackingAttr
from dfc.passes.convert_ternary_to_vector import ConvertTernaryToVectorPass
from dfc.runtime.interpreter.dtypes import Array, dtype_of, shape_of
from dfc.runtime.interpreter.packing import pack
from dfc.runtime.native.cache import ObjectCache
from dfc.runtime.native.cpu import NEEDS, flags
from dfc.runtime.native.kernel import Kernel, load_kernels

HERE = [isa for isa, needs in NEEDS.items() if needs <= flags()]
"""Instruction sets of this processor."""

PACKINGS = [
    PackingAttr("trits1in2", "interleaved"),
    PackingAttr("trits1in2"),
    PackingAttr("trits3in5"),
    PackingAttr("trits5in8"),
]

ROOM = 77
"""What stands behind a result, where nothing may be written."""


def round_up(size: int) -> int:
    """The next multiple of 16."""
    return ceil(size / 16) * 16


def product_text(
    shape: tuple[int, int, int], packing: PackingAttr, finish: str = ""
) -> str:
    """A product of tokens x columns with rows x columns; `finish`: the dtype of a dequantised result."""
    m, n, k = shape
    size = packing.tile_bytes(n, k)
    w = f"tensor<{n}x{k}x!ternary.trit>"
    arguments, result, name = (
        f"%q: tensor<{m}x{k}xi8>, %p: tensor<{size}xi8>",
        "i32",
        "%a",
    )
    more = ""
    if finish:
        arguments += (
            f", %s: tensor<{m}xf32>, %c: tensor<{n}xf32>, %b: tensor<{n}x{finish}>"
        )
        more = (
            f"%y = ternary.dequantize %a, %s, %c bias %b : (tensor<{m}x{n}xi32>, tensor<{m}xf32>,"
            f" tensor<{n}xf32>, tensor<{n}x{finish}>) -> tensor<{m}x{n}x{finish}>"
        )
        result, name = finish, "%y"
    return f"""
    func.func @f({arguments}) -> tensor<{m}x{n}x{result}> {{
      %w = ternary.unpack %p {{packing = {packing}}} : tensor<{size}xi8> -> {w}
      %a = ternary.matmul %q, %w : (tensor<{m}x{k}xi8>, {w}) -> tensor<{m}x{n}xi32>
      {more}
      func.return {name} : tensor<{m}x{n}x{result}>
    }}"""


def byte_product_text(shape: tuple[int, int, int], finish: str = "") -> str:
    """A product of tokens x columns with rows x columns of int8; `finish`: the dtype of a dequantised result."""
    m, n, k = shape
    q, w, a = f"tensor<{m}x{k}xi8>", f"tensor<{n}x{k}xi8>", f"tensor<{m}x{n}xi32>"
    result, name, more, arguments = a, "%a", "", ""
    if finish:
        result, name = f"tensor<{m}x{n}x{finish}>", "%y"
        arguments = f", %s: tensor<{m}xf32>, %c: tensor<{n}xf32>"
        more = f"%y = ternary.dequantize %a, %s, %c : ({a}, tensor<{m}xf32>, tensor<{n}xf32>) -> {result}"
    return f"""
    func.func @f(%q: {q}, %w: {w} {{dfc.weight = "w"}}{arguments}) -> {result} {{
      %zero = arith.constant 0 : i32
      %empty = tensor.empty() : {a}
      %zeros = linalg.fill ins(%zero : i32) outs(%empty : {a}) -> {a}
      %a = linalg.generic {{
        indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>],
        iterator_types = ["parallel", "parallel", "reduction"]
      }} ins(%q, %w : {q}, {w}) outs(%zeros : {a}) {{
      ^bb0(%one: i8, %other: i8, %sum: i32):
        %0 = arith.extsi %one : i8 to i32
        %1 = arith.extsi %other : i8 to i32
        %2 = arith.muli %0, %1 : i32
        %3 = arith.addi %sum, %2 : i32
        linalg.yield %3 : i32
      }} -> {a}
      {more}
      func.return {name} : {result}
    }}"""


def kernel(module: ModuleOp, isa: str, cache: ObjectCache | None = None) -> Kernel:
    """The kernel `@f` of a module."""
    lowered = apply_to_clone(ConvertTernaryToVectorPass(isa), module)
    return load_kernels(lowered, cache)["f"]


def as_stored(value: Array, weight: bool = False) -> Array:
    """An argument as a kernel reads it: rows of int8 padded with zeros, factors per row with room behind them; a weight as it is."""
    if weight:
        return value
    if value.ndim == 2 and value.dtype == np.int8:
        tokens, columns = value.shape
        stored = np.zeros((tokens, round_up(columns)), np.int8)
        stored[:, :columns] = value
        return stored
    return np.concatenate([value.ravel(), np.zeros(16, value.dtype)])


def call(
    made: Kernel,
    module: ModuleOp,
    inputs: list[Array],
    threads: int = 1,
    tokens: int | None = None,
) -> list[Array]:
    """The results of a kernel on arrays, the first of which has a row per token if nothing is said; nothing may be written behind them."""
    kinds = function(module, "f").function_type.outputs.data
    attributes = function(module, "f").arg_attrs
    weights = ["dfc.weight" in each.data for each in attributes or ()]
    stored = [
        as_stored(*each)
        for each in zip(inputs, weights or [False] * len(inputs), strict=True)
    ]
    results: list[tuple[Array, tuple[int, ...], int]] = []
    for kind in kinds:
        shape, dtype = shape_of(kind), dtype_of(kind)
        width = (*shape[:-1], round_up(shape[-1])) if dtype == np.int8 else shape
        size = int(np.prod(width))
        results.append((np.full(size + 64, ROOM, dtype), width, size))
    places = [a.ctypes.data for a in stored] + [a.ctypes.data for a, *_ in results]
    made(places, tokens or len(inputs[0]), threads)
    assert all((a[size:] == ROOM).all() for a, _, size in results)
    return [
        a[:size].reshape(width)[..., : shape_of(kind)[-1]]
        for (a, width, size), kind in zip(results, kinds, strict=True)
    ]


def random_product(
    shape: tuple[int, int, int], packing: PackingAttr, seed: int
) -> tuple[Array, Array]:
    """Activations over the whole range, and a packed weight."""
    m, n, k = shape
    random = np.random.default_rng(seed)
    q = random.integers(-128, 128, (m, k)).astype(np.int8)
    w = random.integers(-1, 2, (n, k)).astype(np.int8)
    return q, pack(w, packing, (n, k)).ravel()


def guarded(value: Array) -> Array:
    """A copy that ends where nothing may be read."""
    page = mmap.PAGESIZE
    whole = -(-value.nbytes // page) * page
    memory = mmap.mmap(-1, whole + page)
    every = np.frombuffer(memory, np.int8)
    protect = ctypes.CDLL(None).mprotect
    assert not protect(ctypes.c_void_p(every.ctypes.data + whole), page, 0)
    copy = every[whole - value.nbytes : whole].view(value.dtype).reshape(value.shape)
    copy[...] = value
    return copy
