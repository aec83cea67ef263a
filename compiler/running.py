"""`dfc run`: a model's values on the modelled machine, beside eager PyTorch's when asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from dfc.api import load
from dfc.cli_output import print_table
from dfc.errors import InputError
from dfc.program import Program
from dfc.random_inputs import (
    Value,
    entry_functions,
    last_position,
    random_arguments,
    random_weights,
)
from dfc.runtime.interpreter.dtypes import Array
from dfc.workload import Workload, plan

if TYPE_CHECKING:
    from dfc.check import Check
    from dfc.frontends import Traced
    from dfc.frontends.functions import Argument
    from dfc.host.check import Check as HostCheck

PROMPT = 16
"""Tokens given to a language model when nothing is asked for; one more is decoded."""


@dataclass
class Done:
    """The results of every entry function that was run, and what `--check` found."""

    results: dict[str, Array] = field(default_factory=dict[str, Array])
    fallbacks: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    check: "Check | HostCheck | None" = None

    @property
    def passed(self) -> bool:
        """Whether the check passed and nothing fell back, where a check was asked for."""
        return self.check is None or (self.check.passed and not self.fallbacks)

    def save(self, path: str) -> None:
        """Write the results to an `.npz` file."""
        np.savez(Path(path), **self.results)  # pyright: ignore[reportArgumentType]

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        shown: dict[str, Any] = {
            "outputs": [
                {"name": name, "shape": list(value.shape), "dtype": str(value.dtype)}
                for name, value in self.results.items()
            ],
            "fallbacks": self.fallbacks,
        }
        if self.check is not None:
            shown["check"] = self.check.as_dict() | {"passed": self.passed}
        return shown

    def print(self) -> None:
        """Tables of the outputs and of the check."""
        outputs = [
            (name, "x".join(map(str, value.shape)) or "()", value.dtype)
            for name, value in self.results.items()
        ]
        print_table("", ("output", "shape", "dtype"), outputs)
        for one in self.fallbacks:
            print(f"not lowered: {one['origin']}: {one['reason']}")
        if not self.fallbacks:
            print("lowered: 100%")
        if self.check is not None:
            self.check.print()
            print("check passed" if self.passed else "check failed")


def run_model(
    model: str,
    target: str,
    *,
    inputs: str | None = None,
    seed: int = 0,
    workload: Workload | None = None,
    dtype: str | None = None,
    check: bool = False,
    overrides: Mapping[str, object] | None = None,
) -> Done:
    """Run a model by name or file, on random inputs or on those of a file."""
    program = load(
        model,
        target,
        workload,
        default=plan(PROMPT, 1),
        dtype=dtype,
        overrides=overrides,
        abstract=False,
        seed=seed,
    )
    traced = program.traced
    if traced is None:
        calls = text_calls(program, inputs, seed)
        results = {
            key: value
            for name, values in calls.items()
            for key, value in named(name, program.run(name, values)).items()
        }
        return Done(results, [], checked(program, None, calls) if check else None)
    fallbacks = [{"origin": f.origin, "reason": f.reason} for f in traced.fallbacks]
    if not traced.is_language_model:
        values = given(
            inputs, traced.inputs("main"), traced.random_inputs("main", seed)
        )
        results = named("main", program.run("main", values))
        calls = {"main": values}
    else:
        generation = Generation(program, traced, seed, inputs)
        results = generation.run()
        calls = generation.calls() if check else {}
    return Done(results, fallbacks, checked(program, traced, calls) if check else None)


def checked(
    program: Program, traced: "Traced | None", calls: Mapping[str, list[Value]]
) -> "Check":
    """What `--check` finds, imported when it is asked for."""
    from dfc.check import check, check_text

    if traced is None:
        return check_text(program, calls)
    return check(program, traced, calls)


def text_calls(
    program: Program, inputs: str | None, seed: int
) -> dict[str, list[Value]]:
    """A call of every entry function of a text, on random weights if it brings none."""
    module = program.modules[program.source]
    rng = np.random.default_rng(seed)
    limit = last_position(module)
    if program.weights is None:
        program.weights = random_weights(module, rng)
    calls: dict[str, list[Value]] = {}
    for function in entry_functions(module):
        drawn = random_arguments(function, rng, limit)
        calls[function.sym_name.data] = given(inputs, None, drawn)
    return calls


def named(function: str, results: Sequence[Any]) -> dict[str, Array]:
    """Results by name: `main.0`, `main.1`, …"""
    return {f"{function}.{i}": np.asarray(value) for i, value in enumerate(results)}


def given(
    path: str | None, arguments: "Sequence[Argument] | None", drawn: list[Value]
) -> list[Value]:
    """The values of a file, by name or else in order, in place of those that were drawn."""
    if path is None:
        return drawn
    try:
        archive: Any = np.load(path)
        with archive:
            found: dict[str, Array] = dict(archive)
    except (BadZipFile, ValueError, EOFError, TypeError) as error:
        raise InputError(
            f"expected an `.npz` file of arrays, got `{path}`", path
        ) from error
    names = [one.name for one in arguments or ()]
    if not set(found) <= set(names):
        if names and not all(name.startswith("arr_") for name in found):
            message = (
                f"expected arrays called {', '.join(names)}, got {', '.join(found)}"
            )
            raise InputError(message, path)
        names = list(found)
        if len(names) > len(drawn):
            message = f"expected at most {len(drawn)} arrays, got {len(names)}"
            raise InputError(f"{message}: leave out the others", path)
    values = list(drawn)
    for index, name in enumerate(names[: len(values)]):
        if name in found:
            value = found[name]
            values[index] = value if value.shape else value[()]
    return values


class Generation:
    """A language model's prompt and the greedy tokens after it."""

    def __init__(
        self, program: Program, traced: "Traced", seed: int, inputs: str | None
    ):
        self.program = program
        self.traced = traced
        drawn = traced.random_inputs("prefill", seed)
        self.prompt = given(inputs, traced.inputs("prefill"), drawn)

    def run(self) -> dict[str, Array]:
        """Logits of the prompt's end and of every step, and the tokens chosen."""
        results = self.program.run("prefill", self.prompt)
        outputs = {"prefill.logits": np.asarray(results[0])}
        tokens: list[Array] = []
        workload = self.program.workload
        for number, position in enumerate(workload.positions if workload else ()):
            values = self.step(
                "prefill" if number == 0 else "decode", results, position
            )
            tokens.append(np.asarray(values[0]))
            results = self.program.run("decode", values)
            outputs[f"decode.{number}.logits"] = np.asarray(results[0])
        if tokens:
            outputs["tokens"] = np.concatenate(tokens, axis=1)
        return outputs

    def step(self, before: str, results: Sequence[Any], position: int) -> list[Value]:
        """Arguments of `@decode` after a call: the likeliest token, its position, the new state."""
        rows = self.traced.inputs(before)
        states = iter([results[row.alias] for row in rows if row.alias is not None])
        token = np.argmax(np.asarray(results[0])[:, -1].astype(np.float64), axis=-1)
        values = {"input": token.reshape(-1, 1), "position": position}
        kinds = [row.kind for row in self.traced.inputs("decode")]
        return [next(states) if kind == "state" else values[kind] for kind in kinds]

    def calls(self) -> dict[str, list[Value]]:
        """What to check: the prompt, and a step on eager's own state after it."""
        from dfc.frontends import eager_run

        calls = {"prefill": self.prompt}
        if "decode" in self.traced.entries and self.program.workload:
            results = eager_run(self.traced, "prefill", self.prompt)
            position = self.program.workload.positions[0]
            calls["decode"] = self.step("prefill", results, position)
        return calls
