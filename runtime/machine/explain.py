"""Turn what is wrong with a target file into one sentence that names the key and the known keys."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError

from dfc.runtime.machine.target import Target
from dfc.runtime.machine.units import unit_kinds

Loc = Sequence[int | str]


def sentence(error: ValidationError, data: Mapping[str, Any]) -> str:
    """The first error, with the key as it stands in the file: `tier.ddr.efficiency`."""
    first = error.errors()[0]
    loc = tuple(part for part in first["loc"] if part != "value")
    key = ".".join(map(str, loc))
    kind, message = first["type"], first["msg"]
    if kind == "extra_forbidden":
        return unknown_key(loc, data)
    if kind == "missing":
        table = ".".join(map(str, loc[:-1]))
        where = f" in [{table}]" if table else ""
        return f"missing key `{loc[-1]}`{where}{_instead(error, loc)}"
    if kind == "value_error":
        text = message.removeprefix("Value error, ")
        return f"`{key}`: {text}" if key else text
    return f"`{key}`: {message[0].lower()}{message[1:]}, got {_value(first['input'])!r}"


def _instead(error: ValidationError, missing: Loc) -> str:
    """The unknown key of the same table that was meant for a missing one."""
    unknown = [
        str(one["loc"][-1])
        for one in error.errors()
        if one["type"] == "extra_forbidden" and one["loc"][:-1] == missing[:-1]
    ]
    near = get_close_matches(str(missing[-1]), unknown, n=1)
    return f", found `{near[0]}`: rename it" if near else ""


def _value(found: Any) -> Any:
    """The value a person wrote, without what was put beside it."""
    if isinstance(found, dict):
        table = cast("dict[str, Any]", found)
        return table.get("value", table)
    return found


def unknown_key(loc: Loc, data: Mapping[str, Any]) -> str:
    """An unknown key, the nearest known one, and all that are known in its table."""
    known = known_keys(loc[:-1], data)
    name, table = str(loc[-1]), ".".join(map(str, loc[:-1]))
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f", did you mean `{near[0]}`" if near else ""
    where = f" in [{table}]" if table else ""
    return f"unknown key `{name}`{where}{hint}; known keys are {', '.join(known)}"


def known_keys(loc: Loc, data: Mapping[str, Any]) -> list[str]:
    """The keys of the table at a place in a target file."""
    model: Any = Target
    found: Any = data
    for part in loc:
        found = _at(found, part)
        if model is not None and _is_model(model):
            field = model.model_fields.get(str(part))
            model = None if field is None else field.annotation
            continue
        model = _model_in(model, found)
    return sorted(model.model_fields) if _is_model(model) else []


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _model_in(kind: Any, table: Any) -> Any:
    """The model of the values of a `dict[str, model]`; for units the class of their kind."""
    arguments = get_args(kind)
    inner = arguments[1] if len(arguments) == 2 else None
    if inner is not None and not _is_model(inner):
        inner = next(iter(get_args(inner)), None)
    kinds = unit_kinds()
    name = _at(table, "kind")
    return kinds[name] if name in kinds else inner


def _at(table: Any, key: int | str) -> Any:
    return cast("dict[Any, Any]", table).get(key) if isinstance(table, dict) else None
