"""
Name the target a module is compiled for.

    builtin.module { … }
  -->
    builtin.module attributes {accel.target = "tiny-npu", accel.target_set = {"unit.array.rows" = 32 : i64}} { … }

Fires on every module; a target that is already there is replaced together with its overrides.
The target is read once, so an unknown name, key or value is an error here and not later. Values
do not change. A path needs quotes: `attach-target{target="machines/mine.toml"}`; so do
overrides: `set="unit.array.rows=32","clock_mhz=500"`.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import (
    DictionaryAttr,
    FloatAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    f64,
    i64,
)
from xdsl.ir import Attribute
from xdsl.passes import ModulePass

from dfc.runtime.errors import TargetError
from dfc.runtime.machine import load_target

Value = bool | int | float | str


def override(text: str) -> tuple[str, Value]:
    """Key and value of `KEY=VALUE`; a value is a number, `true`, `false`, or a word."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not (key and equals and value):
        raise TargetError(f"expected `KEY=VALUE` in `set`, got `{text}`")
    return key, plain(value)


def plain(text: str) -> Value:
    """What a value that is written as text stands for."""
    if text in ("true", "false"):
        return text == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def attribute(value: Value) -> Attribute:
    """A value of a target file as an attribute."""
    if isinstance(value, bool):
        return IntegerAttr.from_bool(value)
    if isinstance(value, int):
        return IntegerAttr(value, i64)
    return FloatAttr(value, f64) if isinstance(value, float) else StringAttr(value)


@dataclass(frozen=True)
class AttachTargetPass(ModulePass):
    """Sets `accel.target` and `accel.target_set`."""

    name = "attach-target"

    target: str
    """Name of a shipped target, or path of a target file."""

    set: tuple[str, ...] = ()
    """Values of the target file to override, as `KEY=VALUE`."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        chosen = dict(override(text) for text in self.set)
        load_target(self.target, chosen)
        op.attributes["accel.target"] = StringAttr(self.target)
        op.attributes.pop("accel.target_set", None)
        if chosen:
            op.attributes["accel.target_set"] = DictionaryAttr(
                {key: attribute(value) for key, value in chosen.items()}
            )
