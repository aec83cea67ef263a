"""What benchmarks/host_kernels.py compares: dfc's kernels of one linear layer and PyTorch's, each with weights of its own that rotate."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import torch
from torch import Tensor
from xdsl.parser import Parser

from dfc.dialects.ternary import PackingAttr
from dfc.passes.convert_rows_to_vector import ConvertRowsToVectorPass
from dfc.passes.convert_ternary_to_vector import ConvertTernaryToVectorPass
from dfc.runtime.interpreter.packing import pack
from dfc.runtime.mlir import xdsl_context
from dfc.runtime.native.kernel import Kernels, load_kernels
from dfc.runtime.native.memory import huge_bytes
from dfc.runtime.native.threads import Calls

PACKING = PackingAttr("trits1in2", "interleaved")


@dataclass(frozen=True)
class Contender:
    """A call that computes a layer so many times."""

    call: Callable[[], object]
    layers: int = 1


@dataclass(frozen=True)
class Shape:
    """A layer: its name, sizes, how often it stands in the model, and whether its weight is int8 in rows."""

    name: str
    columns: int
    rows: int
    times: int
    bytes: bool = False

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weight as dfc keeps it."""
        if self.bytes:
            return self.rows * self.columns
        return PACKING.tile_bytes(self.rows, self.columns)


def product_text(shape: Shape) -> str:
    """The integers `%a` of a layer, from activations `%q` and a weight `%p`."""
    n, k = shape.rows, shape.columns
    q, a = f"tensor<1x{k}xi8>", f"tensor<1x{n}xi32>"
    if not shape.bytes:
        w, p = f"tensor<{n}x{k}x!ternary.trit>", f"tensor<{shape.weight_bytes}xi8>"
        return f"""
      %w = ternary.unpack %p {{packing = {PACKING}}} : {p} -> {w}
      %a = ternary.matmul %q, %w : ({q}, {w}) -> {a}"""
    return f"""
      %zero = arith.constant 0 : i32
      %empty = tensor.empty() : {a}
      %zeros = linalg.fill ins(%zero : i32) outs(%empty : {a}) -> {a}
      %a = linalg.generic {{
        indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>],
        iterator_types = ["parallel", "parallel", "reduction"]
      }} ins(%q, %p : {q}, tensor<{n}x{k}xi8>) outs(%zeros : {a}) {{
      ^bb0(%one: i8, %other: i8, %sum: i32):
        %0 = arith.extsi %one : i8 to i32
        %1 = arith.extsi %other : i8 to i32
        %2 = arith.muli %0, %1 : i32
        %3 = arith.addi %sum, %2 : i32
        linalg.yield %3 : i32
      }} -> {a}"""


def kernels(shape: Shape, isa: str) -> Kernels:
    """Quantisation and product of one layer, from bf16 to bf16."""
    n, k = shape.rows, shape.columns
    x, q = f"tensor<1x{k}xbf16>", f"tensor<1x{k}xi8>"
    s, y, a = "tensor<1xf32>", f"tensor<1x{n}xbf16>", f"tensor<1x{n}xi32>"
    p = f"tensor<{n}x{k}xi8>" if shape.bytes else f"tensor<{shape.weight_bytes}xi8>"
    text = f"""
    func.func @quantize(%x: {x}) -> ({q}, {s}) {{
      %q, %s = ternary.quantize %x : {x} -> ({q}, {s})
      func.return %q, %s : {q}, {s}
    }}
    func.func @product(%q: {q}, %p: {p}, %s: {s}, %c: tensor<f32>) -> {y} {{
      {product_text(shape)}
      %y = ternary.dequantize %a, %s, %c : ({a}, {s}, tensor<f32>) -> {y}
      func.return %y : {y}
    }}"""
    context = xdsl_context()
    module = Parser(context, text).parse_module()
    ConvertRowsToVectorPass(isa).apply(context, module)
    ConvertTernaryToVectorPass(isa).apply(context, module)
    return load_kernels(module)


class Layer:
    """One layer with as many copies of its weight as fill a buffer, for each contender."""

    def __init__(self, shape: Shape, tokens: int, bytes_: int, threads: int) -> None:
        self.shape, self.tokens, self.bytes, self.threads = (
            shape,
            tokens,
            bytes_,
            threads,
        )
        random = np.random.default_rng(0)
        most = 127 if shape.bytes else 1
        size = (shape.rows, shape.columns)
        self.values = random.integers(-most, most + 1, size, np.int8)
        self.x = torch.randn(tokens, shape.columns, dtype=torch.bfloat16)
        self.dense = self.rotating(torch.from_numpy(self.values).to(torch.bfloat16))

    def rotating(self, weight: Tensor) -> Iterator[Tensor]:
        """Copies of a weight, one after the other, again and again."""
        size = weight.numel() * weight.element_size()
        return cycle([weight.clone() for _ in range(max(1, self.bytes // size))])

    def host(self, isa: str) -> tuple[Contender, Tensor]:
        """Our kernels (quantisation, then product and dequantisation) as a region of a model calls them, and where the result stands."""
        shape, size = self.shape, self.shape.weight_bytes
        stored = self.values
        if not shape.bytes:
            stored = pack(stored, PACKING, (shape.rows, shape.columns))
        buffer = huge_bytes(max(1, self.bytes // size) * size)
        weights = buffer.reshape(-1, size)
        weights[:] = stored.reshape(-1).view(np.uint8)
        q = np.zeros((self.tokens, -(-shape.columns // 16) * 16), np.int8)
        s, scale = np.zeros(self.tokens, np.float32), np.ones(1, np.float32)
        y = torch.empty(self.tokens, shape.rows, dtype=torch.bfloat16)
        made = kernels(shape, isa)
        quantize, product = made["quantize"], made["product"]
        places = [q.ctypes.data, s.ctypes.data]
        first = [self.x.data_ptr(), *places, self.tokens]
        last = [places[1], scale.ctypes.data, y.data_ptr(), self.tokens]
        tables = [
            np.array([*first, places[0], weight.ctypes.data, *last], np.int64)
            for weight in weights
        ]
        few = self.tokens <= 8
        calls = Calls(
            [
                (quantize.address, 0, self.tokens, 1 if few else self.threads),
                (product.address, 8 * len(first), product.parts, self.threads),
            ]
        )
        bases = cycle([table.ctypes.data for table in tables])

        def call() -> object:
            calls.run(next(bases))
            return made, buffer, tables, q, s, scale, y

        return Contender(call), y

    def eager(self) -> Contender:
        """A bf16 linear layer of PyTorch."""
        return Contender(lambda: torch.nn.functional.linear(self.x, next(self.dense)))

    def compiled(self) -> Contender:
        """The same under `torch.compile` in its default mode."""
        function = torch.compile(lambda x, w: torch.nn.functional.linear(x, w))
        return Contender(lambda: function(self.x, next(self.dense)))

    def frozen(self) -> Contender:
        """The same with freezing: weights are constants, so one graph holds all copies."""
        weight = torch.from_numpy(self.values).to(torch.bfloat16)
        count = max(1, self.bytes // (2 * weight.numel()))
        model = Linears([weight.clone() for _ in range(count)]).eval()
        function = torch.compile(model)
        with torch._inductor.config.patch(freezing=True):
            function(self.x)
        return Contender(lambda: function(self.x), count)

    def integers(self) -> Contender:
        """`torch._int_mm`: the product alone, on int8."""
        weights = self.rotating(torch.from_numpy(self.values))
        size = (self.tokens, self.shape.columns)
        q = torch.randint(-128, 128, size, dtype=torch.int8)
        return Contender(lambda: torch._int_mm(q, next(weights).t()))

    def packed_bytes(self) -> Contender:
        """`torch._weight_int8pack_mm`: bf16 activations, int8 weights, a scale per row."""
        weights = self.rotating(torch.from_numpy(self.values))
        scale = torch.ones(self.shape.rows, dtype=torch.bfloat16)
        return Contender(
            lambda: torch._weight_int8pack_mm(self.x, next(weights), scale)
        )

    def check(self, y: Tensor) -> None:
        """The values of our kernels against PyTorch's, in f64 where sums are exact."""
        wide = self.x.float()
        # `127 / x` would be a reciprocal and a product, rounded twice
        largest = wide.abs().amax(1, keepdim=True).clamp(min=1e-5)
        s = torch.tensor(127.0) / largest
        q = (wide * s).round().clamp(-128, 127)
        rows = slice(0, 8192)
        weight = torch.from_numpy(self.values[rows]).double()
        exact = (q.double() @ weight.t()).float()
        assert torch.equal(y[:, rows], (exact / s).to(torch.bfloat16))


class Linears(torch.nn.Module):
    """Linear layers on the same activations."""

    def __init__(self, weights: list[Tensor]) -> None:
        super().__init__()
        self.weights = torch.nn.ParameterList(
            torch.nn.Parameter(weight, requires_grad=False) for weight in weights
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Every layer's result."""
        return [torch.nn.functional.linear(x, weight) for weight in self.weights]
