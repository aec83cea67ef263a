"""`ternary`: quantised linear layers, exact in integers, in f32 elsewhere."""

from typing import Any, cast

import numpy as np
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)
from xdsl.ir import SSAValue

from dfc.dialects import ternary
from dfc.runtime.interpreter.contraction import multiply_integers
from dfc.runtime.interpreter.dtypes import Array, dtype_of, shape_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.packing import pack, unpack_tile
from dfc.runtime.interpreter.ternarize import ternarize


def matmul(q: Array, w: Array, acc: Array | None = None) -> Array:
    """q @ w.T (+ acc) in 32-bit integers."""
    a = multiply_integers(q, w.T).astype(np.int32)
    return a if acc is None else a + acc


def dequantize(
    a: Array, s: Array, scale: Any, bias: Array | None, dtype: np.dtype[Any]
) -> Array:
    """a / s * scale (+ bias) in f32, rounded once."""
    y = a.astype(np.float32) / s[:, None] * np.asarray(scale, np.float32)
    if bias is not None:
        y = y + bias.astype(np.float32)
    return y.astype(dtype)


def build_tables(q: Array) -> Array:
    """M x ceil(K / 3) x 27: each group's sum under every weighting by trits."""
    padded = np.pad(q.astype(np.int16), [(0, 0), (0, -q.shape[1] % 3)])
    weights = np.stack([np.arange(27) // 3**j % 3 - 1 for j in range(3)])
    return padded.reshape(len(q), -1, 3) @ weights.astype(np.int16)


def lookup_matmul(t: Array, w: Array, acc: Array | None = None) -> Array:
    """M x N sums of table entries, one lookup per group of 3 trits."""
    padded = np.pad(w, [(0, 0), (0, -w.shape[1] % 3)])
    codes = (padded.reshape(len(w), -1, 3) + 1) @ np.array([1, 3, 9])
    a = np.zeros((len(t), len(w)), np.int32) if acc is None else acc.copy()
    for group in range(t.shape[1]):
        a += t[:, group, codes[:, group]]
    return a


def optional(value: SSAValue | None, args: PythonValues, at: int) -> Array | None:
    """The value of an optional operand."""
    return None if value is None else args[at]


@register_impls
class TernaryFunctions(InterpreterFunctions):
    """One method per op; what is quantised passes the evaluator's `quantizer`."""

    @impl(ternary.QuantizeOp)
    def quantize(
        self, interpreter: Interpreter, op: ternary.QuantizeOp, args: PythonValues
    ) -> PythonValues:
        """Rows to int8."""
        assert isinstance(interpreter, Evaluator)
        return interpreter.quantize(op, args[0])

    @impl(ternary.MatmulOp)
    def matmul(
        self, interpreter: Interpreter, op: ternary.MatmulOp, args: PythonValues
    ) -> PythonValues:
        """Exact products."""
        return (matmul(args[0], args[1], optional(op.acc, args, 2)),)

    @impl(ternary.DequantizeOp)
    def dequantize(
        self, interpreter: Interpreter, op: ternary.DequantizeOp, args: PythonValues
    ) -> PythonValues:
        """Back to floats."""
        a, s, scale = args[:3]
        bias = optional(op.bias, args, 3)
        return (dequantize(a, s, scale, bias, dtype_of(op.y.type)),)

    @impl(ternary.LinearOp)
    def linear(
        self, interpreter: Interpreter, op: ternary.LinearOp, args: PythonValues
    ) -> PythonValues:
        """Quantise, multiply, dequantise."""
        assert isinstance(interpreter, Evaluator)
        x, w, scale = args[:3]
        q, s = interpreter.quantize(op, x)
        bias = optional(op.bias, args, 3)
        return (dequantize(matmul(q, w), s, scale, bias, dtype_of(op.y.type)),)

    @impl(ternary.BuildTablesOp)
    def build_tables(
        self, interpreter: Interpreter, op: ternary.BuildTablesOp, args: PythonValues
    ) -> PythonValues:
        """All sums of groups."""
        return (build_tables(args[0]),)

    @impl(ternary.LookupMatmulOp)
    def lookup_matmul(
        self, interpreter: Interpreter, op: ternary.LookupMatmulOp, args: PythonValues
    ) -> PythonValues:
        """Products by lookup."""
        return (lookup_matmul(args[0], args[1], optional(op.acc, args, 2)),)

    @impl(ternary.PackOp)
    def pack(
        self, interpreter: Interpreter, op: ternary.PackOp, args: PythonValues
    ) -> PythonValues:
        """Trits to bytes."""
        rows, columns = cast("tuple[int, int]", op.tile.get_values())
        return (pack(args[0], op.packing, (rows, columns)),)

    @impl(ternary.UnpackOp)
    def unpack(
        self, interpreter: Interpreter, op: ternary.UnpackOp, args: PythonValues
    ) -> PythonValues:
        """Bytes to trits."""
        rows, columns = shape_of(op.w.type)
        return (unpack_tile(args[0], op.packing, (rows, columns)),)

    @impl(ternary.TernarizeOp)
    def ternarize(
        self, interpreter: Interpreter, op: ternary.TernarizeOp, args: PythonValues
    ) -> PythonValues:
        """A weight to trits."""
        t, scale = ternarize(args[0], op.method)
        by = optional(op.by, args, 1)
        return t, scale if by is None else scale * by.astype(np.float32).reshape(())
