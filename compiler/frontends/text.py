"""MLIR text at any level as a model."""

from pathlib import Path

from dfc.driver import new_context, read_module
from dfc.frontends.traced import Traced
from dfc.random_inputs import entry_functions


def load_mlir(path: Path) -> Traced:
    """The verified module in a file, its public functions as entries; weights are abstract."""
    module = read_module(str(path), new_context())
    entries = tuple(f.sym_name.data for f in entry_functions(module))
    return Traced(module, {}, entries, None)
