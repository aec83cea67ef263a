"""Elementwise kernels on a stream fabric: one node per op, values as PyTorch's, cycles from the graph."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor, nn

import dfc
from dfc.dialects import accel, stream
from dfc.passes.kernels.fusion_graph import is_work
from dfc.program import Program

ROWS, COLUMNS = 5, 16


class RmsNorm(nn.Module):
    """x / sqrt(mean(x²)) * w, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.linspace(0.5, 1.5, COLUMNS))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.w


class Rotary(nn.Module):
    """Rotary position embedding: halves of each head swapped, one of them negated."""

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        left, right = x.chunk(2, -1)
        return x * cosines + torch.cat((-right, left), -1) * sines


class SwiGlu(nn.Module):
    """silu(g) * u."""

    def forward(self, g: Tensor, u: Tensor) -> Tensor:
        return nn.functional.silu(g) * u


class Ternary(nn.Module):
    """A ternary layer: on the machine quantise, multiply, dequantise."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(COLUMNS, 8, bias=False)
        trits = torch.arange(8 * COLUMNS).reshape(8, COLUMNS) % 3 - 1
        self.linear.weight = nn.Parameter(trits * 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


def quantised(x: Tensor) -> Tensor:
    """Rows as a ternary layer sees them: as int8 times a scale."""
    scale = 127 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
    return (x * scale).round().clamp(-128, 127) / scale


def rows() -> Tensor:
    """Seeded rows; the largest would overflow a naive exponential."""
    return torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(0)) * 40


def heads() -> Tensor:
    """Seeded values of two heads."""
    return rows()[:, :8].reshape(1, 1, ROWS, 8).repeat(1, 2, 1, 1)


CASES: dict[str, Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]] = {
    "rms": lambda: (RmsNorm(), (rows(),)),
    "layer norm": lambda: (nn.LayerNorm(COLUMNS), (rows(),)),
    "softmax": lambda: (nn.Softmax(-1), (rows(),)),
    "swiglu": lambda: (SwiGlu(), (rows(), rows().flip(0))),
    "rotary": lambda: (Rotary(), (heads(), heads()[:, :1], heads()[:, :1] + 1)),
    "ternary": lambda: (Ternary(), (rows(),)),
}


@cache
def compiled(name: str) -> tuple[Program, nn.Module, tuple[Tensor, ...]]:
    """A case's program for `stream-abstract`, its module and inputs."""
    module, inputs = CASES[name]()
    return dfc.compile(module, inputs, target="stream-abstract"), module, inputs


def nodes_of(program: Program) -> list[stream.MapOp | stream.ReduceOp]:
    """The nodes with bodies of all graphs."""
    kinds = stream.MapOp | stream.ReduceOp
    return [op for op in program.module("tiled").walk() if isinstance(op, kinds)]


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_pytorch_at_every_level(name: str):
    program, module, inputs = compiled(name)
    arrays = [x.numpy() for x in inputs]
    seen = [quantised(x) for x in inputs] if name == "ternary" else inputs
    wanted = module(*seen).detach()
    for level in ("fused", "tiled", "placed", "program"):
        (found,) = program.run("main", arrays, level=level)
        torch.testing.assert_close(torch.tensor(found), wanted)


@pytest.mark.parametrize("name", CASES)
def test_each_op_is_a_node_of_its_own(name: str):
    program, _, _ = compiled(name)
    fused = [
        op for op in program.module("fused").walk() if isinstance(op, accel.KernelOp)
    ]
    work = [op for kernel in fused for op in kernel.body.block.ops if is_work(op)]
    nodes = nodes_of(program)
    assert len(nodes) == len(work) > 0
    for node in nodes:
        inside = [op for op in node.body.block.ops if is_work(op)]
        assert len([op for op in inside if op.name != "ternary.unpack"]) == 1, node
    labels = [node.label.data for node in nodes if node.label is not None]
    assert len(labels) == len(nodes)


@pytest.mark.parametrize("name", ["rms", "layer norm", "softmax", "swiglu"])
def test_a_token_is_an_element_where_no_op_needs_a_row(name: str):
    program, _, _ = compiled(name)
    trips = {stream.node_trips(node.streams) for node in nodes_of(program)}
    # a node fires per element or, behind a reduction, per row
    assert trips <= {(ROWS, COLUMNS), (ROWS,)}


def test_rotation_and_ternary_products_take_rows():
    rotary = {
        stream.node_trips(node.streams) for node in nodes_of(compiled("rotary")[0])
    }
    assert max(rotary, key=len) in {(2, ROWS), (1, 2, ROWS)}
    ternary = nodes_of(compiled("ternary")[0])
    assert {stream.node_trips(node.streams) for node in ternary} == {(ROWS,)}


def test_softmax_takes_the_cycles_of_its_graph():
    program, _, _ = compiled("softmax")
    report = program.simulate()
    # the source forks 80 elements; a row passes after its maximum and its sum, so two rows late;
    # fork, maximum, sub, exp, sum, div and write are seven nodes, of which two wait for a row
    assert report.cycles == ROWS * COLUMNS + 2 * COLUMNS + 4
    deep = {fifo.name: fifo.depth for fifo in report.fifos if fifo.depth != 2}
    assert set(deep.values()) == {COLUMNS + 2}
    assert len(deep) == 2
