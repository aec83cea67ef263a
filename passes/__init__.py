"""The passes of dfc, one file per pass, loaded on first use."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xdsl.passes import ModulePass

# In the order a pipeline runs them.
PASSES: tuple[str, ...] = (
    "attach-target",
    "raise-ternary",
    "raise-attention",
    "outline-layers",
    "hoist-weights",
    "shard-tensor-parallel",
    "decompose-ternary-linear",
    "fuse-kernels",
    "merge-kernels",
    "attention-set-schedule",
    "convert-attention-to-stream",
    "tile-kernels",
    "stream-fold-nodes",
    "stream-set-timing",
    "stream-size-fifos",
    "stream-verify-deadlock",
    "place-buffers",
    "verify-placement",
    "convert-stream-to-accel",
    "outline-kernels",
    "convert-rows-to-vector",
    "convert-ternary-to-vector",
    "convert-attention-to-vector",
    "convert-linear-to-vector",
    "run-upstream",
)


def module_name(name: str) -> str:
    """`fuse-kernels` lives in `dfc.passes.fuse_kernels`."""
    return f"dfc.passes.{name.replace('-', '_')}"


def class_name(name: str) -> str:
    """`fuse-kernels` is `FuseKernelsPass`."""
    return "".join(word.capitalize() for word in name.split("-")) + "Pass"


def get_all_passes() -> "dict[str, Callable[[], type[ModulePass]]]":
    """Loaders by pass name; a pass's module is imported on first use."""

    def loader(name: str) -> "Callable[[], type[ModulePass]]":
        return lambda: getattr(import_module(module_name(name)), class_name(name))

    return {name: loader(name) for name in PASSES}
