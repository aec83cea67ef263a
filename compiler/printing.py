"""
IR as text that `dfc` reads back.

xDSL's own form of some linalg ops says less than the op holds: of a named op it leaves out the body,
which it makes anew from the types, and it does not read back a `linalg.generic` of several results.
Such ops are printed in the generic form.
"""

from io import StringIO

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.linalg.abstract_ops import NamedOperation
from xdsl.dialects.linalg.ops import GenericOp
from xdsl.ir import Operation, Region
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from dfc.runtime.mlir_text import ORIGIN


def to_text(module: ModuleOp) -> str:
    """The text of a module, in each op's own form where that says all."""
    stream = StringIO()
    FaithfulPrinter(stream).print_op(module)
    return f"{stream.getvalue()}\n"


class FaithfulPrinter(Printer):
    """Prints an op in the generic form where its own form does not say all of it."""

    def print_op(self, op: Operation) -> None:
        """Print an op, with what stands in it."""
        before = self.print_generic_format
        self.print_generic_format = before or not says_all(op)
        super().print_op(op)
        self.print_generic_format = before


def says_all(op: Operation) -> bool:
    """Whether an op is the same when its own form is read back, origins of ops inside it aside."""
    if isinstance(op, GenericOp):
        return len(op.res) <= 1
    if not isinstance(op, NamedOperation):
        return True
    try:
        body = type(op).get_hidden_region(op.inputs, op.outputs)
    except (VerifyException, ValueError, TypeError):
        return False
    return is_same(body, op.body) and all(
        op.properties[name] == prop.default_value
        for name, prop in op.get_irdl_definition().properties.items()
        if name in DROPPED and name in op.properties
    )


DROPPED = ("indexing_maps", "iterator_types", "doc", "library_call")
"""Properties that the own form of a named op leaves out."""


def is_same(body: Region, other: Region) -> bool:
    """Whether two bodies compute the same in the same way."""
    plain = other.clone()
    for op in plain.walk():
        op.attributes.pop(ORIGIN, None)
    return body.is_structurally_equivalent(plain)
