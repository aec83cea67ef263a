"""Turn what is wrong with a target file into one sentence that names the key and the known keys."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import NoneType
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError

from dfc.runtime.machine.number import written
from dfc.runtime.machine.target import Target
from dfc.runtime.machine.units import unit_kinds

Loc = Sequence[int | str]


def sentence(error: ValidationError, data: Mapping[str, Any]) -> str:
    """The first error, with the key as it stands in the file: `tier.ddr.efficiency`."""
    first = error.errors()[0]
    loc = tuple(part for part in first["loc"] if part not in ("value", "[key]"))
    key = ".".join(map(str, loc))
    if first["loc"][-2:] == ("value", "[key]"):
        return f"`{key}`: expected a table, got a single value"
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
    return f"`{key}`: {_expected(kind, message, first.get('ctx', {}))}, got {written(first['input'])!r}"


EXPECTED = {
    "bool_type": "expected true or false",
    "dict_type": "expected a table",
    "finite_number": "expected a finite number",
    "float_type": "expected a number",
    "greater_than": "expected a number above {gt}",
    "greater_than_equal": "expected a number of at least {ge}",
    "int_from_float": "expected a whole number",
    "int_type": "expected a whole number",
    "less_than_equal": "expected a number of at most {le}",
    "literal_error": "expected {expected}",
    "model_type": "expected a table",
    "string_type": "expected text in quotes",
    "tuple_type": "expected a list",
}
"""What is allowed, by pydantic's kind of error."""


def _expected(kind: str, message: str, context: Mapping[str, Any]) -> str:
    """What is allowed where a value is wrong."""
    if kind not in EXPECTED:
        return f"{message[0].lower()}{message[1:]}"
    values = {
        key: f"{value:g}" if isinstance(value, int | float) else value
        for key, value in context.items()
    }
    return EXPECTED[kind].format(**values)


TWICE = re.compile(r"Cannot declare \((.*?),?\) twice")
AGAIN = re.compile("Cannot overwrite a value")


def toml_sentence(error: str) -> str:
    """What is wrong with a file that is no TOML: a table that stands twice, a key, or its grammar."""
    where = error[error.rindex("(") :] if "(at " in error else ""
    twice = TWICE.search(error)
    if twice is not None:
        name = ".".join(part.strip(" '\"") for part in twice[1].split(","))
        return f"expected one [{name}], got two of that name {where}"
    if AGAIN.search(error):
        return f"expected one value for each key, got two for one key {where}"
    return f"expected TOML, got {error[:1].lower()}{error[1:]}"


def _instead(error: ValidationError, missing: Loc) -> str:
    """The unknown key of the same table that was meant for a missing one."""
    unknown = [
        str(one["loc"][-1])
        for one in error.errors()
        if one["type"] == "extra_forbidden" and one["loc"][:-1] == missing[:-1]
    ]
    near = get_close_matches(str(missing[-1]), unknown, n=1)
    return f", found `{near[0]}`: rename it" if near else ""


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
            model = None if field is None else _without_none(field.annotation)
            continue
        model = _model_in(model, found)
    more = () if loc else ("base",)
    return sorted((*model.model_fields, *more)) if _is_model(model) else []


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _without_none(kind: Any) -> Any:
    """The model of a table that may be left out."""
    rest = [each for each in get_args(kind) if each is not NoneType]
    return rest[0] if len(rest) == 1 and NoneType in get_args(kind) else kind


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
