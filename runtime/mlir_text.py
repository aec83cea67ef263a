"""The generic text of a module as upstream MLIR reads it, origins as locations."""

from io import StringIO
from typing import cast

from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import Attribute, Operation
from xdsl.printer import Printer

ORIGIN = "dfc.origin"
"""The discardable attribute that stands for an MLIR location."""


class LocationPrinter(Printer):
    """Prints the generic form that MLIR reads, with `dfc.origin` as each op's location."""

    def print_op(self, op: Operation) -> None:
        origin = op.attributes.pop(ORIGIN, None)
        super().print_op(op)
        if origin is not None:
            op.attributes[ORIGIN] = origin
            self.print_string(f" loc({location_text(origin)})")


def location_text(origin: Attribute) -> str:
    """`"a"` or `fused["a", "b"]`."""
    if isinstance(origin, StringAttr):
        return quoted(origin.data)
    names = cast("ArrayAttr[StringAttr]", origin).data
    return f"fused[{', '.join(quoted(name.data) for name in names)}]"


def quoted(text: str) -> str:
    """A string literal of MLIR."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def to_text(op: Operation) -> str:
    """The generic form of a module or another op, dfc's ops included, as upstream MLIR parses it."""
    stream = StringIO()
    printer = LocationPrinter(
        stream=stream, print_generic_format=True, print_properties_as_attributes=True
    )
    printer.print_op(op)
    return stream.getvalue()
