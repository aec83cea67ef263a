"""What every table of a target file has in common."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of a target file; its `source` holds for the bare numbers in it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    source: str = ""


def one_of(table: Table, keys: tuple[str, ...], needed: bool) -> None:
    """Check that exactly one (or at most one) of these keys is given."""
    given = [key for key in keys if getattr(table, key) is not None]
    if len(given) > 1 or (needed and not given):
        choice = ", ".join(f"`{key}`" for key in keys)
        raise ValueError(
            f"expected {'one' if needed else 'at most one'} of {choice},"
            f" got {', '.join(given) or 'none'}"
        )
