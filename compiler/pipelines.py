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

PIPELINES = {
    "dataflow": Pipeline(
        tensor=(
            "raise-ternary",
            "raise-attention",
            "canonicalize",
            "cse",
            "outline-layers",
            "hoist-weights",
        ),
        fused=("decompose-ternary-linear", "fuse-kernels"),
        tiled=("tile-kernels", "hoist-weights"),
        placed=("place-buffers", "verify-placement"),
        program=("convert-stream-to-accel",),
    ),
}
