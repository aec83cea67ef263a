"""Pipelines: named tuples of passes, cut at the levels of the IR."""

from typing import NamedTuple


class Pipeline(NamedTuple):
    """The passes that lead to each level from the one before, and on a branch of their own to code for the host."""

    tensor: tuple[str, ...]
    fused: tuple[str, ...]
    tiled: tuple[str, ...]
    placed: tuple[str, ...]
    program: tuple[str, ...]
    native: tuple[str, ...] = ()
    """From *tiled* to native code; none where the target has no such code."""


NATIVE = "native"
LEVELS = tuple(name for name in Pipeline._fields if name != NATIVE)
BRANCHES = {NATIVE: "tiled"}
"""What is no level of the modelled machine, and the level that it branches off."""

RAISED = (
    "raise-ternary",
    "raise-attention",
    "canonicalize",
    "cse",
    "outline-layers",
    "hoist-weights",
)

PIPELINES = {
    "dataflow": Pipeline(
        tensor=RAISED,
        fused=("decompose-ternary-linear", "fuse-kernels"),
        tiled=("tile-kernels", "hoist-weights"),
        placed=("place-buffers", "verify-placement"),
        program=("convert-stream-to-accel",),
    ),
    "tensor-parallel": Pipeline(
        tensor=RAISED,
        fused=("shard-tensor-parallel", "decompose-ternary-linear", "fuse-kernels"),
        tiled=("tile-kernels", "hoist-weights"),
        placed=("place-buffers", "verify-placement"),
        program=("convert-stream-to-accel",),
    ),
    "streaming": Pipeline(
        tensor=RAISED,
        fused=("decompose-ternary-linear", "fuse-kernels"),
        tiled=(
            "convert-attention-to-stream",
            "tile-kernels",
            "hoist-weights",
            "stream-fold-nodes",
            "stream-set-timing",
            "stream-size-fifos",
            "stream-verify-deadlock",
        ),
        placed=("place-buffers", "verify-placement"),
        program=("convert-stream-to-accel",),
    ),
    "host": Pipeline(
        tensor=RAISED,
        fused=("decompose-ternary-linear", "fuse-kernels", "merge-kernels"),
        tiled=("tile-kernels", "hoist-weights"),
        placed=("place-buffers", "verify-placement"),
        program=("convert-stream-to-accel",),
        native=(
            "outline-kernels{alone=true}",
            "convert-rows-to-vector",
            "convert-ternary-to-vector{shared=true}",
            "convert-attention-to-vector",
        ),
    ),
}
