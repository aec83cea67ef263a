"""Bytes per tier on the modelled KV260 are those that the placed program's copies move."""

from collections import Counter
from math import ceil, prod

import pytest
from tellme_testing import LAYERS, Run, large
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import Operation

from dfc.dialects import accel, stream, tier
from dfc.dialects.utils import element, shape
from dfc.program import Program

pytestmark = pytest.mark.slow

BURST = 64
"""Bytes of a burst of the DDR; the other memories move single bytes."""
BYTES = {"f16": 2, "f32": 4, "i8": 1}
Moved = Counter[tuple[str, str, str]]
"""Bytes by kernel, direction and tier."""


def runs(part: tuple[int, ...], whole: tuple[int, ...]) -> int:
    """How many contiguous pieces a tile of a row-major tensor has."""
    pieces = 1
    for index in range(len(part)):
        inner_is_whole = part[index + 1 :] == whole[index + 1 :]
        if not (inner_is_whole and (part[index] == 1 or prod(part[:index]) == 1)):
            continue
        return pieces * prod(part[:index])
    return pieces


def in_bursts(part: tuple[int, ...], buffer, place: str) -> int:
    """Bytes that one copy of a tile moves in a tier."""
    count = runs(part, tuple(shape(buffer)))
    size = prod(part) * BYTES[str(element(buffer))]
    burst = BURST if place == "ddr" else 1
    return count * ceil(size // count / burst) * burst


def kernel_copies(kernel: accel.KernelOp) -> Moved:
    """The copies of a placed kernel: into each FIFO behind a read, out of each in front of a write."""
    found: Moved = Counter()
    name = kernel.sym.data
    for op in kernel.walk():
        if isinstance(op, stream.ReadOp) and op.in_place is None:
            kind = stream.stream_type(op.tokens)
            place = tier.tier_of(op.source)
            part = tuple(kind.token.get_shape())
            size = in_bursts(part, op.source, place)
            found[name, "read", place] += kind.tokens * size
            for use in op.tokens.uses:
                assert isinstance(use.operation, stream.FifoOp)
                near = use.operation.tier.data
                bare = prod(part) * BYTES[str(element(op.source))]
                found[name, "written", near] += kind.tokens * bare
        elif isinstance(op, stream.WriteOp) and op.in_place is None:
            kind = stream.stream_type(op.tokens)
            place = tier.tier_of(op.target)
            size = in_bursts(tuple(kind.token.get_shape()), op.target, place)
            found[name, "written", place] += kind.tokens * size
    return found


def copies(program: Program, function: str) -> Moved:
    """The copies of a placed function and of those it calls, by kernel."""
    module = program.module("placed")
    by_name = {op.sym_name.data: op for op in module.ops if isinstance(op, FuncOp)}
    found: Moved = Counter()

    def visit(op: Operation) -> None:
        for inner in op.regions[0].block.ops:
            if isinstance(inner, accel.KernelOp):
                found.update(kernel_copies(inner))
            elif isinstance(inner, CallOp):
                visit(by_name[inner.callee.string_value()])
            elif isinstance(inner, tier.CopyOp):
                place = tier.tier_of(inner.target)
                part = tuple(shape(inner.target))
                size = in_bursts(part, inner.target.owner.source, place)
                found[op.sym_name.data, "written", place] += size

    visit(by_name[function])
    return found


@pytest.mark.parametrize("entry", ["prefill", "decode"])
def test_a_kernel_moves_what_its_copies_do(entry: str):
    run = Run(large(), entry, 64)
    placed = copies(large(), entry)
    launched = {
        key.kernel: key.where for key in run.call.counters if key.quantity == "launches"
    }
    compared = 0
    for (kernel, direction, place), size in placed.items():
        # units on chip reach the DDR by copies only, and the weight buffer is written by nothing else
        if place == "bram" or launched.get(kernel) not in ("tlmm", "norm", None):
            continue
        counted = run.total(direction, place, kernel)
        assert counted == size, (kernel, direction, place)
        compared += 1
    assert compared > 20
    for direction in ("read", "written"):
        chip = [k for k, unit in launched.items() if unit in ("tlmm", "norm")]
        counted = sum(run.total(direction, "ddr", kernel) for kernel in chip)
        assert counted == sum(placed[kernel, direction, "ddr"] for kernel in chip)


def test_the_rest_of_a_step_is_the_cache_the_embedding_and_the_head():
    run = Run(large(), "decode", 64)
    placed = copies(large(), "decode")
    read = sum(
        size
        for (_, way, where), size in placed.items()
        if (way, where) == ("read", "ddr")
    )
    keys_and_values = LAYERS * 2 * 65 * 3072
    head = 1536 * 32002 * 2 + 1536 * 2
    rest = run.total("read", "ddr") - read - keys_and_values - head
    # a token and its row of the embedding, the frequencies of the rotary embedding
    assert rest == 8 + 3072 + 48 * 4
