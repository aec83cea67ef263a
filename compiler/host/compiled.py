# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""A region of the host engine: its code, shared by all clusters that compute the same."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.nn import functional

from dfc.errors import ExecutionError
from dfc.frontends.functions import Function, module_path, plain_path
from dfc.graph_reports import note_fallback
from dfc.host.canonical import Canonical, Key, key_of, trace
from dfc.host.clusters import Cluster
from dfc.host.lm_head import is_given, kept
from dfc.host.operators import register
from dfc.host.region import HostRegion, compile_region
from dfc.host.steps import PRODUCTS, exact_linear, operands
from dfc.region import NotTernary, Options, tolerance

COMPILED: "WeakValueDictionary[Any, Compiled]" = WeakValueDictionary()
"""The regions that are alive, by what they compute and with which options."""

FLIP = 1 / 127
"""Of a result's size, the error that rounding flips of quantised values explain."""


def compiled(found: Canonical, options: Options) -> "Compiled":
    """The region of a canonical form, compiled when nothing equal is there; `DfcError` if it cannot be."""
    key: tuple[Key, Options] = (key_of(found), options)
    region = COMPILED.get(key)
    if region is None:
        region = Compiled(found, options)
        COMPILED[key] = region
    return region


class Compiled:
    """A region's code and what it is checked against."""

    def __init__(self, found: Canonical, options: Options) -> None:
        self.form = found
        self.options = options
        self.lengths: Sequence[tuple[int, torch.dtype]] = found.lengths()
        self.function: Function = trace(found)
        self.code: HostRegion = compile_region(
            self.function, freeze=options.freeze, packing=options.packing
        )
        self.kept = [i for i, n in enumerate(found.weights) if is_given(n)]
        self.number = register(self)

    def run(self, rows: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
        """The results, contiguous, in the leading shape of the first of `rows`."""
        weights = self._given(weights)
        try:
            results = self.code.run(rows, weights)
        except NotTernary as reason:
            if self.options.fallback == "error":
                raise
            note_fallback(self.origin(self.form.cluster.products[0]), str(reason))
            return self._plain(rows, weights)
        if self.options.check_values:
            self._check(rows, weights, results)
        return results

    def _given(self, weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """The weights, int8 rows and scales in place of the float weights of LM heads."""
        if not self.kept:
            return weights
        given, nodes = list(weights), self.form.weights
        for i in self.kept:
            given[i] = kept(nodes[i], given[i], self.options.freeze)
        return given

    def _plain(self, rows: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
        """The graph as it was, for weights that are not three-valued any more."""
        steps = {
            n: replace(s, target=functional.linear) if s.target is exact_linear else s
            for n, s in self.form.cluster.steps.items()
        }
        plain = replace(self.form, cluster=Cluster(self.form.cluster.nodes, steps))
        return reference(plain, rows, weights)

    def _check(
        self,
        rows: Sequence[Tensor],
        weights: Sequence[Tensor],
        results: Sequence[Tensor],
    ) -> None:
        """Compare with eager's results from the same rows; `ExecutionError` if one is off."""
        expected = reference(self.form, rows, weights)
        depth = depths(self.form)
        for node, got, want in zip(self.form.results, results, expected, strict=True):
            problem = difference(got, want, flips=depth[node] > 1)
            if problem:
                raise ExecutionError(f"`{self.origin(node)}` {problem}")

    def origin(self, node: Any) -> str:
        """Where a result comes from."""
        return f"{plain_path(module_path(node))}:{node.name}"


def reference(
    form: Canonical, rows: Sequence[Tensor], weights: Sequence[Tensor]
) -> list[Tensor]:
    """The region in PyTorch, operator by operator."""
    lead = rows[0].shape[:-1]
    flat = [row.reshape(-1, row.shape[-1]) for row in rows]
    with torch.no_grad():
        results = form.run(flat, list(weights))
    return [r.reshape(*lead, r.shape[-1]).contiguous() for r in results]


def depths(form: Canonical) -> dict[Any, int]:
    """How many quantisations lie between the rows and each value."""
    depth: dict[Any, int] = {}
    for node in form.cluster.nodes:
        step = form.cluster.steps[node]
        before = max((depth.get(n, 0) for n in operands(step)), default=0)
        depth[node] = before + (step.target in PRODUCTS)
    return depth


def difference(got: Tensor, want: Tensor, *, flips: bool) -> str | None:
    """
    How a result is off; None when it is within the tolerance of its dtype.

    Behind a second quantisation a rounding flip moves results by a step: their mean square
    may be off by what flips explain.
    """
    close, near = tolerance(want.dtype)
    if torch.allclose(got, want, close, near, equal_nan=True):
        return None
    off = got.double() - want.double()
    size = want.double().square().mean().sqrt()
    if flips and off.square().mean().sqrt() <= FLIP * size:
        return None
    return f"is off eager's value by {off.abs().max().item():.3g}"
