"""How much of each tier a program takes: its buffers at their offsets, and what the host leaves."""

from collections.abc import Mapping

from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from dfc.dialects import tier
from dfc.runtime.machine.structure import value_bytes


def peak_bytes(
    functions: Mapping[str, func.FuncOp], entries: tuple[str, ...]
) -> Mapping[str, int]:
    """
    Peak bytes per tier of calls of these functions.

    Buffers have fixed places, so a tier's peak is the end of its highest buffer. The arguments
    of an entry function (weights, inputs, caches) stand beside them, where the host left them.
    """
    highest: dict[str, int] = {}
    given = given_bytes(functions, entries)
    for name in reached(functions, entries):
        for op in functions[name].walk():
            if isinstance(op, tier.AllocOp):
                start = 0 if op.offset_bytes is None else op.offset_bytes.value.data
                place = tier.tier_of(op.buffer)
                end = start + value_bytes(op.buffer)
                highest[place] = max(highest.get(place, 0), end)
    return {
        place: highest.get(place, 0) + given.get(place, 0)
        for place in {**highest, **given}
    }


def given_bytes(
    functions: Mapping[str, func.FuncOp], entries: tuple[str, ...]
) -> dict[str, int]:
    """Bytes per tier of what the host leaves for calls of these functions: their arguments."""
    given: dict[str, int] = {}
    for name in entries:
        for place, size in _arguments(functions[name]).items():
            given[place] = max(given.get(place, 0), size)
    return given


def reached(
    functions: Mapping[str, func.FuncOp], entries: tuple[str, ...]
) -> tuple[str, ...]:
    """The functions that calls of these run."""
    found: dict[str, None] = {}
    todo = list(entries)
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = None
            todo += [
                op.callee.root_reference.data
                for op in functions[name].walk()
                if isinstance(op, func.CallOp)
            ]
    return tuple(found)


def _arguments(function: func.FuncOp) -> Mapping[str, int]:
    """Bytes of a function's arguments per tier."""
    found: dict[str, int] = {}
    for argument in function.body.block.args:
        if _is_buffer(argument):
            place = tier.tier_of(argument)
            found[place] = found.get(place, 0) + value_bytes(argument)
    return found


def _is_buffer(value: SSAValue) -> bool:
    return isinstance(value.type, MemRefType)
