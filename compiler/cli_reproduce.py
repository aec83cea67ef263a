"""`dfc reproduce`: papers' figures beside ours."""

from typing import Annotated

import typer

from dfc.cli_options import Json
from dfc.cli_output import print_json, print_table, progress


def reproduce(
    papers: Annotated[
        list[str] | None,
        typer.Argument(metavar="PAPER", help="All when none is given."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compute what papers claim and print both figures with their ratio."""
    with progress():
        from dfc.reproduce import reproduce

        found = reproduce(tuple(papers or ()))
    if as_json:
        rows = {
            name: {
                "title": paper.title,
                "source": paper.source,
                "claims": [claim.as_dict() for claim in paper.claims],
            }
            for name, paper in found.items()
        }
        print_json({"papers": rows})
        return
    for name, paper in found.items():
        print_table(
            f"{name}: {paper.title} ({paper.source})",
            ("claim", "paper", "dfc", "unit", "ratio", "note"),
            [
                (c.what, c.published, c.ours, c.unit, c.ratio, c.note)
                for c in paper.claims
            ],
        )
