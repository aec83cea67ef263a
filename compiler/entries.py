"""What a module needs for dfc to run it: something to call, known shapes, an end of calls."""

from xdsl.dialects.builtin import IndexType, ModuleOp, ShapedType
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import BlockArgument, Region

from dfc.diagnostics import place
from dfc.errors import InputError
from dfc.random_inputs import entry_functions


def check_entries(module: ModuleOp, where: str | None = None) -> None:
    """Refuse a module without a public function, with arguments dfc cannot make, or with recursion."""
    entries = list(entry_functions(module))
    if not entries:
        raise InputError(
            "expected a public function with a body, such as `@main`, got none", where
        )
    for function in entries:
        check_arguments(function)
    check_sizes(module)
    check_calls(module)


def check_arguments(function: FuncOp) -> None:
    """Refuse arguments that are neither static tensors or memrefs nor an `index`."""
    for number, kind in enumerate(function.function_type.inputs.data):
        static = isinstance(kind, ShapedType) and kind.has_static_shape()
        if not static and not isinstance(kind, IndexType):
            name = function.sym_name.data
            raise InputError(
                "expected tensors of static shape or `index` as arguments, got"
                f" `{kind}` as argument {number} of `@{name}`",
                f"@{name}",
            )


def check_sizes(module: ModuleOp) -> None:
    """Refuse tensors without elements: there is nothing to place, and no tile to cut."""
    for op in module.walk():
        for value in (
            *op.results,
            *(a for region in op.regions for a in arguments(region)),
        ):
            kind = value.type
            if isinstance(kind, ShapedType) and 0 in kind.get_shape():
                raise InputError(
                    f"expected tensors with elements, got `{kind}` at {place(op)}:"
                    " leave out what computes nothing",
                    place(op),
                )


def arguments(region: Region) -> list[BlockArgument]:
    """The arguments of a region's first block."""
    first = region.blocks.first
    return [] if first is None else list(first.args)


def check_calls(module: ModuleOp) -> None:
    """Refuse a function that calls itself, also through others: a program has no stack."""
    callees = {
        op.sym_name.data: {
            call.callee.string_value() for call in op.walk() if isinstance(call, CallOp)
        }
        for op in module.ops
        if isinstance(op, FuncOp)
    }
    finished: set[str] = set()
    while len(finished) < len(callees):
        ready = {name for name, called in callees.items() if called <= finished}
        if ready == finished:
            names = ", ".join(f"`@{name}`" for name in callees if name not in finished)
            raise InputError(
                f"expected calls that end, got a recursion through {names}:"
                " write it as a loop"
            )
        finished = ready
