"""
Cycles of systolic arrays beside SCALE-Sim's, layer by layer, and how much faster they are found.

    python benchmarks/scale_sim.py [--layers N]

SCALE-Sim runs in an environment of its own under `build/scale_sim`, made from the package index
at the first run (it needs numpy below 2 and pandas below 3). Where it cannot be had, one line
says so. Its time is the CPU time of its run without starting Python and without traces; ours is
that of reading the product from the op and of the closed form. Exit 1 where a count differs or
the median ratio is below 1,000.
"""

import csv
import io
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from harness import header, per_call, table
from xdsl.context import Context
from xdsl.dialects import func, linalg, tensor
from xdsl.dialects.builtin import Builtin
from xdsl.ir import Operation
from xdsl.parser import Parser

from dfc.runtime.machine import load_target
from dfc.runtime.machine.structure import contraction_of
from dfc.runtime.machine.units import Systolic

ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / "build" / "scale_sim"
PACKAGES = ("scalesim==3.0.0", "numpy<2", "pandas<3")
LEAST_RATIO = 1000
DATAFLOWS = {
    "os": "output-stationary",
    "ws": "weight-stationary",
    "is": "input-stationary",
}
ARRAYS = ((64, 64), (16, 32))


@dataclass(frozen=True)
class Gemm:
    """A product of m x k by k x n."""

    m: int
    n: int
    k: int

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.m} x {self.k} by {self.k} x {self.n}"

    @property
    def row(self) -> str:
        """Its line in SCALE-Sim's topology."""
        return f"layer, {self.m}, {self.n}, {self.k}, 1:1,"

    @property
    def op(self) -> tuple[str, str, str]:
        """The op, and its input, filter and result as shapes."""
        shapes = f"{self.m}x{self.k} {self.k}x{self.n} {self.m}x{self.n}"
        return "linalg.matmul", "", shapes


@dataclass(frozen=True)
class Convolution:
    """A convolution without padding: a square input, a square filter."""

    size: int
    filter: int
    channels: int
    filters: int
    stride: int

    @property
    def name(self) -> str:
        """How tables call it."""
        return (
            f"{self.size}² x {self.channels}, {self.filters} of {self.filter}²,"
            f" stride {self.stride}"
        )

    @property
    def row(self) -> str:
        """Its line in SCALE-Sim's topology."""
        sides = (self.size, self.size, self.filter, self.filter)
        rest = (self.channels, self.filters, self.stride)
        return ", ".join(map(str, ("layer", *sides, *rest, "1:1,")))

    @property
    def op(self) -> tuple[str, str, str]:
        """The op, its attributes, and its input, filter and result as shapes."""
        out = (self.size - self.filter) // self.stride + 1
        attributes = (
            "{dilations = dense<1> : tensor<2xi64>,"
            f" strides = dense<{self.stride}> : tensor<2xi64>}} "
        )
        shapes = (
            f"1x{self.size}x{self.size}x{self.channels}"
            f" {self.filter}x{self.filter}x{self.channels}x{self.filters}"
            f" 1x{out}x{out}x{self.filters}"
        )
        return "linalg.conv_2d_nhwc_hwcf", attributes, shapes


Layer = Gemm | Convolution

LAYERS: tuple[Layer, ...] = (
    *(Gemm(1, 256, 512), Gemm(128, 128, 128), Gemm(200, 96, 33), Gemm(7, 5, 3)),
    # MobileNet v1: the first layer on a part of the image, and pointwise layers
    *(Convolution(33, 3, 3, 32, 2), Convolution(28, 1, 128, 256, 1)),
    *(Convolution(14, 1, 512, 512, 1), Convolution(7, 1, 1024, 1024, 1)),
)

CONFIG = """
[general]
run_name = run
[architecture_presets]
ArrayHeight = {rows}
ArrayWidth = {columns}
IfmapSramSzkB = 65536
FilterSramSzkB = 65536
OfmapSramSzkB = 65536
IfmapOffset = 0
FilterOffset = 100000000
OfmapOffset = 200000000
Bandwidth = 10
Dataflow = {dataflow}
ReadRequestBuffer = 32
WriteRequestBuffer = 32
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = false
SparseRep = ellpack_block
OptimizedMapping = false
BlockSize = 8
RandomNumberGeneratorSeed = 40
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
"""

DRIVER = """
import contextlib, io, sys, time
from scalesim.scale_sim import scalesim
gemm, folder = sys.argv[1] == "gemm", sys.argv[2]
files = {k: f"{folder}/{k}" for k in ("config.cfg", "layer.csv", "layout.csv")}
with contextlib.redirect_stdout(io.StringIO()):
    run = scalesim(save_disk_space=True, verbose=False, config=files["config.cfg"],
        topology=files["layer.csv"], layout=files["layout.csv"], input_type_gemm=gemm)
    start = time.process_time()
    run.run_scale(top_path=folder)
    taken = time.process_time() - start
print(taken)
"""


def environment() -> Path | None:
    """The Python that has SCALE-Sim, made where it is missing; `None` where it cannot be had."""
    python = ENVIRONMENT / "bin" / "python"
    ready = [str(python), "-c", "import scalesim.scale_sim"]
    if python.exists() and not subprocess.run(ready, capture_output=True).returncode:
        return python
    for command in (
        [sys.executable, "-m", "venv", str(ENVIRONMENT)],
        [str(python), "-m", "pip", "install", "--quiet", *PACKAGES],
    ):
        if subprocess.run(command, capture_output=True).returncode:
            return None
    return python


def scale_sim(
    python: Path, layer: Layer, size: tuple[int, int], dataflow: str
) -> tuple[int, float]:
    """Cycles without stalls by SCALE-Sim, and the CPU seconds it took."""
    folder = ENVIRONMENT / "run"
    folder.mkdir(exist_ok=True)
    rows, columns = size
    config = CONFIG.format(rows=rows, columns=columns, dataflow=dataflow)
    (folder / "config.cfg").write_text(config)
    (folder / "layer.csv").write_text(f"header\n{layer.row}\n")
    (folder / "layout.csv").write_text("header\n")
    kind = "gemm" if isinstance(layer, Gemm) else "conv"
    command = [str(python), "-c", DRIVER, kind, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = (folder / "run" / "COMPUTE_REPORT.csv").read_text()
    (found,) = csv.DictReader(io.StringIO(report), skipinitialspace=True)
    stalls = int(float(found["Stall Cycles"]))
    return int(float(found["Total Cycles"])) - stalls, float(done.stdout)


def array(size: tuple[int, int], dataflow: str) -> Systolic:
    """The unit model of this array."""
    shape = {"unit.array.rows": size[0], "unit.array.columns": size[1]}
    flow = {"unit.array.dataflow": DATAFLOWS[dataflow]}
    unit = load_target("tiny-npu", {**shape, **flow}).unit["array"]
    assert isinstance(unit, Systolic)
    return unit


def steps(unit: Systolic, op: Operation) -> int:
    """Steps of the product that an op is."""
    product = contraction_of(op)
    assert product is not None
    return unit.steps(product)


def op_of(layer: Layer) -> Operation:
    """The layer as an op on f16 tensors."""
    context = Context()
    for dialect in (Builtin, func.Func, linalg.Linalg, tensor.Tensor):
        context.load_dialect(dialect)
    name, attributes, shapes = layer.op
    x, w, y = (f"tensor<{shape}xf16>" for shape in shapes.split())
    text = (
        f"func.func @f(%x: {x}, %w: {w}, %o: {y}) -> {y} {{\n"
        f"%y = {name} {attributes}ins(%x, %w : {x}, {w}) outs(%o : {y}) -> {y}\n"
        f"func.return %y : {y} }}"
    )
    module = Parser(context, text).parse_module()
    return next(op for op in module.walk() if op.name == name)


def compare(python: Path, layers: Sequence[Layer]) -> list[tuple[object, ...]]:
    """A row per layer, array and dataflow: both counts, both times, and their ratio."""
    rows: list[tuple[object, ...]] = []
    for layer in layers:
        op = op_of(layer)
        for size in ARRAYS:
            for dataflow in DATAFLOWS:
                unit = array(size, dataflow)
                ours = steps(unit, op)
                here = per_call(lambda unit=unit, op=op: steps(unit, op))
                theirs, there = scale_sim(python, layer, size, dataflow)
                shown = f"{size[0]} x {size[1]} {dataflow}"
                ratio = round(there / here)
                rows.append((layer.name, shown, theirs, ours, there, here * 1e6, ratio))
    return rows


def main() -> int:
    """Print the table; 0 when all counts are equal and the ratio is reached."""
    options = ArgumentParser(
        description="Cycles of systolic arrays beside SCALE-Sim's."
    )
    options.add_argument("--layers", type=int, default=len(LAYERS))
    chosen = LAYERS[: options.parse_args().layers]
    python = environment()
    if python is None:
        print(f"skipped: {', '.join(PACKAGES)} cannot be had from the package index")
        return 0
    header()
    rows = compare(python, chosen)
    columns = ("layer", "array", "SCALE-Sim", "dfc", "its CPU s", "our CPU us", "ratio")
    table(columns, rows)
    different = [row for row in rows if row[2] != row[3]]
    ratio = median(float(str(row[-1])) for row in rows)
    equal = len(rows) - len(different)
    print(
        f"\n{equal} of {len(rows)} counts are equal; the median ratio is {ratio:,.0f}"
    )
    return int(bool(different) or ratio < LEAST_RATIO)


if __name__ == "__main__":
    sys.exit(main())
