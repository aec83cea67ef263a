"""`dfc roofline`: a model's operations, bytes and intensity, and the least time they take on a target."""

from dfc.cli_options import (
    Batch,
    Dtype,
    Json,
    Model,
    Prefill,
    Set,
    TargetName,
    overrides,
)
from dfc.cli_output import print_json, print_table, progress

FIGURES = (
    ("tokens", "tokens", 1),
    ("context", "context", 1),
    ("linear, GFLOP", "linear_flops", 1e9),
    ("attention, GFLOP", "attention_flops", 1e9),
    ("other, GFLOP", "other_flops", 1e9),
    ("weights, MB", "weight_bytes", 1e6),
    ("cache, MB", "cache_bytes", 1e6),
    ("FLOP per byte", "intensity", 1),
    ("activations unfused, MB", "activation_bytes", 1e6),
    ("FLOP per byte unfused", "unfused_intensity", 1),
    ("least time, s", "least_seconds", 1),
    ("set by", "bound_by", 1),
)
"""Rows of the table: the title, the figure, and what it is divided by."""


def roofline(
    model: Model,
    target: TargetName,
    prefill: Prefill = None,
    batch: Batch = 1,
    dtype: Dtype = None,
    sets: Set = None,
    as_json: Json = False,
) -> None:
    """Count a model's operations and bytes in prefill, the decode step behind it, and training."""
    with progress():
        from dfc.api import load
        from dfc.roofline import roofline as phases
        from dfc.workload import plan

        wanted = (
            None
            if prefill is None and batch == 1
            else plan(prefill or 128, 1, None, batch)
        )
        program = load(
            model,
            target,
            wanted,
            default=plan(128, 1),
            dtype=dtype,
            overrides=overrides(sets),
        )
        rows = [phase.as_dict() for phase in phases(program)]
    if as_json:
        print_json({"model": model, "target": target, "phases": rows})
        return
    table = [
        (title, *(scaled(row[name], scale) for row in rows))
        for title, name, scale in FIGURES
    ]
    print_table("", ("", *(row["phase"] for row in rows)), table)
    print(f"parameters in products: {max(row['parameters'] for row in rows):,}")


def scaled(value: object, scale: float) -> object:
    """A figure in the row's unit; a word, and what is not known, stay as they are."""
    return value / scale if scale != 1 and isinstance(value, int | float) else value
