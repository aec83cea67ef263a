"""Changing the arguments of functions and calls, argument attributes included."""

from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FunctionType, ModuleOp
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue
from xdsl.rewriter import Rewriter

from dfc.passes.analysis.block_arguments import append_arguments, erase_arguments
from dfc.passes.analysis.equal_ops import is_pure

ArgumentAttributes = Mapping[str, Attribute]

WEIGHTS = "weights"
"""The function that computes everything that depends on weights alone."""


def functions(module: ModuleOp) -> list[FuncOp]:
    """The functions of a module that have a body."""
    return [op for op in module.ops if isinstance(op, FuncOp) and not op.is_declaration]


def is_private(function: FuncOp) -> bool:
    """Whether a function is called from within the module only."""
    visibility = function.sym_visibility
    return visibility is not None and visibility.data == "private"


def calls(module: ModuleOp) -> dict[str, list[CallOp]]:
    """The calls of each function, by its name."""
    found: dict[str, list[CallOp]] = {}
    for op in module.walk():
        if isinstance(op, CallOp):
            found.setdefault(op.callee.string_value(), []).append(op)
    return found


def callees_first(module: ModuleOp) -> list[FuncOp]:
    """The functions of a module, each behind those it calls."""
    by_name = {function.sym_name.data: function for function in functions(module)}
    order: dict[str, FuncOp] = {}

    def visit(name: str) -> None:
        if name in order or name not in by_name:
            return
        for op in by_name[name].walk():
            if isinstance(op, CallOp):
                visit(op.callee.string_value())
        order[name] = by_name[name]

    for name in by_name:
        visit(name)
    return list(order.values())


def entry_names(module: ModuleOp) -> dict[str, str]:
    """For each function the entry that alone leads to it, else itself."""
    callers = {
        name: {_function_name(site) for site in sites}
        for name, sites in calls(module).items()
    }

    def entries(name: str) -> set[str]:
        above = callers.get(name, set())
        return set[str]().union(*map(entries, above)) if above else {name}

    names = [function.sym_name.data for function in functions(module)]
    found = {name: entries(name) for name in names}
    return {
        name: next(iter(only)) if len(only := found[name]) == 1 else name
        for name in names
    }


def _function_name(op: Operation) -> str:
    """The name of the function an op stands in."""
    parent = op.parent_op()
    while parent is not None and not isinstance(parent, FuncOp):
        parent = parent.parent_op()
    return "" if parent is None else parent.sym_name.data


def argument_attributes(function: FuncOp) -> list[dict[str, Attribute]]:
    """The attributes of each argument."""
    if function.arg_attrs is None:
        return [{} for _ in function.args]
    return [dict(each.data.items()) for each in function.arg_attrs]


def set_argument_attributes(
    function: FuncOp, attributes: Sequence[ArgumentAttributes]
) -> None:
    """Set the attributes of all arguments; none at all when they are empty."""
    _set_rows(function, [DictionaryAttr(dict(each)) for each in attributes])


def result_attributes(function: FuncOp) -> list[dict[str, Attribute]]:
    """The attributes of each result."""
    if function.res_attrs is None:
        return [{} for _ in function.function_type.outputs]
    return [dict(each.data.items()) for each in function.res_attrs]


def set_result_attributes(
    function: FuncOp, attributes: Sequence[ArgumentAttributes]
) -> None:
    """Set the attributes of all results; none at all when they are empty."""
    function.properties.pop("res_attrs", None)
    if any(attributes):
        rows = [DictionaryAttr(dict(each)) for each in attributes]
        function.properties["res_attrs"] = ArrayAttr(rows)


def _rows(function: FuncOp) -> Sequence[DictionaryAttr]:
    """The attributes of each argument, as they stand in the function."""
    if function.arg_attrs is None:
        return [DictionaryAttr({})] * len(function.args)
    return function.arg_attrs.data


def _set_rows(function: FuncOp, rows: Sequence[DictionaryAttr]) -> None:
    function.properties.pop("arg_attrs", None)
    if any(row.data for row in rows):
        function.properties["arg_attrs"] = ArrayAttr(rows)


def update_type(function: FuncOp) -> None:
    """Make a function's type that of its arguments and of what it returns."""
    returned = function.body.block.last_op
    results: Sequence[Attribute] = function.function_type.outputs.data
    if isinstance(returned, ReturnOp):
        results = [value.type for value in returned.arguments]
    inputs = [argument.type for argument in function.args]
    function.properties["function_type"] = FunctionType.from_lists(inputs, results)


def add_arguments(
    function: FuncOp, likes: Sequence[SSAValue], rows: Sequence[ArgumentAttributes]
) -> list[BlockArgument]:
    """New last arguments of the types and names of `likes`, with their attributes."""
    attributes = [*_rows(function), *(DictionaryAttr(dict(row)) for row in rows)]
    made = append_arguments(function.body.block, (like.type for like in likes))
    for argument, like in zip(made, likes, strict=True):
        argument.name_hint = like.name_hint
    _set_rows(function, attributes)
    update_type(function)
    return made


def drop_arguments(
    function: FuncOp, indices: Sequence[int], sites: Sequence[CallOp] = ()
) -> None:
    """Remove unused arguments from a function and from its calls."""
    gone = set(indices)
    if not gone:
        return
    kept = [row for index, row in enumerate(_rows(function)) if index not in gone]
    erase_arguments(function.body.block, gone)
    _set_rows(function, kept)
    update_type(function)
    for site in sites:
        operands = [o for index, o in enumerate(site.arguments) if index not in gone]
        replace_call(site, operands)


def replace_call(site: CallOp, operands: Sequence[SSAValue]) -> CallOp:
    """The same call with other operands."""
    made = CallOp(site.callee, operands, site.result_types)
    made.attributes.update(site.attributes)
    for old, new in zip(site.results, made.results, strict=True):
        new.name_hint = old.name_hint
    Rewriter.replace_op(site, made)
    return made


def erase_unused(function: FuncOp) -> None:
    """Erase the pure ops of a function that nothing uses."""
    for op in reversed(list(function.body.block.ops)):
        if is_pure(op) and not any(result.uses for result in op.results):
            Rewriter.erase_op(op)
