"""Write docs/report-fields.md and docs/report.schema.json from the rows: `python scripts/report_fields.py`."""

import json
from pathlib import Path

from pydantic.fields import FieldInfo

from dfc.runtime import report
from dfc.runtime.report import Report, Row

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "report-fields.md"
SCHEMA = ROOT / "docs" / "report.schema.json"
ROWS: tuple[type[Row], ...] = (
    Report,
    report.KernelRow,
    report.Traffic,
    report.UnitRow,
    report.TierRow,
    report.StepRow,
    report.FifoRow,
)

HEAD = """# Fields of a report's JSON

Generated from the rows' docstrings by `scripts/report_fields.py`; a test holds it up to date. The JSON
schema is [report.schema.json](report.schema.json). What does not apply to a model is left out.
"""


def schema() -> str:
    """The JSON schema of a report, as text."""
    return json.dumps(Report.model_json_schema(mode="serialization"), indent=2) + "\n"


def kind(field: FieldInfo) -> str:
    """A field's type as the page shows it."""
    text = str(field.annotation).replace("collections.abc.", "")
    if isinstance(field.annotation, type):
        text = field.annotation.__name__
    for module in ("dfc.runtime.report.rows.", "typing."):
        text = text.replace(module, "")
    return text.replace(" | None", ", or absent").replace("|", "\\|")


def section(row: type[Row]) -> str:
    """The table of one row's fields."""
    title = "the report" if row is Report else row.__name__
    lines = [
        f"| `{name}` | {kind(field)} | {field.description} |"
        for name, field in row.model_fields.items()
    ]
    about = (row.__doc__ or "").strip()
    return "\n".join(
        [
            f"## {title}",
            "",
            about,
            "",
            "| name | type | meaning |",
            "|---|---|---|",
            *lines,
        ]
    )


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(row) + "\n" for row in ROWS)])


if __name__ == "__main__":
    PAGE.write_text(page())
    SCHEMA.write_text(schema())
