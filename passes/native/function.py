"""A function as a kernel of the host: one that gets a table of addresses and the parts to work on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import func
from xdsl.dialects.builtin import IntegerAttr, StringAttr, i64
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from dfc.passes.native.attributes import POINTER
from dfc.passes.native.code import Code
from dfc.passes.native.isa import ISAS
from dfc.passes.native.tiles import Range


def check_isa(isa: str) -> None:
    """`PassFailedException` where there is no such instruction set."""
    if isa not in ISAS:
        raise PassFailedException(
            f"expected an `isa` of {', '.join(ISAS)}, got {isa!r}"
        )


@dataclass(frozen=True)
class Frame:
    """Pointers to what the arguments and results hold, and the parts of a call."""

    arguments: dict[SSAValue, SSAValue]
    results: Sequence[SSAValue]
    part: Range


def become_kernel(
    function: func.FuncOp, isa: str, parts: int, write: Callable[[Code, Frame], None]
) -> None:
    """Put the code that `write` makes in place of a function's ops; `parts` is 0 where it is as many as tokens."""
    made = func.FuncOp(function.sym_name.data, ((POINTER, i64, i64), ()))
    for name, value in function.attributes.items():
        made.attributes[name] = value
    made.attributes["dfc.isa"] = StringAttr(isa)
    made.attributes["dfc.parts"] = IntegerAttr(parts, i64)
    code = Code(made)
    results = len(function.function_type.outputs)
    write(code, frame(code, function.body.block.args, results))
    made.body.block.add_op(func.ReturnOp())
    parent = function.parent_block()
    assert parent is not None
    parent.insert_op_before(made, function)
    function.detach()
    function.erase()


def frame(code: Code, arguments: Sequence[SSAValue], results: int) -> Frame:
    """What the table holds: the addresses of the arguments in order, those of the results, the number of tokens."""
    table, first, end = code.function.body.block.args
    count = len(arguments) + results
    places = [code.load(code.at(table, 8 * at), POINTER) for at in range(count)]
    part = Range(first, end, code.load(code.at(table, 8 * count), i64))
    return Frame(
        dict(zip(arguments, places, strict=False)), places[len(arguments) :], part
    )
