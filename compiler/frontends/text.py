"""MLIR text at any level as a model."""

from pathlib import Path

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.parser import Parser
from xdsl.universe import Universe

from dfc.frontends.traced import Traced
from dfc.runtime.errors import ModelError


def load_mlir(path: Path) -> Traced:
    """The verified module in a file, its public functions as entries; weights are abstract."""
    context = Context()
    for name, loader in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, loader)
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        raise ModelError(f"expected MLIR text in `{path}`, found other bytes") from None
    module = Parser(context, text, str(path)).parse_module()
    module.verify()
    return Traced(module, {}, entry_names(module), None)


def entry_names(module: ModuleOp) -> tuple[str, ...]:
    """The names of the functions that a user calls: public, with a body, all but `@weights`."""
    return tuple(
        op.sym_name.data
        for op in module.ops
        if isinstance(op, FuncOp)
        and not op.is_declaration
        and op.sym_visibility != StringAttr("private")
        and op.sym_name.data != "weights"
    )
