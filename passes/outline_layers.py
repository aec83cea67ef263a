"""
Make repeated layers one function that is called many times.

    func.func @main(%x: …, %w0: …, %w1: …) {
      %a = ternary.linear %x, %w0 … {dfc.origin = "layers.0.up:linear"}
      %b = ternary.linear %a, %w1 … {dfc.origin = "layers.1.up:linear"}
  -->
    func.func @main(%x: …, %w0: …, %w1: …) {
      %a = func.call @main_layer(%x, %w0) {dfc.origin = "layers.0:layer"}
      %b = func.call @main_layer(%a, %w1) {dfc.origin = "layers.1:layer"}
    }
    func.func private @main_layer(%x: …, %w: …) {
      %y = ternary.linear %x, %w … {dfc.origin = "layers.*.up:linear"}

Fires on a function without calls, once: on the ops of numbered modules where origins name several,
else (not where they name one) on the repetition of equal ops that covers most, if each run holds two ops at least and a
product or attention among them. Runs are equal when their ops are, operands and origins aside,
and are connected in the same way; work on weights alone is in no run without an origin. What
differs between the runs becomes an argument; equal constants are made inside. Modules in which a
front end has made functions of the layers are left alone. The numbers do not change.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dfc.passes.analysis.block_order import sort_ops
from dfc.passes.analysis.equal_ops import operands_of
from dfc.passes.analysis.functions import WEIGHTS, calls, erase_unused, functions
from dfc.passes.analysis.origins import ORIGIN, generalise, origins_of, set_origins
from dfc.passes.analysis.repeated_runs import Repetition, find
from dfc.passes.analysis.weight_work import weight_arguments, weight_work
from dfc.passes.kernels.fusion_graph import is_cheap


def layer_function(found: Repetition, name: str) -> FuncOp:
    """The private function of a repetition, made from its first run."""
    run = found.runs[0]
    block = Block(arg_types=[values[0].type for values in found.arguments])
    known: dict[SSAValue, SSAValue] = {}
    for argument, values in zip(block.args, found.arguments, strict=True):
        argument.name_hint = values[0].name_hint
        known[values[0]] = argument
    for op in run:
        copy_with_constants(op, known, block)
    for op in block.walk():
        named = [generalise(o, found.paths[0], found.general) for o in origins_of(op)]
        set_origins(op, named)
    results = [known[run[place].results[index]] for place, index in found.results]
    last = ReturnOp(*results)
    last.attributes[ORIGIN] = StringAttr(f"{found.general}:output")
    block.add_op(last)
    types = [value.type for value in block.args], [value.type for value in results]
    return FuncOp(name, types, Region(block), visibility="private")


def copy_with_constants(
    op: Operation, known: dict[SSAValue, SSAValue], block: Block
) -> None:
    """Copy an op to a block, what it reads and everything makes for itself first."""
    for value in operands_of(op):
        owner = value.owner
        if value not in known and isinstance(owner, Operation) and is_cheap(owner):
            copy_with_constants(owner, known, block)
    block.add_op(op.clone(value_mapper=known))


def call_runs(found: Repetition, name: str) -> dict[Operation, Operation]:
    """Put a call behind the last op of each run; the last op by call."""
    behind: dict[Operation, Operation] = {}
    for number, run in enumerate(found.runs):
        types = [run[place].results[index].type for place, index in found.results]
        operands = [argument[number] for argument in found.arguments]
        call = CallOp(name, operands, types)
        call.attributes[ORIGIN] = StringAttr(f"{found.paths[number]}:layer")
        Rewriter.insert_op(call, InsertPoint.after(run[-1]))
        behind[call] = run[-1]
    for call, run in zip(behind, found.runs, strict=True):
        for (place, index), result in zip(found.results, call.results, strict=True):
            run[place].results[index].replace_all_uses_with(result)
    return behind


def outline(function: FuncOp, found: Repetition, name: str) -> FuncOp:
    """Replace the runs of a function by calls of a new one."""
    block = function.body.block
    places: dict[Operation, int] = {op: index for index, op in enumerate(block.ops)}
    made = layer_function(found, name)
    for call, last in call_runs(found, name).items():
        places[call] = places[last]
    for run in reversed(found.runs):
        for op in reversed(run):
            Rewriter.erase_op(op)
    erase_unused(function)
    sort_ops(block, places)
    return made


def free_name(module: ModuleOp, name: str) -> str:
    """A function name, with a number behind it where it is taken."""
    taken = {function.sym_name.data for function in functions(module)}
    number = 1
    while (chosen := name if number == 1 else f"{name}_{number}") in taken:
        number += 1
    return chosen


@dataclass(frozen=True)
class OutlineLayersPass(ModulePass):
    """Replaces repeated layers by calls of one function each."""

    name = "outline-layers"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if calls(op):
            return
        weights = weight_arguments(op)
        for function in functions(op):
            if function.sym_name.data == WEIGHTS:
                continue
            work = weight_work(function, weights[function])
            found = find(function.body.block, set(work.ops))
            if found is not None:
                name = free_name(op, f"{function.sym_name.data}_layer")
                made = outline(function, found, name)
                Rewriter.insert_op(made, InsertPoint.after(function))
