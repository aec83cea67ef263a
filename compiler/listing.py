"""What there is to choose from, as rows for tables and JSON: passes, pipelines, targets."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any, cast

from pydantic import BaseModel

from dfc import zoo
from dfc.errors import InputError, suggest
from dfc.passes import PASSES, module_name
from dfc.pipelines import PIPELINES
from dfc.runtime.machine import Target, list_targets, load_target
from dfc.runtime.machine.number import KINDS, Anything, Number

NumberRow = tuple[str, int | float, str, str]


def pass_text(name: str) -> str:
    """The docstring of one pass: what it does, before and after."""
    if name not in PASSES:
        raise InputError(f"no pass is called `{name}`: {suggest(name, PASSES)}", name)
    return inspect.getdoc(import_module(module_name(name))) or ""


def pass_rows() -> list[dict[str, str]]:
    """Each pass with the first sentence of its docstring."""
    texts = {name: pass_text(name) for name in PASSES}
    return [
        {"name": name, "summary": " ".join(text.partition("\n\n")[0].split())}
        for name, text in texts.items()
    ]


def pipeline_rows() -> dict[str, dict[str, list[str]]]:
    """Each pipeline with the passes that lead to each level, and to native code where it has some."""
    return {
        name: {level: list(run) for level, run in pipeline._asdict().items() if run}
        for name, pipeline in PIPELINES.items()
    }


def target_rows() -> list[dict[str, str]]:
    """Each shipped target with its description."""
    loaded = [load_target(name) for name in list_targets()]
    return [{"name": t.name, "description": t.description} for t in loaded]


def number_rows(target: Target) -> list[NumberRow]:
    """Every number of a target, and the energies that hold where it gives none: key, value, evidence."""
    return [
        (key, number.value, number.kind, number.note)
        for key, number in (*numbers(target, ""), *default_energies(target))
    ]


def evidence(rows: list[NumberRow]) -> str:
    """How many numbers have which kind of evidence, as a sentence's end."""
    counts = {kind: sum(row[2] == kind for row in rows) for kind in KINDS}
    sourced, assumed, calibrated = (counts[kind] for kind in KINDS)
    return (
        f"{len(rows)} numbers: {sourced} with a source, {assumed} assumed,"
        f" {calibrated} calibrated"
    )


def default_energies(target: Target) -> Iterator[tuple[str, Anything]]:
    """The energies a target does not give, each with its key; none where the board's power is known."""
    if target.power.total_w is not None:
        return
    energies = target.energies
    for name, tier in target.tier.items():
        if tier.pj_per_byte is None:
            yield f"tier.{name}.pj_per_byte", energies.byte(tier)
    for name, unit in target.unit.items():
        for key, given, default in unit.energy_numbers(energies):
            if given is None:
                yield f"unit.{name}.{key}", default
    if target.network is not None and target.network.pj_per_byte is None:
        yield "network.pj_per_byte", energies.socket_byte


def numbers(value: object, key: str) -> Iterator[tuple[str, Anything]]:
    """The numbers in a part of a target, each with its dotted key."""
    if isinstance(value, Number):
        yield key, cast("Anything", value)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            if name in value.model_fields_set:
                yield from numbers(getattr(value, name), f"{key}.{name}".lstrip("."))
    elif isinstance(value, dict):
        for name, part in cast("dict[str, object]", value).items():
            yield from numbers(part, f"{key}.{name}")


def model_rows() -> list[dict[str, str]]:
    """Each model of the zoo: its class, dtype and linear layers, and who published it."""
    return [
        {
            "name": name,
            "class": entry.class_name,
            "dtype": entry.dtype,
            "linear": entry.linear,
            "source": entry.source,
        }
        for name, entry in zoo.known().items()
    ]


def model_row(name: str) -> dict[str, Any]:
    """One model with its whole configuration; `name` as after `zoo:`."""
    entry = zoo.find(name.removeprefix("zoo:"))
    return entry.model_dump(mode="json", by_alias=True)
