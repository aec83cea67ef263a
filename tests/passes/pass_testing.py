"""What the tests of passes share: parse text, apply a pass to a copy, run both and compare the values."""

from pathlib import Path

from xdsl.context import Context
from xdsl.dialects import get_all_dialects
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.passes import ModulePass

from dfc.universe import DFC_UNIVERSE
from dfc.value_check import ValueCheck

FILECHECK = Path(__file__).parents[1] / "filecheck" / "passes"


def context() -> Context:
    """A context with every dialect of xDSL and dfc, each loaded on first use."""
    made = Context()
    for name, load in (get_all_dialects() | dict(DFC_UNIVERSE.all_dialects)).items():
        made.register_dialect(name, load)
    return made


def parse(text: str) -> ModuleOp:
    """The verified module of a text."""
    module = Parser(context(), text).parse_module()
    module.verify()
    return module


def apply_to_clone(pass_: ModulePass, module: ModuleOp) -> ModuleOp:
    """The verified module that a pass makes of a copy of `module`."""
    _, made = pass_.apply_to_clone(context(), module)
    made.verify()
    return made


def function(module: ModuleOp, name: str) -> FuncOp:
    """The function of a module with this name."""
    for op in module.ops:
        if isinstance(op, FuncOp) and op.sym_name.data == name:
            return op
    raise KeyError(name)


def ops_named(root: Operation, name: str) -> list[Operation]:
    """Every op of this name at or below `root`, in order."""
    return [op for op in root.walk() if op.name == name]


def check_values(module: ModuleOp, *passes: ModulePass, seed: int = 0) -> ModuleOp:
    """What the passes make of a copy, each compared with the original by the interpreter on random inputs."""
    check = ValueCheck(module, seed)
    for each in passes:
        module = apply_to_clone(each, module)
        check.after(each, module)
    return module
