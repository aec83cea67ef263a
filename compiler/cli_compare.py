"""`dfc compare`: two reports side by side."""

from typing import TYPE_CHECKING, Annotated

import typer

from dfc.cli_options import Json
from dfc.cli_output import print_json, print_table

if TYPE_CHECKING:
    from dfc.compare import Change, KernelChange

Side = Annotated[
    str, typer.Argument(help="A report's JSON, as `dfc simulate -o` writes it.")
]
SHOWN = 15
"""Rows of a table; `--json` has all."""


def compare(before: Side, after: Side, as_json: Json = False) -> None:
    """Say what changed between two simulations, and why."""
    from dfc.compare import compare as changes
    from dfc.runtime.report import Report

    found = changes(Report.read(before), Report.read(after))
    if as_json:
        print_json(found.as_dict())
        return
    for sentence in found.summary:
        print(sentence)
    print_changes("Figures", "figure", found.figures)
    if found.target:
        rows = [(row.key, row.before, row.after) for row in found.target]
        print_table("Target", ("key", "before", "after"), rows)
    print_changes("The time by cause, s", "cause", found.causes_s)
    print_kernels(found.kernels)
    print_changes("Units and links, busy s", "name", found.resources_busy_s)
    print_changes("Memories, bytes", "name", found.tiers_bytes)
    print_changes("Memories, peak bytes", "name", found.tiers_peak_bytes)
    print_changes("The energy, J", "part", found.energy_parts_j)


def print_changes(title: str, what: str, changes: "tuple[Change, ...]") -> None:
    """A table of changes, if there are any."""
    if not changes:
        return
    rows = [
        (row.name, row.before, row.after, signed(row.difference), times(row))
        for row in changes[:SHOWN]
    ]
    print_table(title, (what, "before", "after", "change", "times"), rows)


def print_kernels(kernels: "tuple[KernelChange, ...]") -> None:
    """Kernels, what their time changed by and for which cause."""
    if not kernels:
        return
    rows = [
        (
            row.name,
            row.seconds.before,
            row.seconds.after,
            signed(row.seconds.difference),
            times(row.seconds),
            f"{row.cause.name} {signed(row.cause.difference)}" if row.cause else "",
            signed(row.moved_bytes.difference) if row.moved_bytes.difference else "",
        )
        for row in kernels[:SHOWN]
    ]
    head = ("kernel", "before", "after", "change", "times", "most by", "bytes")
    print_table("Kernels, s", head, rows)


def signed(difference: float) -> str:
    """A difference with its sign."""
    whole = isinstance(difference, int)
    return f"{difference:+,}" if whole else f"{difference:+.4g}"


def times(change: "Change") -> str:
    """After over before, where that means something."""
    return "" if change.ratio is None else f"{change.ratio:.3g}"
