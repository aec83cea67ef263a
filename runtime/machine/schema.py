"""The JSON schema of target files, for editors: made from the models that read them."""

import json
from collections.abc import Mapping
from typing import Any, cast

from dfc.runtime.machine.number import KINDS
from dfc.runtime.machine.target import Target
from dfc.runtime.machine.units import Unit, unit_kinds

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NEEDED_WITHOUT_BASE = ("clock_mhz", "host_tier", "control", "unit", "tier")
DEFINITIONS = "#/$defs/"
NUMBER = "Number_"

Schema = dict[str, Any]


def schema_text() -> str:
    """The schema as a file holds it."""
    return json.dumps(target_schema(), indent=1, ensure_ascii=False) + "\n"


def target_schema() -> Schema:
    """The schema of a target file with every kind of unit that is installed."""
    top = Target.model_json_schema()
    shared: Schema = top.pop("$defs")
    units: list[Schema] = []
    for kind, model in sorted(unit_kinds().items()):
        unit = model.model_json_schema()
        shared |= unit.pop("$defs", {})
        unit["properties"]["kind"] = {"const": kind}
        shared[f"unit-{kind}"] = unit
        units.append({"$ref": f"{DEFINITIONS}unit-{kind}"})
    shared.pop(Unit.__name__, None)
    properties: Schema = top["properties"]
    properties["base"] = {
        "type": "string",
        "description": "a target that comes with dfc",
    }
    properties["unit"] = {"type": "object", "additionalProperties": {"oneOf": units}}
    top["required"] = ["name"]
    needed = {"required": list(NEEDED_WITHOUT_BASE)}
    top["anyOf"] = [{"required": ["base"]}, needed]
    return {"$schema": DIALECT, **_Reader(shared).whole(top)}


class _Reader:
    """Turns the models' schema into that of the files they are read from."""

    def __init__(self, shared: Schema) -> None:
        self.shared = shared
        self.names = {
            name: _number_name(table["properties"]["value"])
            for name, table in shared.items()
            if name.startswith(NUMBER)
        }

    def whole(self, top: Schema) -> Schema:
        """The top table and all definitions."""
        found = {
            self.names.get(name, name): _number(table["properties"]["value"])
            if name in self.names
            else self.plain(table)
            for name, table in self.shared.items()
        }
        return {**self.plain(top), "$defs": dict(sorted(found.items()))}

    def plain(self, found: Any) -> Any:
        """A schema without titles, defaults and nulls, with the names of numbers made readable."""
        if isinstance(found, list):
            return [self.plain(each) for each in cast("list[Any]", found)]
        if not isinstance(found, dict):
            return found
        table = cast("Schema", found)
        choices = [one for one in table.get("anyOf", ()) if one != {"type": "null"}]
        if len(choices) == 1:
            return self.plain(choices[0])
        return {
            key: self._value(key, each)
            for key, each in table.items()
            if key not in ("title", "default")
        }

    def _value(self, key: str, found: Any) -> Any:
        if key == "$ref":
            name = str(found).removeprefix(DEFINITIONS)
            return DEFINITIONS + self.names.get(name, name)
        if key == "properties":
            return {name: self.plain(each) for name, each in found.items()}
        return self.plain(found)


def _number_name(value: Mapping[str, Any]) -> str:
    """A number by its type and bounds: `number-exclusiveMinimum-0`."""
    bounds = [f"{key}-{value[key]}" for key in sorted(value) if "imum" in key]
    return "-".join([value["type"], *bounds])


def _number(value: Mapping[str, Any]) -> Schema:
    """A bare number, or a value with exactly one kind of evidence."""
    bare = {key: each for key, each in value.items() if key != "title"}
    written = [
        {
            "type": "object",
            "properties": {"value": bare, kind: {"type": "string"}},
            "required": ["value", kind],
            "additionalProperties": False,
        }
        for kind in KINDS
    ]
    return {"anyOf": [bare, *written]}
