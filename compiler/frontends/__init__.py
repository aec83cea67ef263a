"""Front ends: from PyTorch or MLIR text to one module at tensor level."""

from dfc.frontends.eager import eager_run, eager_values
from dfc.frontends.load import (
    load_model,
    trace_exported,
    trace_language_model,
    trace_module,
)
from dfc.frontends.preparation import prepare, ternarize
from dfc.frontends.traced import Fallback, Traced

__all__ = [
    "Fallback",
    "Traced",
    "eager_run",
    "eager_values",
    "load_model",
    "prepare",
    "ternarize",
    "trace_exported",
    "trace_language_model",
    "trace_module",
]
