"""
Ternary linear layers on the host beside PyTorch's, in one run: `python benchmarks/host_kernels.py --threads 1`.

Each layer's weights rotate through a buffer that no cache holds; contenders take turns, round by round, and each round
reads the memory once with a kernel from the same compiler. Times are wall times, medians over rounds;
only ratios within the run mean anything. A run whose reads spread by more than 15%, or on a machine with other
work, is no verdict, and says so.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from statistics import median

import numpy as np
import torch
from harness import header, table
from xdsl.context import Context
from xdsl.parser import Parser

from dfc.dialects.ternary import PackingAttr
from dfc.passes.convert_rows_to_vector import ConvertRowsToVectorPass
from dfc.passes.convert_ternary_to_vector import ConvertTernaryToVectorPass
from dfc.runtime.interpreter.packing import pack
from dfc.runtime.mlir import xdsl_context
from dfc.runtime.native.bandwidth import Bandwidth, Reader
from dfc.runtime.native.cpu import choose_isa
from dfc.runtime.native.kernel import Kernel, load_kernels
from dfc.runtime.native.memory import huge_bytes

LAYERS = {
    "q, k and v": (2560, 3840),
    "attention output": (2560, 2560),
    "gate or up": (2560, 6912),
    "gate and up": (2560, 13824),
    "down": (6912, 2560),
}
"""Columns and rows of the linear layers of BitNet b1.58 2B4T; what can be one product is."""

PACKING = PackingAttr("trits1in2", "interleaved")
SPREAD = 0.15
"""Spread of the reads from which there is no verdict."""

Contender = Callable[[], object]


def kernels(rows: int, columns: int, isa: str) -> dict[str, Kernel]:
    """Quantisation and product of one layer, from bf16 to bf16."""
    size = PACKING.tile_bytes(rows, columns)
    w, a = f"tensor<{rows}x{columns}x!ternary.trit>", f"tensor<1x{rows}xi32>"
    x, q = f"tensor<1x{columns}xbf16>", f"tensor<1x{columns}xi8>"
    s, y = "tensor<1xf32>", f"tensor<1x{rows}xbf16>"
    text = f"""
    func.func @quantize(%x: {x}) -> ({q}, {s}) {{
      %q, %s = ternary.quantize %x : {x} -> ({q}, {s})
      func.return %q, %s : {q}, {s}
    }}
    func.func @product(%q: {q}, %p: tensor<{size}xi8>, %s: {s}, %c: tensor<f32>) -> {y} {{
      %w = ternary.unpack %p {{packing = {PACKING}}} : tensor<{size}xi8> -> {w}
      %a = ternary.matmul %q, %w : ({q}, {w}) -> {a}
      %y = ternary.dequantize %a, %s, %c : ({a}, {s}, tensor<f32>) -> {y}
      func.return %y : {y}
    }}"""
    context: Context = xdsl_context()
    module = Parser(context, text).parse_module()
    ConvertRowsToVectorPass(isa).apply(context, module)
    ConvertTernaryToVectorPass(isa).apply(context, module)
    return load_kernels(module)


class Layer:
    """One layer with as many copies of its weight as fill the buffer, for each contender."""

    def __init__(
        self,
        sizes: tuple[int, int],
        tokens: int,
        bytes_: int,
        options: argparse.Namespace,
    ) -> None:
        self.columns, self.rows = sizes
        self.tokens, self.bytes, self.threads = tokens, bytes_, options.threads
        random = np.random.default_rng(0)
        self.trits = random.integers(-1, 2, (self.rows, self.columns)).astype(np.int8)
        self.x = torch.randn(tokens, self.columns, dtype=torch.bfloat16)
        self.packed = pack(self.trits, PACKING, (self.rows, self.columns)).ravel()
        self.kernels = kernels(self.rows, self.columns, options.isa)

    def host(self) -> Contender:
        """Our kernels: quantisation, then product and dequantisation."""
        copies = max(1, self.bytes // self.packed.size)
        buffer = huge_bytes(copies * self.packed.size)
        weights = buffer.reshape(copies, -1)
        weights[:] = self.packed.view(np.uint8)
        places = cycle([weight.ctypes.data for weight in weights])
        width = -(-self.columns // 16) * 16
        q, s = (
            np.zeros((self.tokens, width), np.int8),
            np.zeros(self.tokens, np.float32),
        )
        scale = np.ones(1, np.float32)
        y = torch.empty(self.tokens, self.rows, dtype=torch.bfloat16)
        quantize, product = self.kernels["quantize"], self.kernels["product"]
        held = (buffer, q, s, scale, self.x)
        first = [self.x.data_ptr(), q.ctypes.data, s.ctypes.data]
        last = [s.ctypes.data, scale.ctypes.data, y.data_ptr()]

        def call() -> object:
            quantize(first, self.tokens, self.threads if self.tokens > 8 else 1)
            product([q.ctypes.data, next(places), *last], self.tokens, self.threads)
            return y, held

        return call

    def dense(self, compiled: bool) -> Contender:
        """A bf16 linear layer of PyTorch."""
        weight = torch.from_numpy(self.trits).to(torch.bfloat16)
        copies = max(1, self.bytes // (2 * weight.numel()))
        weights = cycle([weight.clone() for _ in range(copies)])
        function = torch.nn.functional.linear
        if compiled:
            function = torch.compile(lambda x, w: torch.nn.functional.linear(x, w))

        def call() -> object:
            with torch.no_grad():
                return function(self.x, next(weights))

        return call

    def integers(self) -> Contender:
        """`torch._int_mm`: the product alone, on int8."""
        weight = torch.from_numpy(self.trits)
        copies = max(1, self.bytes // weight.numel())
        weights = cycle([weight.clone().t() for _ in range(copies)])
        q = torch.randint(-128, 128, (self.tokens, self.columns), dtype=torch.int8)
        return lambda: torch._int_mm(q, next(weights))

    def check(self, call: Contender) -> None:
        """The values of a call against PyTorch's, in f32."""
        call()
        y, _ = call()
        wide = self.x.float()
        # `127 / x` would be a reciprocal and a product, rounded twice
        largest = wide.abs().amax(1, keepdim=True).clamp(min=1e-5)
        s = torch.tensor(127.0) / largest
        q = (wide * s).round().clamp(-128, 127)
        exact = q @ torch.from_numpy(self.trits).float().t()
        assert torch.equal(y, (exact / s).to(torch.bfloat16))


def seconds(call: Contender, times: int) -> float:
    """Seconds of a call, over several in a row."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def compare(
    layer: Layer, reader: Reader, rounds: int
) -> tuple[dict[str, float], Bandwidth]:
    """Median seconds by contender, and the reads between."""
    host = layer.host()
    layer.check(host)
    contenders = {
        "dfc": host,
        "torch.compile bf16": layer.dense(compiled=True),
        "eager bf16": layer.dense(compiled=False),
        "_int_mm": layer.integers(),
    }
    calls = {name: max(2, int(0.02 / seconds(c, 3))) for name, c in contenders.items()}
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    reads: list[float] = []
    for _ in range(rounds):
        reads.append(reader.read(layer.threads))
        for name, contender in contenders.items():
            taken[name].append(seconds(contender, calls[name]))
    return {name: median(each) for name, each in taken.items()}, Bandwidth(tuple(reads))


def row(
    name: str, layer: Layer, found: dict[str, float], read: Bandwidth
) -> Sequence[object]:
    """A row of the table."""
    own = found["dfc"]
    share = layer.packed.size / own / read.best
    others = [
        found[each] / own for each in ("torch.compile bf16", "eager bf16", "_int_mm")
    ]
    size = f"{layer.columns} -> {layer.rows}"
    return [
        name,
        size,
        layer.tokens,
        own * 1e6,
        *others,
        share,
        read.best / 1e9,
        read.spread,
    ]


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().split("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1, 128])
    parser.add_argument(
        "--layers", nargs="+", default=list(LAYERS), choices=list(LAYERS)
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument(
        "--gib", type=float, default=1, help="weights of each contender"
    )
    parser.add_argument("--isa", default=choose_isa(), type=choose_isa)
    return parser.parse_args()


def main() -> None:
    """Print the table, and whether it says anything."""
    chosen = options()
    torch.set_num_threads(chosen.threads)
    load = os.getloadavg()[0]
    header()
    print(
        f"{chosen.threads} threads, {chosen.isa}, PyTorch {torch.__version__}, load {load:.1f}"
    )
    reader = Reader()
    rows: list[Sequence[object]] = []
    for tokens in chosen.tokens:
        for name in chosen.layers:
            layer = Layer(LAYERS[name], tokens, int(chosen.gib * 2**30), chosen)
            rows.append(row(name, layer, *compare(layer, reader, chosen.rounds)))
    ratios = ["torch.compile bf16 / dfc", "eager bf16 / dfc", "_int_mm / dfc"]
    ends = ["weight bytes of best read", "best GB/s", "spread"]
    table(["layer", "size", "tokens", "dfc µs", *ratios, *ends], rows)
    if load > 0.5 or any(float(str(each[-1])) > SPREAD for each in rows):
        print(
            "\nno verdict: other work was running, or reads of the memory spread by more than 15%"
        )


if __name__ == "__main__":
    main()
