"""The values of a target by dotted key, as its file and the overrides give them."""

from collections.abc import Iterator, Mapping
from typing import cast

from pydantic import BaseModel

from dfc.runtime.machine.number import Number
from dfc.runtime.machine.target import Target

Value = str | int | float | bool
WORDS = ("name", "description", "source")
"""Keys that say what something is and not how it behaves."""


def target_values(target: Target) -> dict[str, Value]:
    """Every value that a target states: `tier.ddr.gb_per_s` is 25.6; lists are joined by commas."""
    return dict(_values(target, ""))


def _values(part: object, key: str) -> Iterator[tuple[str, Value]]:
    if isinstance(part, Number):
        yield key, cast("Number[float]", part).value
    elif isinstance(part, BaseModel):
        given = [
            name for name in type(part).model_fields if name in part.model_fields_set
        ]
        for name in given:
            if name not in WORDS:
                yield from _values(getattr(part, name), f"{key}.{name}".lstrip("."))
    elif isinstance(part, Mapping):
        for name, inner in cast("Mapping[str, object]", part).items():
            yield from _values(inner, f"{key}.{name}")
    elif isinstance(part, tuple):
        yield key, ", ".join(map(str, cast("tuple[object, ...]", part)))
    elif isinstance(part, str | int | float):
        yield key, part
