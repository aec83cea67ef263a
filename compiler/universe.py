"""What plugs into `xdsl-opt`: dfc's dialects and passes, each loaded on first use."""

from collections.abc import Callable
from importlib import import_module

from xdsl.ir import Dialect
from xdsl.universe import Universe

from dfc.passes import get_all_passes

DIALECTS = ("ternary", "attention", "stream", "tier", "accel", "socket")


def get_all_dialects() -> dict[str, Callable[[], Dialect]]:
    """Loaders by dialect name: `ternary` is `dfc.dialects.ternary.Ternary`."""

    def loader(name: str) -> Callable[[], Dialect]:
        module = f"dfc.dialects.{name}"
        return lambda: getattr(import_module(module), name.capitalize())

    return {name: loader(name) for name in DIALECTS}


DFC_UNIVERSE = Universe(all_dialects=get_all_dialects(), all_passes=get_all_passes())
