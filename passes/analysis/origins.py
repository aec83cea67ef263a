"""Origins: where an op came from, and the names that values keep through the levels."""

from collections.abc import Iterable
from typing import cast

from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import Attribute, Operation, OpResult, SSAValue

ORIGIN = "dfc.origin"


def origins_of(op: Operation) -> list[str]:
    """The origins of an op: one for most, several for a kernel, none for an op without."""
    found = op.attributes.get(ORIGIN)
    if isinstance(found, StringAttr):
        return [found.data]
    if isinstance(found, ArrayAttr):
        names = cast("ArrayAttr[Attribute]", found)
        return [each.data for each in names if isinstance(each, StringAttr)]
    return []


def origin_of(op: Operation) -> str:
    """An op's one origin; the last of several, `""` when it has none."""
    return (origins_of(op) or [""])[-1]


def set_origins(op: Operation, origins: Iterable[str]) -> None:
    """Give an op one origin, or a list of several without repetitions."""
    found = list(dict.fromkeys(origin for origin in origins if origin))
    if len(found) == 1:
        op.attributes[ORIGIN] = StringAttr(found[0])
    elif found:
        op.attributes[ORIGIN] = ArrayAttr(map(StringAttr, found))


def copy_origin(source: Operation, *ops: Operation) -> None:
    """Hand an op's origin to the ops that replace it, unless they have one."""
    found: Attribute | None = source.attributes.get(ORIGIN)
    for op in ops:
        if found is not None:
            op.attributes.setdefault(ORIGIN, found)


def value_name(value: SSAValue) -> str:
    """
    The identity of a tensor-level value: its op's origin, `.i` behind it for one of several results.

    `""` for a block argument and for an op without origin.
    """
    if not isinstance(value, OpResult):
        return ""
    origin = origin_of(value.op)
    if not origin or len(value.op.results) == 1:
        return origin
    return f"{origin}.{value.index}"


def module_of(origin: str) -> str:
    """The module path of an origin: `model.layers.0.mlp.up_proj:linear_3#matmul` is of `model.layers.0.mlp.up_proj`."""
    return origin.partition(":")[0]


def generalise(origin: str, path: str, general: str) -> str:
    """
    The origin of an op of one layer as that of every such layer.

    `layers.0.up:linear` on path `layers.0` becomes `layers.*.up:linear`; an origin elsewhere goes
    behind the general path.
    """
    rest = origin.removeprefix(path)
    if origin.startswith(path) and rest[:1] in (".", ":"):
        return general + rest
    return f"{general}:{origin.lstrip(':')}"


def at_call(op: Operation, call: Operation) -> None:
    """
    Make the origins of an op copied out of a repeated layer those of the layer that is called.

    In a copy for the call of `model.layers.3`, `model.layers.*.mlp:mul` is `model.layers.3.mlp:mul`.
    """
    path = module_of(origin_of(call))
    parent, _, last = path.rpartition(".")
    general = f"{parent}.*" if parent and last.isdigit() else path
    for each in op.walk():
        found = origins_of(each)
        if path and found:
            set_origins(each, (_instance(name, general, path) for name in found))


def _instance(origin: str, general: str, path: str) -> str:
    rest = origin.removeprefix(general)
    inside = origin.startswith(general) and rest[:1] in (".", ":")
    return path + rest if inside else origin
