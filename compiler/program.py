"""A model lowered for one target: its IR at every level, its values and its time."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from dfc.driver import run_passes
from dfc.errors import InputError
from dfc.levels import check_level, passes_to, way_to
from dfc.pipelines import Pipeline
from dfc.printing import to_text
from dfc.progress import step
from dfc.random_inputs import Value, entry_functions
from dfc.runtime.interpreter import KernelHook, run
from dfc.runtime.interpreter.dtypes import Array
from dfc.runtime.machine import Target, target_of
from dfc.workload import Workload

if TYPE_CHECKING:
    from dfc.frontends import Traced
    from dfc.runtime.report import Report
    from dfc.runtime.simulator import Estimate


@dataclass(repr=False)
class Program:
    """One module at each level from that of its source (the first) down to `program`, and `native` where asked for."""

    modules: dict[str, ModuleOp]
    context: Context
    pipeline: Pipeline
    weights: dict[str, Array] | None = None
    workload: Workload | None = None
    traced: "Traced | None" = None
    made: dict[str, tuple[dict[str, Array] | None, dict[str, Array]]] = field(
        default_factory=dict[str, tuple[dict[str, Array] | None, dict[str, Array]]],
    )
    """By level, the weights and what `@weights` made of them."""

    def __repr__(self) -> str:
        functions = ", ".join(f"@{name}" for name in self.entries)
        return f"<dfc.Program {functions} for {self.target.name}>"

    @property
    def source(self) -> str:
        """The level that the others are made from."""
        return next(iter(self.modules))

    @property
    def entries(self) -> tuple[str, ...]:
        """The functions that a user calls."""
        functions = entry_functions(self.modules[self.source])
        return tuple(function.sym_name.data for function in functions)

    @property
    def target(self) -> Target:
        """The machine that the program is for."""
        return target_of(self.modules[self.source])

    def module(self, level: str) -> ModuleOp:
        """The module at a level, lowered when it is first asked for from the last one before it that is there."""
        check_level(level)
        if level not in self.modules:
            way = way_to(level)
            made = [name for name in way if name in self.modules]
            if not made:
                message = (
                    f"expected level `{self.source}` or a later one, got `{level}`"
                )
                raise InputError(message, level)
            lowered = self.modules[made[-1]].clone()
            for name in way[way.index(made[-1]) + 1 :]:
                run_passes(passes_to(name, self.pipeline), lowered, self.context)
            self.modules[level] = lowered
        return self.modules[level]

    def ir(self, level: str) -> str:
        """The text of the module at a level."""
        return to_text(self.module(level))

    def run(
        self,
        function: str,
        inputs: Sequence[Value],
        *,
        level: str = "program",
        hook: KernelHook | None = None,
    ) -> tuple[Any, ...]:
        """The results of an entry function, computed on the modelled machine."""
        step(f"running @{function} at level {level}")
        if function not in self.entries:
            known = ", ".join(self.entries)
            raise InputError(
                f"expected a function of {known}, got `{function}`", function
            )
        weights = (self.weights or {}) | self.hoisted(level)
        return run(self.module(level), function, inputs, weights=weights, hook=hook)

    def hoisted(self, level: str) -> dict[str, Array]:
        """What `@weights` makes of the weights at a level, computed once: `@weights:0`, …"""
        module = self.module(level)
        names = [op.sym_name.data for op in module.ops if isinstance(op, FuncOp)]
        if "weights" not in names:
            return {}
        kept = self.made.get(level)
        if kept is None or kept[0] is not self.weights:
            values = run(module, "weights", (), weights=self.weights or {})
            named = {f"@weights:{n}": np.asarray(v) for n, v in enumerate(values)}
            kept = self.made[level] = (self.weights, named)
        return kept[1]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """
        The values of `@main` for these arguments, computed on the modelled machine.

        A compiled module takes and gives what the module does; text and saved programs take and
        give arrays, or PyTorch's tensors.
        """
        if self.traced is None or self.traced.model is None:
            if not has_tensors(args):
                return self.run("main", args)
            from dfc.tensors import given, returned

            return tuple(map(returned, self.run("main", tuple(map(given, args)))))
        from dfc.calling import call

        return call(self, self.traced, args, kwargs)

    def simulate(self, fallback_rate: float = 0.0) -> "Report":
        """
        The time, energy and memory of the program; weights are not needed.

        Branches on data are taken in `fallback_rate` of the calls.
        """
        from dfc.simulation import simulate

        return simulate(self, fallback_rate)

    def estimate(self, fallback_rate: float = 0.0) -> "Estimate":
        """The same run in closed form, for searches: about its time and energy, and a time that is never above it."""
        from dfc.simulation import estimate

        return estimate(self, fallback_rate)

    def save(self, path: str | Path) -> None:
        """Write the program and its weights to one file, for `dfc.load`."""
        from dfc.storage import save

        save(self, Path(path))


def has_tensors(values: Sequence[Any]) -> bool:
    """Whether PyTorch's tensors are among values; PyTorch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and any(isinstance(v, torch.Tensor) for v in values)
