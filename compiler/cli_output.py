"""What commands print: tables on a terminal, one JSON object with `--json`, progress on stderr."""

import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from dfc.progress import listening


def print_json(value: object) -> None:
    """One JSON object on stdout."""
    print(json.dumps(value, indent=2))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]):
    """A table; columns of numbers are aligned to the right."""
    from rich import box
    from rich.table import Table

    table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left")
    for index, column in enumerate(columns):
        numeric = all(is_number(row[index]) for row in rows)
        table.add_column(
            column,
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=numeric,
        )
    for row in rows:
        table.add_row(*(shown(cell) for cell in row))
    console().print(table)


def console():
    """A console as wide as the terminal, or wide enough for a table in a file."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 140
    return Console(highlight=False, markup=False, width=width)


def is_number(cell: object) -> bool:
    """Whether a cell is shown as a number, or is empty."""
    return isinstance(cell, int | float) or cell in ("", None)


def shown(cell: object) -> str:
    """A cell as text: thousands apart, four digits of a fraction."""
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case int():
            return f"{cell:,}"
        case float():
            return f"{cell:,.4g}" if abs(cell) < 1e4 else f"{cell:,.0f}"
        case _:
            return str(cell)


@contextmanager
def progress() -> Generator[None]:
    """Show each step of the enclosed work on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status, listening(status.update):
        yield
