"""What the tests of the lower passes share: fused modules as text, random inputs, and values at each level."""

from collections.abc import Sequence

import numpy as np
from pass_testing import apply_to_clone, context, function, parse
from xdsl.dialects.builtin import IndexType, ModuleOp
from xdsl.passes import ModulePass

from dfc.passes.convert_stream_to_accel import ConvertStreamToAccelPass
from dfc.passes.hoist_weights import HoistWeightsPass
from dfc.passes.place_buffers import PlaceBuffersPass
from dfc.passes.tile_kernels import TileKernelsPass
from dfc.passes.verify_placement import VerifyPlacementPass
from dfc.runtime.interpreter import run
from dfc.runtime.interpreter.dtypes import dtype_of

LOWER: dict[str, tuple[ModulePass, ...]] = {
    "tiled": (TileKernelsPass(), HoistWeightsPass()),
    "placed": (PlaceBuffersPass(), VerifyPlacementPass()),
    "program": (ConvertStreamToAccelPass(),),
}
"""The passes to each level from the one above."""


def lowered(module: ModuleOp, level: str) -> ModuleOp:
    """A copy of a fused module at a lower level."""
    for name, passes in LOWER.items():
        for pass_ in passes:
            module = apply_to_clone(pass_, module)
        if name == level:
            return module
    raise KeyError(level)


Values = Sequence[np.ndarray | int]


def random_values(
    module: ModuleOp, name: str = "main", position: int = 3
) -> tuple[Values, dict[str, np.ndarray]]:
    """Seeded inputs of a function of a module on tensors, and its weights by name."""
    draw = np.random.default_rng(7)
    inputs: list[np.ndarray | int] = []
    weights: dict[str, np.ndarray] = {}
    entry = function(module, name)
    attributes = entry.arg_attrs.data if entry.arg_attrs else [None] * len(entry.args)
    for kind, own in zip(entry.function_type.inputs.data, attributes, strict=True):
        if isinstance(kind, IndexType):
            inputs.append(position)
            continue
        shape, dtype = kind.get_shape(), dtype_of(kind)
        if str(kind.element_type) == "!ternary.trit":
            value = draw.integers(-1, 2, shape).astype(np.int8)
        elif dtype == np.bool_:
            value = draw.integers(0, 2, shape).astype(bool)
        elif np.issubdtype(dtype, np.integer):
            value = draw.integers(-90, 90, shape).astype(dtype)
        else:
            value = draw.standard_normal(shape).astype(dtype)
        if own is not None and "dfc.weight" in own.data:
            weights[own.data["dfc.weight"].data] = value
        else:
            inputs.append(value)
    return inputs, weights


def values(module: ModuleOp, given: tuple[Values, dict[str, np.ndarray]]) -> Values:
    """The results of `@main` on copies of these inputs."""
    inputs = [np.copy(x) if isinstance(x, np.ndarray) else x for x in given[0]]
    return run(module, "main", inputs, weights=given[1])


def same(before: Values, after: Values) -> bool:
    """Whether all results are equal bit by bit."""
    pairs = zip(before, after, strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def product(
    m: int, n: int, k: int, sram_kib: float = 1024, target: str = "tiny-npu"
) -> ModuleOp:
    """
    A quantisation (m x k) and a ternary product with n outputs, dequantised and added to a residual.

    Both the sum and what is added to it leave the kernel.
    """
    x, w, r = (
        f"tensor<{m}x{k}xf32>",
        f"tensor<{n}x{k}x!ternary.trit>",
        f"tensor<{m}x{n}xf32>",
    )
    q, s, c = f"tensor<{m}x{k}xi8>", f"tensor<{m}xf32>", f"tensor<{n}xf32>"
    a, map = f"tensor<{m}x{n}xi32>", "affine_map<(i, j) -> (i, j)>"
    override = f"{{tier.sram.capacity_mib = {sram_kib / 1024!r} : f64}}"
    text = f'''
builtin.module attributes {{accel.target = "{target}", accel.target_set = {override}}} {{
func.func @main(%x: {x}, %w: {w} {{dfc.weight = "w", dfc.ternary}}, %c: {c} {{dfc.weight = "c"}}, %r: {r}) -> ({r}, {r}) {{
  %q, %s = accel.kernel "quantize" ins(%x : {x}) -> ({q}, {s}) {{
  ^bb0(%x0: {x}):
    %q0, %s0 = ternary.quantize %x0 {{accel.unit = "vector", dfc.origin = "l:linear#quantize"}} : {x} -> ({q}, {s})
    accel.yield %q0, %s0 : {q}, {s}
  }} {{result_values = ["l:linear#quantize.0", "l:linear#quantize.1"]}}
  %y, %z = accel.kernel "product" ins(%q, %s, %w, %c, %r : {q}, {s}, {w}, {c}, {r}) -> ({r}, {r}) {{
  ^bb0(%q1: {q}, %s1: {s}, %w1: {w}, %c1: {c}, %r1: {r}):
    %a1 = ternary.matmul %q1, %w1 {{accel.unit = "array", dfc.origin = "l:linear#matmul"}} : ({q}, {w}) -> {a}
    %y1 = ternary.dequantize %a1, %s1, %c1 {{accel.unit = "vector", dfc.origin = "l:linear"}} : ({a}, {s}, {c}) -> {r}
    %e1 = tensor.empty() : {r}
    %z1 = linalg.generic {{indexing_maps = [{map}, {map}, {map}], iterator_types = ["parallel", "parallel"]}} ins(%y1, %r1 : {r}, {r}) outs(%e1 : {r}) attrs = {{accel.unit = "vector", dfc.origin = "l:add"}} {{
    ^bb1(%u: f32, %v: f32, %o: f32):
      %t = arith.addf %u, %v : f32
      linalg.yield %t : f32
    }} -> {r}
    accel.yield %y1, %z1 : {r}, {r}
  }} {{result_values = ["l:linear", "l:add"]}}
  func.return %y, %z : {r}, {r}
}}
}}'''
    return parse(text.replace("{tier.sram.capacity_mib", '{"tier.sram.capacity_mib"'))


__all__ = [
    "LOWER",
    "context",
    "lowered",
    "parse",
    "product",
    "random_values",
    "same",
    "values",
]
