"""`dfc graph`: a stream graph's exact cycles, as tables and as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, cast

import typer

from dfc.cli_options import Json, Set, check_suffix, overrides
from dfc.cli_output import print_json, print_table, progress


def graph(
    model: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A `.mlir` file with stream graphs (`-`: standard input), or a MODEL with -t.",
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "-t", "--target", metavar="TARGET", help="Lower to *tiled* for it."
        ),
    ] = None,
    kernel: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only the graph of this kernel."),
    ] = None,
    position: Annotated[
        int | None,
        typer.Option(min=0, help="The value of index operands, such as a KV position."),
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", metavar="X.svg", help="Draw the graphs here.")
    ] = None,
    sets: Set = None,
    as_json: Json = False,
) -> None:
    """Run stream graphs for their exact cycles; draw their depths, occupancy and busiest node."""
    check_suffix(output, ".svg")
    with progress():
        from dfc.stream_graphs import read_graphs, run_graphs

        module = read_graphs(model, target, overrides(sets))
        graphs = run_graphs(module, tuple(kernel or ()), position)
    if output is not None:
        from dfc.runtime.drawing import draw

        Path(output).write_text(draw([graph.picture() for graph in graphs]))
    if as_json:
        print_json({"graphs": [graph.as_dict() for graph in graphs]})
        return
    for found in graphs:
        nodes = found.node_rows()
        print_table(
            found.title, ("node", *list(nodes[0])[1:]), [_cells(row) for row in nodes]
        )
        fifos = found.fifo_rows()
        if fifos:
            columns = ("fifo", *list(fifos[0])[1:])
            print_table("", columns, [_cells(row) for row in fifos])


def _cells(row: Mapping[str, object]) -> list[object]:
    """A row's cells; what a node waited for as text, a FIFO without a bound as such."""
    return [_cell(name, value) for name, value in row.items()]


def _cell(name: str, value: object) -> object:
    if name == "stalls":
        waits = cast("Mapping[str, int]", value)
        return ", ".join(f"{edge}: {n:,}" for edge, n in waits.items() if n)
    return "unbounded" if name == "depth" and value is None else value
