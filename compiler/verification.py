"""Verification after each pass, of what the pass has changed: the rest was verified before."""

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.traits import IsolatedFromAbove, SymbolUserOpInterface

State = list[object]
"""All that an op's verification reads, of the op and of what stands in it, in one order."""


class Verifier:
    """
    Verifies a module that changes from time to time; it must verify at the start.

    An op of the module that is isolated from above, such as a function, is left out while it is
    as it was when it was last verified, unless it refers to a symbol: what that names may have changed.
    """

    def __init__(self, module: ModuleOp) -> None:
        self.module = module
        self.known = states(module)

    def verify(self) -> None:
        """Raise `VerifyException` unless the module verifies."""
        found = states(self.module)
        for op in self.module.ops:
            state = found.get(op)
            if state is None or state != self.known.get(op):
                op.verify()
        self.module.verify(verify_nested_ops=False)
        self.known = found


def states(module: ModuleOp) -> dict[Operation, State]:
    """The states of the ops of a module whose verification reads nothing else."""
    isolated = (op for op in module.ops if op.has_trait(IsolatedFromAbove))
    found = {op: state_of(op) for op in isolated}
    return {op: state for op, state in found.items() if state is not None}


def state_of(op: Operation) -> State | None:
    """An op's state; None if something in it refers to a symbol."""
    found: State = []
    for inner in op.walk():
        if inner.has_trait(SymbolUserOpInterface):
            return None
        found += (inner, inner.parent, *inner.operands, *inner.successors)
        found += (result.type for result in inner.results)
        found += (tuple(inner.properties.items()), tuple(inner.attributes.items()))
        for region in inner.regions:
            found.append(region)
            for block in region.blocks:
                found += (block, *(argument.type for argument in block.args))
    return found
