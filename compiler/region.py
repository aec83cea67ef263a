# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""A region of a graph as a program on a modelled machine, called with PyTorch tensors."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import BlockArgument, Operation, SSAValue

from dfc.driver import new_context, run_passes
from dfc.entries import check_sizes
from dfc.errors import DfcError, ExecutionError
from dfc.frontends import ops
from dfc.frontends.eager import Evaluator
from dfc.frontends.lower import lower
from dfc.frontends.partition import Region
from dfc.levels import attach_target, passes_to, pipeline_of
from dfc.program import Program
from dfc.runtime.interpreter import run
from dfc.tensors import to_numpy, to_tensor
from dfc.weights_cache import WeightsCache

LEVEL = "program"
"""The level whose IR is executed."""


@dataclass(frozen=True)
class Options:
    """What `torch.compile(..., options={...})` takes."""

    target: str = "host"
    fallback: str = "eager"
    check_values: bool = False
    pipeline: str | None = None
    freeze: bool = False
    quantize_lm_head: bool = False
    rest: str | None = None
    packing: str | None = None


class NotTernary(DfcError):
    """A weight that was three-valued when the graph was compiled is not any more."""


def compile_region(region: Region, options: Options) -> "CompiledRegion":
    """Lower a region; every refusal is a `DfcError`."""
    module = lower([region.function])
    with refusals():
        check_sizes(module)
        attach_target(module, options.target, {})
        pipeline = pipeline_of(module, options.pipeline)
        context = new_context()
        run_passes(passes_to("tensor", pipeline), module, context)
        program = Program({"tensor": module}, context, pipeline)
        program.module(LEVEL)
    return CompiledRegion(program, options)


@contextmanager
def refusals() -> Generator[None]:
    """Errors of passes as `DfcError`: a pass may be a user's own, and is no reason to end a model."""
    try:
        yield
    except DfcError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = lines[-1] if lines else "no message"
        raise DfcError(f"{said} ({type(error).__name__})") from error


@dataclass
class CompiledRegion:
    """A region's program, with the values of its `@weights` kept between calls."""

    program: Program
    options: Options
    needs: list[list[str]] = field(init=False)
    caches: list[WeightsCache[np.ndarray]] = field(init=False)

    def __post_init__(self) -> None:
        self.needs = weight_needs(self.program.module(LEVEL))
        self.caches = [WeightsCache(self.options.freeze) for _ in self.needs]

    def run(self, region: Region, values: dict[fx.Node, Any]) -> None:
        """Compute the region's outputs from its inputs, both by node."""
        arguments = region.function.arguments
        given = [values[node].detach() for node in region.inputs]
        weights = {
            a.name: values[node]
            for a, node in zip(arguments, region.inputs, strict=True)
            if a.kind == "weight"
        }
        inputs = [
            to_numpy(t)
            for a, t in zip(arguments, given, strict=True)
            if a.kind != "weight"
        ]
        module = self.program.module(LEVEL)
        arrays = self._weights(region, weights)
        results = run(module, region.function.name, inputs, weights=arrays)
        for node, result in zip(region.outputs, results, strict=True):
            like = node.meta["val"]
            tensor = to_tensor(result, like.dtype)
            values[node] = tensor.reshape(like.shape).as_strided(
                like.shape, torch.empty(like.shape).stride()
            )
        if self.options.check_values:
            self._check(region, given, values)

    def _weights(
        self, region: Region, weights: Mapping[str, Tensor]
    ) -> dict[str, np.ndarray]:
        arrays = {name: to_numpy(tensor) for name, tensor in weights.items()}
        if not self.needs:
            check_ternary(region, weights)
            return arrays

        @cache
        def compute() -> Sequence[np.ndarray]:
            check_ternary(region, weights)
            made = run(self.program.module(LEVEL), "weights", (), weights=arrays)
            return [np.asarray(value) for value in made]

        made = {
            f"@weights:{n}": kept.get(
                [weights[x] for x in names], partial(nth, compute, n)
            )
            for n, (names, kept) in enumerate(zip(self.needs, self.caches, strict=True))
        }
        return arrays | made

    def _check(
        self, region: Region, given: Sequence[Tensor], values: Mapping[fx.Node, Any]
    ) -> None:
        expected = Evaluator({}).run(region.function, given, ())
        for node, want in zip(region.outputs, expected, strict=True):
            got = values[node]
            close = (
                torch.allclose(got, want, *tolerance(want.dtype), equal_nan=True)
                if want.is_floating_point()
                else torch.equal(got, want)
            )
            if not close:
                off = (got.double() - want.double()).abs().max().item()
                raise ExecutionError(
                    f"`{node.meta['dfc.origin']}` is off eager's value by {off:.3g}"
                )


def tolerance(dtype: torch.dtype) -> tuple[float, float]:
    """Relative and absolute tolerance of values that are computed in a dtype."""
    precision = torch.finfo(dtype).eps
    return 64 * precision, 64 * precision


def check_ternary(region: Region, weights: Mapping[str, Tensor]) -> None:
    """Raise `NotTernary` for a weight that is taken as -s, 0, s and holds something else."""
    for node in region.nodes:
        if node.target is torch.ops.dfc.ternarize.default and node.args[1] == "exact":
            source: Any = node.args[0]
            found = weights.get(weight_name(region, source))
            if found is not None and not ops.three_valued(found):
                raise NotTernary(
                    f"expected a weight of -s, 0 and s, got other values in"
                    f" `{weight_name(region, source)}`"
                )


def weight_name(region: Region, node: fx.Node) -> str:
    """The name of the argument that a node of the outer graph is."""
    if node not in region.inputs:
        return ""
    return region.function.arguments[region.inputs.index(node)].name


def nth(compute: Callable[[], Sequence[np.ndarray]], number: int) -> np.ndarray:
    """One of the results of a function."""
    return compute()[number]


def weight_needs(module: ModuleOp) -> list[list[str]]:
    """For each result of `@weights` the names of the weights that it depends on."""
    for op in module.ops:
        if isinstance(op, FuncOp) and op.sym_name.data == "weights":
            last = op.body.block.last_op
            assert isinstance(last, ReturnOp)
            return [needs_of(op, value) for value in last.operands]
    return []


def needs_of(function: FuncOp, value: SSAValue) -> list[str]:
    """The weight arguments behind a value."""
    found: set[int] = set()
    seen: set[SSAValue] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        if isinstance(one, BlockArgument):
            if one.block is function.body.block:
                found.add(one.index)
            continue
        owner = one.owner
        assert isinstance(owner, Operation)
        for inner in owner.walk():
            waiting += inner.operands
    attributes = function.arg_attrs
    assert attributes is not None
    names = [attributes.data[i].data["dfc.weight"] for i in sorted(found)]
    return [name.data for name in names if isinstance(name, StringAttr)]
