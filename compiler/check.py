"""
`dfc run --check`: every level beside eager PyTorch, kernel by kernel on eager's own inputs.

A text has no PyTorch model; its results at each level stand beside those at the text's own level.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from dfc.cli_output import print_table
from dfc.comparison import Difference, compare
from dfc.errors import InputError
from dfc.frontends import Traced, eager_run, eager_values
from dfc.pipelines import LEVELS
from dfc.program import Program
from dfc.progress import step
from dfc.random_inputs import Value
from dfc.runtime.interpreter import KernelCall, KernelHook
from dfc.runtime.interpreter.dtypes import Array

Path = tuple[str, ...]
Reference = Mapping[tuple[Path, str], Array]


@dataclass
class Row:
    """
    All calls of one kernel at one level, or the values outside kernels.

    `values` counts what was compared: a kernel that eager has no value of is shown with 0.
    """

    level: str
    kernel: str
    values: int = 0
    difference: Difference = field(default_factory=Difference)
    flips: int = 0

    @property
    def passed(self) -> bool:
        """Whether integers are equal and floats within their tolerance."""
        return self.difference.within

    def as_dict(self) -> dict[str, object]:
        """The row for JSON and tables."""
        return {
            "level": self.level,
            "kernel": self.kernel,
            "values": self.values,
            "error": self.difference.error,
            "integers_differing": self.difference.integers,
            "rounding_flips": self.flips,
            "passed": self.passed,
        }


class Comparison(KernelHook):
    """
    Puts eager's tensors into every kernel and compares what comes out with eager's.

    A rounding that falls the other way (by one) is counted, and the run goes on with eager's
    integers, so that the kernel's own result can still be compared.
    """

    def __init__(self, level: str, function: str, reference: Reference) -> None:
        self.level = level
        self.reference = reference
        self.outside = Row(level, f"@{function}")
        self.rows: dict[str, Row] = {}
        self.current = self.outside
        self.cursor: dict[tuple[Path, str], int] = defaultdict(int)

    def operands(
        self, call: KernelCall, values: Sequence[Value]
    ) -> Sequence[Value | None]:
        """Eager's tensors in place of what earlier kernels made."""
        row = Row(self.level, call.name)
        self.current = self.rows.setdefault(call.name, row)
        return [
            self.eager(call.path, name, value)
            for name, value in zip(call.operand_values, values, strict=True)
        ]

    def results(
        self, call: KernelCall, values: Sequence[Value]
    ) -> Sequence[Value | None]:
        """Compare, and go on with eager's."""
        self.current = self.outside
        row = self.rows[call.name]
        found: list[Value | None] = []
        for name, value in zip(call.result_values, values, strict=True):
            expected = self.eager(call.path, name, value)
            note(row, value, expected)
            found.append(expected)
        return found

    def value(self, name: str, path: Path, value: Value) -> Value:
        """Compare a value outside kernels, and go on with eager's."""
        expected = self.eager(path, name, value)
        note(self.outside, value, expected)
        return value if expected is None else expected

    def eager(self, path: Path, name: str, value: Value) -> Array | None:
        """Eager's tensor for a value, in the value's shape; None where eager has none."""
        found = self.reference.get((path, name))
        # rewrites may leave out a reshape, whose value then stands under its operand's shape
        if found is None or found.size != np.size(value):
            return found
        return found.reshape(np.shape(value))

    def quantized(
        self, name: str, path: Path, x: Array, q: Array, s: Array
    ) -> tuple[Array, Array]:
        """Count the integers of these rows that are not eager's; go on with eager's."""
        all_q = self.reference.get((path, f"{name}#quantize.0"))
        all_s = self.reference.get((path, f"{name}#quantize.1"))
        if all_q is None or all_s is None:
            return q, s
        # a tile has some of the rows, and tiles come in order
        start = self.cursor[path, name]
        end = start + len(q)
        self.cursor[path, name] = end if end < len(all_q) else 0
        rows = slice(start, end)
        inside = len(all_q[rows])  # the last tile may stand over the edge
        off = np.abs(q[:inside].astype(np.int16) - all_q[rows].astype(np.int16))
        self.current.flips += int(np.count_nonzero(off == 1))
        wrong = Difference(integers=int(np.count_nonzero(off > 1)))
        found = self.current.difference.worse(wrong).worse(
            compare(s[:inside], all_s[rows])
        )
        self.current.difference = found
        return all_q[rows], all_s[rows]


def note(row: Row, value: Value, expected: Value | None) -> None:
    """Add one value to a row; a value that eager does not have is not compared."""
    if expected is not None:
        row.values += 1
        row.difference = row.difference.worse(compare(value, expected))


class Flips(KernelHook):
    """Counts, over a whole run of its own, the quantised integers that are not eager's."""

    def __init__(self, function: str, reference: Reference) -> None:
        self.comparison = Comparison("", function, reference)

    def quantized(
        self, name: str, path: Path, x: Array, q: Array, s: Array
    ) -> tuple[Array, Array]:
        """Count, and go on with the run's own."""
        self.comparison.quantized(name, path, x, q, s)
        return q, s

    @property
    def count(self) -> int:
        """Integers that differ, by one or by more."""
        row = self.comparison.outside
        return row.flips + row.difference.integers


@dataclass(frozen=True)
class EndToEnd:
    """The results of an entry function's own run, against eager's."""

    function: str
    difference: Difference
    flips: int

    @property
    def passed(self) -> bool:
        """Whether results are within tolerance; flips spread, so with them only that all is finite."""
        spread = self.flips > 0 and isfinite(self.difference.error)
        return self.difference.within or spread

    def as_dict(self) -> dict[str, object]:
        """The end for JSON."""
        return {
            "function": self.function,
            "error": self.difference.error,
            "integers_differing": self.difference.integers,
            "rounding_flips": self.flips,
            "passed": self.passed,
        }


@dataclass
class Check:
    """What `--check` found at these levels."""

    rows: list[Row] = field(default_factory=list[Row])
    ends: list[EndToEnd] = field(default_factory=list[EndToEnd])
    levels: tuple[str, ...] = LEVELS

    @property
    def passed(self) -> bool:
        """Whether every level was compared, and every row and end is as it should be."""
        compared = {row.level for row in self.rows if row.values}
        rows = (*self.rows, *self.ends)
        return compared == set(self.levels) and all(one.passed for one in rows)

    def as_dict(self) -> dict[str, object]:
        """What `--json` prints."""
        return {
            "rows": [row.as_dict() for row in self.rows],
            "end_to_end": [end.as_dict() for end in self.ends],
        }

    def print(self) -> None:
        """One table of kernels and levels, one line per entry function."""
        rows = [tuple(row.as_dict().values()) for row in self.rows]
        if rows:
            print_table("", tuple(self.rows[0].as_dict()), rows)
        for end in self.ends:
            print(
                f"@{end.function} end to end: error {end.difference.error:.2g},"
                f" {end.flips} rounding flips"
            )


def check(program: Program, traced: Traced, calls: Mapping[str, list[Value]]) -> Check:
    """Compare these calls of entry functions at every level, and end to end."""
    found = Check()
    for function, inputs in calls.items():
        reference = eager_values(traced, function, inputs)
        for level in LEVELS:
            step(f"checking @{function} at level {level}")
            hook = Comparison(level, function, reference)
            program.run(function, inputs, level=level, hook=hook)
            found.rows += hook.rows.values()
            found.rows += [hook.outside] if hook.outside.values else []
        found.ends.append(end_to_end(program, traced, function, inputs, reference))
    return found


def check_text(program: Program, calls: Mapping[str, list[Value]]) -> Check:
    """Compare the results of these calls at every level below a text's own with those at its own."""
    source = program.source
    found = Check(levels=LEVELS[LEVELS.index(source) + 1 :])
    if not found.levels:
        raise InputError(
            f"expected a text above level `{source}` to check, got one at it"
        )
    for function, inputs in calls.items():
        expected = program.run(function, copies(inputs), level=source)
        for level in found.levels:
            row = Row(level, f"@{function}")
            results = program.run(function, copies(inputs), level=level)
            for value, wanted in zip(results, expected, strict=True):
                note(row, value, np.asarray(wanted))
            found.rows.append(row)
    return found


def copies(values: list[Value]) -> list[Value]:
    """Values that a run may update."""
    return [np.copy(v) if isinstance(v, np.ndarray) else v for v in values]


def end_to_end(
    program: Program,
    traced: Traced,
    function: str,
    inputs: list[Value],
    reference: Reference,
) -> EndToEnd:
    """Run the program on its own values from inputs to results."""
    hook = Flips(function, reference)
    results = program.run(function, inputs, hook=hook)
    expected = eager_run(traced, function, inputs)
    difference = Difference()
    for pair in zip(results, expected, strict=True):
        difference = difference.worse(compare(*pair))
    return EndToEnd(function, difference, hook.count)
