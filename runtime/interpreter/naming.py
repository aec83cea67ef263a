"""How ops and tensor-level values are named in errors and to hooks."""

from typing import cast

from xdsl.dialects.builtin import ArrayAttr, StringAttr, UnregisteredOp
from xdsl.ir import Attribute, Operation


def strings(attribute: Attribute | None) -> tuple[str, ...]:
    """The string or strings of an attribute."""
    if isinstance(attribute, StringAttr):
        return (attribute.data,)
    if isinstance(attribute, ArrayAttr):
        names = cast("ArrayAttr[Attribute]", attribute)
        return tuple(name.data for name in names if isinstance(name, StringAttr))
    return ()


def origins(op: Operation) -> tuple[str, ...]:
    """The names in an op's `dfc.origin`."""
    return strings(op.attributes.get("dfc.origin"))


def op_name(op: Operation) -> str:
    """An op's name, of an unregistered one too."""
    return op.op_name.data if isinstance(op, UnregisteredOp) else op.name


def describe(op: Operation) -> str:
    """An op as errors name it: `` `accel.launch` on `tlmm` (model.layers.0.q_proj:linear) ``."""
    label = strings(op.properties.get("label"))
    unit = strings(op.properties.get("unit"))
    name = f"`{op_name(op)}`" + (f" `{label[0]}`" if label else "")
    name += f" on `{unit[0]}`" if unit else ""
    names = origins(op)
    if not names:
        return name
    more = ", …" if len(names) > 3 else ""
    return f"{name} ({', '.join(names[:3])}{more})"


def layer(op: Operation) -> str:
    """The layer an op belongs to: its last origin, without the part of the layer it is."""
    return next(reversed(origins(op)), "").partition("#")[0]


def identities(op: Operation) -> tuple[str, ...]:
    """The tensor-level values an op's results are; none without an origin."""
    name = next(reversed(origins(op)), "")
    if not name or len(op.results) < 2:
        return (name,) * len(op.results) if name else ()
    return tuple(f"{name}.{n}" for n in range(len(op.results)))
