"""Values before and after each pass: the same inputs and weights through both programs."""

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dfc.comparison import Difference, compare, identical
from dfc.dialects.socket import sockets_of
from dfc.entries import check_entries
from dfc.errors import ExecutionError, InputError
from dfc.random_inputs import (
    Value,
    entry_functions,
    last_position,
    random_arguments,
    random_weights,
)
from dfc.runtime.interpreter import KernelHook, run
from dfc.runtime.interpreter.dtypes import Array

Key = tuple[str, tuple[str, ...]]
"""A quantised layer: its name, and the calls that led to it."""


class Quantised(KernelHook):
    """
    Remembers what a run quantises; on a second run, goes on with the first run's integers.

    A rounding that falls the other way is counted and does not spread.
    """

    def __init__(self, first: "Quantised | None" = None) -> None:
        self.rows: dict[Key, list[tuple[Array, Array, Array]]] = defaultdict(list)
        self.first = first
        self.flips = 0
        self.difference = Difference()

    def quantized(
        self, name: str, path: tuple[str, ...], x: Array, q: Array, s: Array
    ) -> tuple[Array, Array]:
        """Note the rows; replace integers and scales by the first run's."""
        key = (name, path)
        start = len(self.rows[key])
        self.rows[key] += zip(x, q, s, strict=True)
        known = self.first.rows.get(key, []) if self.first else []
        inside = known[start : start + len(q)]  # the last tile may stand over the edge
        if not inside:
            return q, s
        xs, qs, scales = (np.stack(p) for p in zip(*inside, strict=True))
        count = len(inside)
        self.difference = self.difference.worse(compare(x[:count], xs))
        self.flips += int(np.count_nonzero(q[:count] != qs))
        return qs, scales


@dataclass(frozen=True)
class Run:
    """The results of every entry function, and what was quantised on the way."""

    results: dict[str, tuple[Value, ...]]
    quantised: Quantised


class ValueCheck:
    """Runs a module before the first pass and after every one, and compares."""

    def __init__(self, module: ModuleOp, seed: int) -> None:
        check_entries(module)
        rng = np.random.default_rng(seed)
        limit = last_position(module)
        self.inputs = {
            f.sym_name.data: random_arguments(f, rng, limit)
            for f in entry_functions(module)
        }
        self.weights = random_weights(module, rng)
        self.rows: list[dict[str, object]] = []
        self.before = self.run(module, None)

    def run(self, module: ModuleOp, first: Quantised | None) -> Run:
        """Run every entry function on the same inputs and weights; what several sockets quantise is not seen."""
        seen = Quantised(first)
        hook = seen if sockets_of(module) == 1 else None
        results = {
            name: run(module, name, inputs, weights=self.weights, hook=hook)
            for name, inputs in self.inputs.items()
        }
        return Run(results, seen)

    def after(self, one: ModulePass, module: ModuleOp) -> None:
        """Compare the values after a pass with those before it; raise if they differ."""
        exact = bool(getattr(one, "exact", True))
        allowed = float(getattr(one, "tolerance", 0.0))
        try:
            now = self.run(module, None if exact else self.before.quantised)
        except ExecutionError as error:
            message = f"pass `{one.name}` made a program that cannot run: {error}"
            raise InputError(message, one.name) from error
        found = Difference() if exact else now.quantised.difference
        for name, values in self.before.results.items():
            for index, pair in enumerate(zip(now.results[name], values, strict=True)):
                difference = compare(*pair)
                difference = replace(
                    difference, tolerance=max(difference.tolerance, allowed)
                )
                if not (identical(*pair) if exact else difference.within):
                    raise InputError(changed(one, name, index, difference), one.name)
                found = found.worse(difference)
        if not found.within:
            raise InputError(changed(one, "", None, found), one.name)
        self.rows.append(row(one, exact, found, now.quantised.flips))
        # the integers of the first run were put into this one: begin anew from its own
        self.before = now if exact else self.run(module, None)


def changed(
    one: ModulePass, function: str, result: int | None, difference: Difference
) -> str:
    """The sentence about a pass that changed values."""
    what = (
        "what is quantised" if result is None else f"result {result} of `@{function}`"
    )
    by = (
        f"{difference.integers} integers differ"
        if difference.integers
        else f"the largest error is {difference.error:.3g}"
    )
    return f"pass `{one.name}` changed {what}: {by}, expected the values before it"


def row(
    one: ModulePass, exact: bool, found: Difference, flips: int
) -> dict[str, object]:
    """One line of the report."""
    return {
        "pass": one.name,
        "exact": exact,
        "error": found.error,
        "integers_differing": found.integers,
        "rounding_flips": flips,
    }
