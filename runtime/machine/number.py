"""A number of a target file: its value and where it comes from."""

from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["source", "assumed", "calibrated"]
KINDS: tuple[Kind, ...] = ("source", "assumed", "calibrated")

T = TypeVar("T", bound=int | float)


class Number(BaseModel, Generic[T]):
    """A value, the kind of evidence behind it, and the evidence itself."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    value: T
    kind: Kind
    note: str

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        """Read `{value = 4, assumed = "…"}`; a bare number has had its table's source put in."""
        if isinstance(data, Number):
            number = cast("Number[Any]", data)
            return {"value": number.value, "kind": number.kind, "note": number.note}
        if not isinstance(data, dict):
            raise ValueError(f"expected a number, got {data!r}")
        table = cast("dict[str, Any]", data)
        if set(table) == {"value", "kind", "note"}:
            return table
        kinds = [kind for kind in KINDS if kind in table]
        if len(kinds) != 1:
            raise ValueError(
                f"expected exactly one of {', '.join(KINDS)} beside the value,"
                f" got {', '.join(kinds) or 'none'}"
            )
        unknown = sorted(set(table) - {"value", *kinds})
        if unknown or "value" not in table:
            raise ValueError(
                f"expected `value` and `{kinds[0]}`, got {', '.join(sorted(table))}"
            )
        note = table[kinds[0]]
        if not isinstance(note, str) or not note:
            raise ValueError(
                f"expected `{kinds[0]}` to say in quotes why, got {written(note)}"
            )
        return {"value": table["value"], "kind": kinds[0], "note": note}

    @cached_property
    def exact(self) -> Fraction:
        """The decimal number that stands in the file, without binary rounding."""
        return Fraction(str(self.value))

    def __float__(self) -> float:
        return float(self.value)


Anything = Number[int] | Number[float]
"""A number of either type, where only its evidence matters."""


def written(found: Any) -> Any:
    """What a person wrote, without the evidence that was put beside it."""
    if isinstance(found, dict):
        table = cast("dict[str, Any]", found)
        return table["value"] if set(table) == {"value", "kind", "note"} else table
    return found


Whole = Number[Annotated[int, Field(ge=0)]]
Count = Number[Annotated[int, Field(gt=0)]]
Amount = Number[Annotated[float, Field(ge=0, allow_inf_nan=False)]]
Rate = Number[Annotated[float, Field(gt=0, allow_inf_nan=False)]]
Share = Number[Annotated[float, Field(gt=0, le=1)]]

NONE = Number[float](value=0.0, kind="source", note="none unless the file says so")
NO_CYCLES = Number[int](value=0, kind="source", note="none unless the file says so")


def weakest(numbers: tuple[Anything, ...]) -> Kind:
    """
    The weakest evidence among numbers.

    A time that an assumed and a calibrated number set together is as good as the assumption.
    """
    kinds = {number.kind for number in numbers}
    return (
        "assumed"
        if "assumed" in kinds
        else "calibrated"
        if "calibrated" in kinds
        else "source"
    )
