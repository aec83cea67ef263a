"""Find and read target files: by name or by path, with values overridden one by one."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from xdsl.dialects.builtin import (
    DictionaryAttr,
    FloatAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    i1,
)
from xdsl.ir import Attribute

from dfc.runtime.errors import TargetError
from dfc.runtime.machine.explain import known_keys, sentence, toml_sentence
from dfc.runtime.machine.memory import CAPACITIES, RATES
from dfc.runtime.machine.names import expected_one_of
from dfc.runtime.machine.target import Target

SET = "set by the user"


def list_targets() -> tuple[str, ...]:
    """Names of the targets that come with dfc."""
    folder = resources.files("dfc.runtime.targets")
    names = [file.name for file in folder.iterdir() if file.name.endswith(".toml")]
    return tuple(sorted(name.removesuffix(".toml") for name in names))


def load_target(
    name_or_path: str, overrides: Mapping[str, object] | None = None
) -> Target:
    """
    A target by name, or from a TOML file, with `overrides` such as `{"unit.array.rows": 32}`.

    Raises `TargetError` with one sentence for whatever is wrong with the name, file or keys.
    """
    items = tuple(
        sorted((key, _plain(value)) for key, value in (overrides or {}).items())
    )
    path = Path(name_or_path)
    stamp = path.stat().st_mtime_ns if path.is_file() else None
    return _load(name_or_path, items, stamp)


@lru_cache(maxsize=64)
def _load(
    name_or_path: str, overrides: tuple[tuple[str, object], ...], stamp: int | None
) -> Target:
    label, text = _text(name_or_path)
    return parse_target(text, label, dict(overrides))


def target_of(module: ModuleOp) -> Target:
    """The target a module names in `accel.target`, with the overrides in `accel.target_set`."""
    name = module.attributes.get("accel.target")
    if not isinstance(name, StringAttr):
        raise TargetError(
            "expected the module to have a target in `accel.target`, got none; attach one with `-t`"
        )
    chosen = module.attributes.get("accel.target_set")
    table: Mapping[str, Attribute] = (
        chosen.data if isinstance(chosen, DictionaryAttr) else {}
    )
    return load_target(name.data, {key: _value(attr) for key, attr in table.items()})


def _value(attr: Attribute) -> object:
    """An override in the IR as a Python value."""
    if isinstance(attr, IntegerAttr):
        number = cast("IntegerAttr[Any]", attr)
        return bool(number.value.data) if number.type == i1 else number.value.data
    if isinstance(attr, FloatAttr):
        return attr.value.data
    if isinstance(attr, StringAttr):
        return _plain(attr.data)
    raise TargetError(
        f"expected a number or a string in `accel.target_set`, got {attr}"
    )


def _plain(value: object) -> object:
    """A value from a command line: `"64"` is a number, `"true"` a truth, any other text itself."""
    if not isinstance(value, str):
        return value
    if value in ("true", "false"):
        return value == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _text(name_or_path: str) -> tuple[str, str]:
    """What to call the file, and its text."""
    if name_or_path in list_targets():
        file = resources.files("dfc.runtime.targets") / f"{name_or_path}.toml"
        return f"{name_or_path}.toml", file.read_text()
    if not name_or_path.endswith(".toml"):
        near = get_close_matches(name_or_path, list_targets(), n=1, cutoff=0.4)
        hint = f", did you mean `{near[0]}`" if near else ""
        raise TargetError(
            f"unknown target `{name_or_path}`{hint}; expected one of"
            f" {', '.join(list_targets())} or the path of a .toml file"
        )
    try:
        return name_or_path, Path(name_or_path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise TargetError(
            f"expected `{name_or_path}` to be a target file, cannot read it: {reason.lower()}"
        ) from error


def parse_target(
    text: str, label: str, overrides: Mapping[str, object] | None = None
) -> Target:
    """A target from the text of its file; `label` names it in errors."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TargetError(f"{label}: {toml_sentence(str(error))}") from error
    data = _with_base(data, label)
    for key, value in (overrides or {}).items():
        _override(data, key, value, label)
    stem = Path(label).stem
    if data.get("name", stem) != stem:
        raise TargetError(
            f"{label}: expected `name` to be the file's stem `{stem}`, got `{data['name']}`"
        )
    prepared = _with_sources(data, None, "", label)
    try:
        return Target.model_validate(prepared)
    except ValidationError as error:
        raise TargetError(f"{label}: {sentence(error, data)}") from error


def _with_base(data: dict[str, Any], label: str) -> dict[str, Any]:
    """A file that names a shipped target as its `base` holds only what is different in it."""
    base = data.pop("base", None)
    if base is None:
        return data
    if base not in list_targets():
        raise TargetError(
            f"{label}: `base` names `{base}`, {expected_one_of(str(base), list_targets())}"
        )
    name, text = _text(base)
    below = _with_sources(_with_base(tomllib.loads(text), name), None, "", name)
    return _merged(below, data)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables as one; a value of the second replaces the first's, numbers as a whole."""
    found = dict(below)
    for key, value in above.items():
        _drop_alternatives(found, key)
        old = found.get(key)
        tables = _is_table(value) and _is_table(old)
        found[key] = _merged(cast("dict[str, Any]", old), value) if tables else value
    return found


def _drop_alternatives(table: dict[str, Any], key: str) -> None:
    """Take away what a new value stands for: a capacity in MiB replaces one in KiB."""
    for group in (CAPACITIES, RATES):
        if key in group:
            for other in group:
                table.pop(other, None)


def _is_table(value: object) -> bool:
    """Whether a value is a table and no number with its evidence."""
    return isinstance(value, dict) and "value" not in value


def _override(data: dict[str, Any], key: str, value: object, label: str) -> None:
    """Put a value at a dotted key; a number becomes one that the user assumes."""
    *path, last = key.split(".")
    table = data
    for depth, part in enumerate(path):
        if part not in table and part in known_keys(path[:depth], data):
            table[part] = {}
        found = table.get(part)
        if not isinstance(found, dict):
            near = get_close_matches(part, table, n=1)
            hint = f", did you mean `{near[0]}`" if near else ""
            raise TargetError(
                f"{label}: cannot set `{key}`, there is no [{'.'.join(path)}];"
                f" `{part}` is none of {', '.join(table)}{hint}"
            )
        table = cast("dict[str, Any]", found)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    _drop_alternatives(table, last)
    table[last] = {"value": value, "assumed": SET} if number else value


def _with_sources(data: Any, source: str | None, key: str, label: str) -> Any:
    """Put the source of its table, or of the nearest one around it, beside every bare number."""
    if isinstance(data, dict):
        table = cast("dict[str, Any]", data)
        if "value" in table:
            return table
        own = table.get("source")
        source = own if isinstance(own, str) else source
        return {
            name: _with_sources(value, source, f"{key}.{name}" if key else name, label)
            for name, value in table.items()
        }
    if isinstance(data, list):
        return tuple(cast("list[Any]", data))
    if isinstance(data, int | float) and not isinstance(data, bool):
        if source is None:
            raise TargetError(
                f"{label}: expected a source for `{key}`, got none; give the number, its table"
                " or the file a `source`"
            )
        return {"value": data, "kind": "source", "note": source}
    return data
