"""A target file for this machine: every rate and cost from one measurement of something small."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from dfc.host.micro import (
    COLUMNS,
    FILL,
    ROWS,
    SMALL,
    TOKENS,
    Times,
    measure,
    norm_elements,
    packed_bytes,
)
from dfc.runtime.machine import parse_target
from dfc.runtime.native.cpu import choose_isa

BLOCK = 16
"""Rows and columns of the blocks that a packed weight is padded to."""

SPREAD, LOAD = 0.15, 0.5
"""Spread of the reads, and processes waiting to run, from which numbers are no verdict."""

TEMPLATE = """\
name = "{name}"
description = "{threads} threads of {processor}, {isa}: the host engine's kernels, and PyTorch for the rest"
source = "dfc bench host --describe, threads = {threads}"
clock_mhz = {{ value = 1000, assumed = "a tick is a nanosecond: every rate below is in real time" }}
host_tier = "ddr"
pipeline = "host"
units_per_kernel = {{ value = 1, source = "a kernel is one call, of the engine or of PyTorch" }}

[control]
launch_cycles = {{ value = 0, assumed = "what a call costs is each unit's overhead" }}
copy_cycles = {{ value = 0, assumed = "nothing is copied between memories: caches fill by themselves" }}

[power]
process = "7nm"
logic_factor = {{ value = 10, assumed = "instructions of an out-of-order core cost several times the arithmetic; the process is not asked for" }}

# Products with packed weights, from int8 to floats.
[unit.product]
kind = "packed-product"
data_tier = "cache"
weight_tier = "ddr"
packing = "trits1in2, order = interleaved"
block_outputs = {{ value = {block}, source = "convert-ternary-to-vector: rows of a weight in a register" }}
block_inputs = {{ value = {block}, source = "convert-ternary-to-vector: columns in 64 bytes" }}
gmac_per_s = {product_gmac}
overhead_ns = {call}

# Norms, activations, residuals, quantisation: a row at a time.
[unit.rows]
kind = "row-loops"
data_tier = "cache"
lanes = {{ value = 1, source = "the times below are of all lanes and threads together" }}
overhead_cycles = {call_cycles}

[unit.rows.dtype.f32]
cycles_per_element.default = {row}

[unit.rows.dtype.bf16]
cycles_per_element.default = {row}

[unit.rows.dtype.f16]
cycles_per_element.default = {row}

# What PyTorch runs: attention, products of floats, the embedding, and what stands between.
[unit.torch]
kind = "op-library"
data_tier = "ddr"
overhead_ns = {operator}
attention_ns = {attention}
{library}
[tier.cache]
memory = "sram"
capacity_mib = {{ value = {cache_mib}, source = "last-level cache, as the system states it" }}

[tier.ddr]
memory = "ddr"
capacity_gib = {{ value = {memory_gib}, source = "memory, as the system states it" }}
gb_per_s = {read}
efficiency = {efficiency}
"""


def described(name: str, threads: int | None = None) -> tuple[str, list[str]]:
    """Measure this machine: the text of a target file, and why its numbers are no verdict, if they are none."""
    load = os.getloadavg()[0]
    before = torch.get_num_threads()
    threads, isa = threads or before, choose_isa()
    torch.set_num_threads(threads)
    try:
        times = measure(threads, isa)
    finally:
        torch.set_num_threads(before)
    text = describe(name, times, this_machine(), threads, isa)
    parse_target(text, f"{name}.toml")
    return text, doubts(times, load)


@dataclass(frozen=True)
class Machine:
    """What the system says of itself; bytes."""

    processor: str
    memory: int
    cache: int


def this_machine() -> Machine:
    """The machine that this runs on; a cache of 1 MiB where the system states none."""
    found = re.search(r"^model name\s*: (.+)$", read("/proc/cpuinfo"), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(found[1] if found else os.uname().machine, memory, last_cache())


def last_cache(folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> int:
    """Bytes of the last-level cache."""
    sizes = [read(index / "size").strip() for index in sorted(folder.glob("index*"))]
    units = {"K": 1 << 10, "M": 1 << 20}
    return max((int(s[:-1]) * units[s[-1]] for s in sizes if s), default=1 << 20)


def read(path: str | Path) -> str:
    """The text of a file; nothing where there is none."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def describe(name: str, times: Times, machine: Machine, threads: int, isa: str) -> str:
    """The text of a target file with the numbers that these times give."""
    return TEMPLATE.format(
        name=name,
        threads=threads,
        isa=isa,
        processor=machine.processor,
        block=BLOCK,
        cache_mib=machine.cache / 2**20,
        memory_gib=round(machine.memory / 2**30, 2),
        library=library(times),
        **engine(times, threads),
    )


def engine(times: Times, threads: int) -> Mapping[str, str]:
    """The numbers of the engine's kernels and of the memory."""
    many = times.product_many - times.call
    one = times.product_one - times.call
    elements = norm_elements(TOKENS, COLUMNS)
    reads = times.reads
    share = min(1.0, packed_bytes() / one / reads.best)
    size = f"{COLUMNS} -> {ROWS}"
    call = f"a kernel of a region of layers {SMALL} -> {SMALL}, {us(times.call)}"
    return {
        "product_gmac": fitted(
            TOKENS * COLUMNS * ROWS / many / 1e9,
            f"{TOKENS} tokens through a ternary layer {size}, {us(times.product_many)}",
        ),
        "call": fitted(times.call * 1e9, call),
        "call_cycles": fitted(round(times.call * 1e9), call),
        "row": fitted(
            (times.rows - times.call) * 1e9 / elements,
            f"norm and quantisation of {TOKENS} rows of {COLUMNS} in bf16, {us(times.rows)}",
        ),
        "operator": fitted(
            times.operator * 1e9, f"a product of 16 numbers, {us(times.operator)}"
        ),
        "attention": fitted(
            times.attention * 1e9,
            f"attention of one row over {SMALL // 2 + 1} keys, and the writes of a key and a value, {us(times.attention)}",
        ),
        "read": fitted(
            reads.best / 1e9,
            f"the best of {len(reads.reads)} reads of 1 GiB in huge pages by {threads} threads;"
            f" the median is {100 * reads.spread:.0f}% slower",
        ),
        "efficiency": fitted(
            share,
            f"one token through a ternary layer {size}, its weight from {FILL >> 30} GiB of such, {us(times.product_one)}",
        ),
    }


def library(times: Times) -> str:
    """The tables of PyTorch's dtypes; the first is the unit's own."""
    macs = COLUMNS * ROWS / 1e9
    found: list[str] = []
    for name, each in times.library.items():
        elements = each.elementwise - times.operator
        kind = f"in {name}, {COLUMNS} -> {ROWS}"
        rates = {
            "gmac_per_s": fitted(
                TOKENS * macs / (each.many_rows - times.operator),
                f"a product {kind} with {TOKENS} rows, {us(each.many_rows)}",
            ),
            "one_row_gmac_per_s": fitted(
                macs / (each.one_row - times.operator),
                f"a product {kind} with one row, {us(each.one_row)}",
            ),
            "gelement_per_s": fitted(
                TOKENS * COLUMNS / elements / 1e9,
                f"a product element by element of {TOKENS} x {COLUMNS} in {name}, {us(each.elementwise)}",
            ),
        }
        lines = [f"{key} = {value}\n" for key, value in rates.items()]
        head = f"\n[unit.torch.dtype.{name}]\n" if found else ""
        found.append(head + "".join(lines))
    return "".join(found)


def fitted(value: float, what: str) -> str:
    """A number, of four digits where it is not whole, with the measurement it was fitted to."""
    number = value if isinstance(value, int) else float(f"{value:.4g}")
    return f'{{ value = {number}, calibrated = "{what}" }}'


def us(seconds: float) -> str:
    """A time in microseconds."""
    return f"{seconds * 1e6:,.{1 if seconds < 1e-4 else 0}f} us"


def doubts(times: Times, load: float) -> list[str]:
    """Why the numbers are no verdict; nothing where they are."""
    found: list[str] = []
    if times.reads.spread > SPREAD:
        found.append(f"reads of the memory spread by {100 * times.reads.spread:.0f}%")
    if load > LOAD:
        found.append(f"other work was running (load {load:.1f})")
    return found
