"""Readable names for kernels: the module that the op in the middle of a kernel comes from."""

from collections.abc import Iterable, Sequence
from itertools import count

from xdsl.ir import Operation

from dfc.dialects import attention
from dfc.passes.analysis.op_loops import loops_of
from dfc.passes.analysis.origins import module_of, origin_of, origins_of
from dfc.passes.kernels.fusion_graph import Group, is_anchor

PARTS = ("quantize",)
"""Parts of a decomposed layer that get a kernel of their own name; the others have the layer's."""


def base_name(group: Group) -> str:
    """The name of a group's kernel, not yet unique: `q_proj`, `attention`, `input_layernorm`."""
    anchor = next((op for op in group if is_anchor(op)), None)
    op = anchor or _reducing(group) or group[-1]
    if isinstance(op, attention.SdpaOp):
        return "attention"
    origin = origin_of(op)
    name = last_word(module_of(origin)) or node_of(origin)
    part = origin.partition("#")[2]
    if name and part in PARTS:
        name = f"{name}_{part}"
    return name or op.name.rpartition(".")[2]


def _reducing(group: Group) -> Operation | None:
    """The first op that reduces."""
    kinds = ((op, {loop.kind for loop in loops_of(op)}) for op in group)
    return next((op for op, found in kinds if "reduction" in found), None)


def last_word(path: str) -> str:
    """The end of a module path, with a number's parent: `net.3` is `net_3`, `layers.*` is `layers`."""
    words = [word for word in path.split(".") if word != "*"]
    first = len(words) - 1
    while first > 0 and words[first].isdigit():
        first -= 1
    return "_".join(words[max(first, 0) :])


def node_of(origin: str) -> str:
    """The node of an origin without its numbers: `:slice_1~2` is `slice`."""
    node = origin.partition(":")[2].partition("#")[0].partition("~")[0]
    return node.rstrip("0123456789").rstrip("_")


def unique_names(
    groups: Sequence[tuple[str, Group]], taken: Iterable[str]
) -> list[str]:
    """
    A name for each (function, group): the bare one where it is the only such in the module.

    Otherwise the function stands in front, and a number behind where that is not enough.
    """
    bases = [base_name(group) for _, group in groups]
    functions = {base: set[str]() for base in bases}
    for base, (function, _) in zip(bases, groups, strict=True):
        functions[base].add(function)
    used = set(taken)
    names: list[str] = []
    for base, (function, _) in zip(bases, groups, strict=True):
        name = base if len(functions[base]) == 1 else f"{function}_{base}"
        names.append(free_name(name, used))
        used.add(names[-1])
    return names


def free_name(name: str, used: set[str]) -> str:
    """The name, with a number from 2 on behind it while it is used."""
    numbered = (f"{name}_{number}" for number in count(2))
    return name if name not in used else next(n for n in numbered if n not in used)


def group_origins(group: Group) -> list[str]:
    """The origins of a group's ops, those of helper ops (`~1`) only when there are no others."""
    found = [origin for op in group for origin in origins_of(op)]
    return [origin for origin in found if "~" not in origin] or found
