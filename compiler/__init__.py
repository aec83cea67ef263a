"""dfc: a dataflow compiler from PyTorch to modelled accelerators."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfc.api import compile as compile
    from dfc.api import estimate as estimate
    from dfc.api import simulate as simulate
    from dfc.frontends.packing import pack as pack
    from dfc.frontends.preparation import prepare as prepare
    from dfc.frontends.preparation import ternarize as ternarize
    from dfc.graph_reports import last_report as last_report
    from dfc.program import Program as Program
    from dfc.runtime.errors import DfcError as DfcError
    from dfc.runtime.report import Report as Report
    from dfc.runtime.simulator import Estimate as Estimate
    from dfc.storage import load as load

# Loaded on first use: `import dfc` alone must not import torch.
PUBLIC = {
    "DfcError": "dfc.runtime.errors",
    "Estimate": "dfc.runtime.simulator",
    "Program": "dfc.program",
    "Report": "dfc.runtime.report",
    "compile": "dfc.api",
    "estimate": "dfc.api",
    "last_report": "dfc.graph_reports",
    "load": "dfc.storage",
    "pack": "dfc.frontends.packing",
    "prepare": "dfc.frontends.preparation",
    "simulate": "dfc.api",
    "ternarize": "dfc.frontends.preparation",
}


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module `dfc` has no attribute `{name}`")
    return getattr(import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
