"""Pipelines: named tuples of passes, cut at the levels of the IR."""

from typing import NamedTuple


class Pipeline(NamedTuple):
    """The passes that lead to each level from the one before."""

    tensor: tuple[str, ...]
    fused: tuple[str, ...]
    tiled: tuple[str, ...]
    placed: tuple[str, ...]
    program: tuple[str, ...]


LEVELS = Pipeline._fields

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
}
