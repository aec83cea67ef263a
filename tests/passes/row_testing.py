"""What the tests of programs of rows share: programs as text for any number of tokens, and kernels run on arrays."""

from collections.abc import Callable, Sequence

import numpy as np
from native_testing import ROOM, guarded, round_up
from pass_testing import apply_to_clone, function, parse

from dfc.passes.convert_rows_to_vector import ConvertRowsToVectorPass
from dfc.runtime.interpreter import run
from dfc.runtime.interpreter.dtypes import Array, dtype_of, shape_of
from dfc.runtime.native.kernel import Kernel, load_kernels

Text = Callable[[int], str]
"""The text of a function `@f` for a number of tokens."""


def row_kernel(text: Text, tokens: int = 16) -> Kernel:
    """The kernel of a program whose types say this number of tokens."""
    lowered = apply_to_clone(ConvertRowsToVectorPass(), parse(text(tokens)))
    return load_kernels(lowered)["f"]


def padded(value: Array) -> Array:
    """Rows of int8 as a kernel finds them."""
    if value.dtype != np.int8 or value.ndim < 2:
        return np.ascontiguousarray(value)
    stored = np.zeros((*value.shape[:-1], round_up(value.shape[-1])), np.int8)
    stored[..., : value.shape[-1]] = value
    return stored


def call_rows(
    made: Kernel, text: Text, inputs: Sequence[Array], tokens: int, threads: int = 1
) -> list[Array]:
    """The results of a kernel; nothing is read behind arguments or written behind results, but zeros behind int8."""
    stored = [guarded(padded(value)) for value in inputs]
    results: list[tuple[Array, tuple[int, ...], int]] = []
    for kind in function(parse(text(tokens)), "f").function_type.outputs.data:
        shape = shape_of(kind)
        wide = padded(np.zeros(shape, dtype_of(kind))).shape
        size = int(np.prod(wide))
        results.append((np.full(size + 64, ROOM, dtype_of(kind)), wide, shape[-1]))
    places = [a.ctypes.data for a in stored] + [a.ctypes.data for a, *_ in results]
    made(places, tokens, threads)
    found: list[Array] = []
    for array, wide, columns in results:
        size = int(np.prod(wide))
        assert (array[size:] == ROOM).all()
        rows = array[:size].reshape(wide)
        assert not rows[..., columns:].any()
        found.append(rows[..., :columns])
    return found


def interpreted(text: Text, inputs: Sequence[Array], tokens: int) -> tuple[Array, ...]:
    """What the interpreter computes."""
    return run(parse(text(tokens)), "f", list(inputs))


def map_of(loops: str, shape: str) -> str:
    """The indexing map of a shape of loops and 1, by the loops' letters."""
    indices = ["0" if each == "1" else each for each in shape]
    return f"affine_map<({', '.join(loops)}) -> ({', '.join(indices)})>"


def generic(
    result: str,
    operands: Sequence[tuple[str, str, str]],
    out: tuple[str, str, str],
    body: str,
    fold: bool = False,
) -> str:
    """
    A `linalg.generic` over tokens `t` and columns `k`; each operand and the output is (name, shape, type).

    `body` uses `%a0`, `%a1`, … and the old output `%o`, and makes `%r`.
    """
    loops = "tk" if fold else out[1]
    maps = ", ".join(map_of(loops, shape) for _, shape, _ in [*operands, out])
    kinds = ['"parallel"'] * len(loops)
    if fold:
        kinds[-1] = '"reduction"'
    names = ", ".join(name for name, _, _ in operands)
    types = ", ".join(kind for _, _, kind in operands)
    arguments = [f"%a{n}: {element(kind)}" for n, (_, _, kind) in enumerate(operands)]
    arguments.append(f"%o: {element(out[2])}")
    return f"""
      {result} = linalg.generic {{indexing_maps = [{maps}], iterator_types = [{", ".join(kinds)}]}}
          ins({names} : {types}) outs({out[0]} : {out[2]}) {{
      ^bb0({", ".join(arguments)}):
        {body}
        linalg.yield %r : {element(out[2])}
      }} -> {out[2]}"""


def element(kind: str) -> str:
    """The element type of a tensor type."""
    return kind.removeprefix("tensor<").removesuffix(">").split("x")[-1]


def quantize_text(tokens: int, columns: int, dtype: str) -> str:
    """A quantisation."""
    types = f"(tensor<{tokens}x{columns}xi8>, tensor<{tokens}xf32>)"
    return f"""
    func.func @f(%x: tensor<{tokens}x{columns}x{dtype}>) -> {types} {{
      %q, %s = ternary.quantize %x : tensor<{tokens}x{columns}x{dtype}> -> {types}
      func.return %q, %s : tensor<{tokens}x{columns}xi8>, tensor<{tokens}xf32>
    }}"""
