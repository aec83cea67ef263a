"""`dfc passes`, `dfc targets` and `dfc models`: what there is, and one of them in detail."""

from typing import Annotated

import typer

from dfc.cli_options import Json, Set, overrides
from dfc.cli_output import print_json, print_table

Name = Annotated[str | None, typer.Argument(help="One of them, in detail.")]

Schema = Annotated[
    bool,
    typer.Option(
        "--schema", help="Print the JSON schema of target files, for editors."
    ),
]


def passes(name: Name = None, as_json: Json = False) -> None:
    """List passes and pipelines, or show one pass with its before and after."""
    from dfc.listing import pass_rows, pass_text, pipeline_rows

    if name is not None:
        text = pass_text(name)
        print_json({"name": name, "text": text}) if as_json else print(text)
        return
    rows, pipelines = pass_rows(), pipeline_rows()
    if as_json:
        print_json({"passes": rows, "pipelines": pipelines})
        return
    print_table("Passes", ("name", "what it does"), [tuple(r.values()) for r in rows])
    for pipeline, levels in pipelines.items():
        runs = [(level, " ".join(run)) for level, run in levels.items()]
        print_table(f"Pipeline {pipeline}", ("level", "passes to reach it"), runs)


def targets(
    name: Name = None, sets: Set = None, as_json: Json = False, schema: Schema = False
) -> None:
    """List the described accelerators, or show one (a name or a file) with the evidence of its numbers."""
    from dfc.levels import check_target
    from dfc.listing import (
        default_energies,
        evidence,
        number_rows,
        target_rows,
    )
    from dfc.runtime.machine import load_target

    if schema:
        from dfc.runtime.machine.schema import schema_text

        print(schema_text(), end="")
        return
    if name is None:
        rows = target_rows()
        if as_json:
            print_json({"targets": rows})
        else:
            print_table("", ("name", "description"), [tuple(r.values()) for r in rows])
        return
    target = load_target(name, overrides(sets))
    check_target(target)
    if as_json:
        defaults = {k: n.model_dump(mode="json") for k, n in default_energies(target)}
        print_json({**target.model_dump(mode="json"), "default_energies": defaults})
        return
    rows = number_rows(target)
    print(f"{target.name}: {target.description}\nsource: {target.source}")
    print(evidence(rows))
    print_table("", ("key", "value", "kind", "from"), rows)


def models(name: Name = None, as_json: Json = False) -> None:
    """List the models of the zoo, or show one's configuration."""
    from dfc.listing import model_row, model_rows

    if name is None:
        rows = model_rows()
        if as_json:
            print_json({"models": rows})
        else:
            print_table("", list(rows[0]), [tuple(row.values()) for row in rows])
        return
    found = model_row(name)
    if as_json:
        print_json(found)
        return
    print_table("", ("key", "value"), list((found | found.pop("config")).items()))
