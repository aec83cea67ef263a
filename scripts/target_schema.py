"""Write docs/machines/target.schema.json from the models of target files: `python scripts/target_schema.py`."""

from pathlib import Path

from dfc.runtime.machine.schema import schema_text

PAGE = Path(__file__).parents[1] / "docs" / "machines" / "target.schema.json"

if __name__ == "__main__":
    PAGE.write_text(schema_text())
