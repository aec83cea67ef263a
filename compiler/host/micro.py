# pyright: strict, reportUnknownMemberType=false
"""
Times of the few things that a forward pass is made of, each alone, on this machine.

A product of the engine with one row and with many, its loops over rows, its calls; PyTorch's product with one row and
with many, its elementwise work, its calls; reads of the memory. Weights rotate through memory that no cache
holds, and the memory is read before each round of what is timed.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from xdsl.dialects.func import FuncOp

from dfc.dialects.ternary import PackingAttr
from dfc.driver import new_context, parse_module
from dfc.frontends import ops
from dfc.frontends.functions import Argument, Function
from dfc.frontends.trace import decompositions
from dfc.host.attention import host_kv_write, host_sdpa
from dfc.host.micro_text import NORM, PRODUCT
from dfc.host.region import compile_region
from dfc.passes.convert_rows_to_vector import ConvertRowsToVectorPass
from dfc.passes.convert_ternary_to_vector import ConvertTernaryToVectorPass
from dfc.runtime.machine.work import unknown, work_of
from dfc.runtime.native.bandwidth import Bandwidth, Reader
from dfc.runtime.native.kernel import Kernel, load_kernels
from dfc.runtime.native.memory import huge_bytes

COLUMNS, ROWS = 3072, 8192
"""Columns and rows of the products: no layer of a model of the zoo is like it."""

TOKENS = 128
"""Rows of activations where there are many."""

SMALL = 16
"""Columns and rows of layers that take no time."""

FILL = 1 << 30
"""Bytes that weights rotate through."""

ROUNDS = 10
"""Times that a thing is timed, with a read of the memory before each."""

ROUND = 0.05
"""Seconds of a round."""

PACKING = PackingAttr("trits1in2", "interleaved")

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}

Call = Callable[[], object]


@dataclass(frozen=True)
class Library:
    """Seconds of PyTorch in one dtype: a product with one row, with many, a product element by element."""

    one_row: float
    many_rows: float
    elementwise: float


@dataclass(frozen=True)
class Times:
    """Seconds of each thing, and the reads between."""

    reads: Bandwidth
    product_one: float
    product_many: float
    rows: float
    call: float
    library: dict[str, Library]
    operator: float
    attention: float


class Clock:
    """Times calls on so many threads, and reads the memory between."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.reader = Reader(FILL)
        self.reads: list[float] = []

    def seconds(self, call: Call) -> float:
        """Median seconds of a call over rounds of several in a row."""
        once = min(run(call, 1) for _ in range(3))
        times = max(1, int(ROUND / once))
        taken: list[float] = []
        for _ in range(ROUNDS):
            self.reads.append(self.reader.read(self.threads))
            taken.append(run(call, times))
        return median(taken)


def run(call: Call, times: int) -> float:
    """Seconds of a call, over several in a row."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


@torch.no_grad()
def measure(threads: int, isa: str) -> Times:
    """Time everything; about a minute, and 3 GiB of memory."""
    clock = Clock(threads)
    one, many = (products(clock, isa, tokens) for tokens in (1, TOKENS))
    return Times(
        product_one=one,
        product_many=many,
        rows=norms(clock, isa, TOKENS, COLUMNS),
        call=calls(clock, isa),
        library={name: library(clock, dtype) for name, dtype in DTYPES.items()},
        operator=elementwise(clock, torch.bfloat16, (1, 16)),
        attention=attention(clock),
        reads=Bandwidth(tuple(clock.reads)),
    )


def kernel(text: str, isa: str) -> Kernel:
    """The code of the one function of a text."""
    module, context = parse_module(text, new_context()), new_context()
    for each in (ConvertRowsToVectorPass(isa), ConvertTernaryToVectorPass(isa)):
        each.apply(context, module)
    (made,) = load_kernels(module).values()
    return made


def packed_bytes() -> int:
    """Bytes of the ternary weight."""
    return PACKING.tile_bytes(ROWS, COLUMNS)


def product_text() -> str:
    """The function of a ternary product and its dequantisation."""
    size = packed_bytes()
    return PRODUCT.format(k=COLUMNS, n=ROWS, size=size, packing=PACKING)


def products(clock: Clock, isa: str, tokens: int) -> float:
    """Seconds of a ternary product with its dequantisation; weights come from memory."""
    made, size = kernel(product_text(), isa), packed_bytes()
    random = np.random.default_rng(0)
    memory = huge_bytes(max(1, FILL // size) * size)
    memory[:] = 0x55  # zeros: a product takes as long whatever it multiplies
    places = cycle([memory.ctypes.data + at for at in range(0, memory.size, size)])
    q = random.integers(-128, 128, (tokens, COLUMNS), np.int8)
    s, scale = np.ones(tokens, np.float32), np.ones(1, np.float32)
    y = np.empty((tokens, ROWS), np.uint16)
    first, last = address(q), [address(s), address(scale), address(y)]

    def call() -> None:
        made([first, next(places), *last], tokens, clock.threads)

    return clock.seconds(call)


def norms(clock: Clock, isa: str, tokens: int, columns: int) -> float:
    """Seconds of a norm with the quantisation behind it; tokens stay in caches, as they do between layers."""
    made = kernel(NORM.format(m=tokens, k=columns), isa)
    x = np.random.default_rng(0).normal(size=(tokens, columns)).astype(np.float32)
    narrow = (x.view(np.uint32) >> 16).astype(np.uint16)  # bf16, cut off
    gain = np.full(columns, 0x3F80, np.uint16)  # one
    q, s = np.empty((tokens, columns), np.int8), np.empty(tokens, np.float32)
    places = [address(each) for each in (narrow, gain, q, s)]
    threads = clock.threads if tokens > 1 else 1
    return clock.seconds(lambda: made(places, tokens, threads))


def calls(clock: Clock, isa: str) -> float:
    """Seconds of a kernel's call: a region of four layers so small that they do nothing, by its kernels."""
    weights = [torch.eye(SMALL, dtype=torch.bfloat16) for _ in range(4)]
    region = compile_region(small_region(weights), isa=isa)
    rows = [torch.ones(1, SMALL, dtype=torch.bfloat16)]
    whole = clock.seconds(lambda: region.run(rows, weights))
    return whole / len(region.plan.steps)


def attention(clock: Clock) -> float:
    """Seconds of an attention's call and of the writes of its keys and values; they are so few that they take no time."""
    q = torch.ones(1, 4, 1, SMALL, dtype=torch.bfloat16)
    keys, values = (torch.ones(1, 1, SMALL, SMALL, dtype=q.dtype) for _ in range(2))
    position = torch.tensor(SMALL // 2)

    def call() -> None:
        for cache in (keys, values):
            host_kv_write(cache, q[:, :1], position)
        host_sdpa(q, keys, values, position, None, True, None, None)

    return clock.seconds(call)


def small_region(weights: Sequence[Tensor]) -> Function:
    """Ternary layers and a ReLU in front of each, as a function of rows and weights."""

    def body(x: Tensor, *weights: Tensor) -> tuple[Tensor]:
        for weight in weights:
            x = ops.linear(torch.relu(x), *ops.ternarize(weight, "exact"), None)
        return (x,)

    x = torch.empty(SMALL, SMALL, dtype=torch.bfloat16)
    module = make_fx(body, decomposition_table=decompositions())(x, *weights)
    for node in module.graph.nodes:
        node.meta["dfc.origin"] = f"small:{node.name}"
    arguments = [
        Argument(f"a{n}", "weight" if n else "input", tuple(t.shape), t.dtype)
        for n, t in enumerate([x, *weights])
    ]
    return Function("small", module, arguments)


def norm_elements(tokens: int, columns: int) -> int:
    """Functions of the norm and the quantisation times their elements, as the simulator counts them."""
    module = parse_module(NORM.format(m=tokens, k=columns), new_context())
    (function,) = module.ops
    assert isinstance(function, FuncOp)
    works = [work_of(op, unknown) for op in function.body.block.ops]
    return sum(count for work in works for count in work.elements.values())


def library(clock: Clock, dtype: torch.dtype) -> Library:
    """Seconds of PyTorch's products, weights from memory, and of an elementwise op, values in caches."""
    size = ROWS * COLUMNS * dtype.itemsize
    weight = torch.randn(ROWS, COLUMNS).to(dtype)
    weights = cycle([weight.clone() for _ in range(max(1, FILL // size))])

    def linear(tokens: int) -> Call:
        x = torch.randn(tokens, COLUMNS).to(dtype)
        return lambda: torch.nn.functional.linear(x, next(weights))

    one, many = (clock.seconds(linear(tokens)) for tokens in (1, TOKENS))
    return Library(one, many, elementwise(clock, dtype, (TOKENS, COLUMNS)))


def elementwise(clock: Clock, dtype: torch.dtype, shape: tuple[int, int]) -> float:
    """Seconds of a product element by element in PyTorch."""
    x = torch.randn(shape).to(dtype)
    return clock.seconds(lambda: torch.mul(x, x))


def address(array: NDArray[np.generic]) -> int:
    """Where an array begins."""
    return array.ctypes.data
