# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What operators that stay in eager PyTorch would cost: work, bytes, and time on a target's host unit."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx
from torch.utils.flop_counter import flop_registry

from dfc.runtime.machine import Target
from dfc.runtime.machine.units.fixed_rate import FixedRate
from dfc.runtime.machine.units.op_library import OpLibrary


@dataclass(frozen=True)
class EagerWork:
    """Operators, multiply-accumulates, other element operations, bytes read and written."""

    operators: int = 0
    macs: int = 0
    elements: int = 0
    bytes: int = 0

    def __add__(self, other: "EagerWork") -> "EagerWork":
        return EagerWork(
            self.operators + other.operators,
            self.macs + other.macs,
            self.elements + other.elements,
            self.bytes + other.bytes,
        )

    @property
    def flops(self) -> int:
        """Floating-point operations: two for each multiply-accumulate."""
        return 2 * self.macs + self.elements

    def seconds_on(self, target: Target) -> float | None:
        """The time on the first unit of the target that runs anything; None without one."""
        for unit in target.unit.values():
            if isinstance(unit, FixedRate | OpLibrary):
                delay = self.operators * float(unit.overhead_ns)
                return (
                    delay
                    + self.macs / float(unit.gmac_per_s)
                    + self.elements / float(unit.gelement_per_s)
                ) / 1e9
        return None


def eager_work(nodes: Iterable[fx.Node]) -> EagerWork:
    """The work of operators, from the shapes that tracing noted."""
    total = EagerWork()
    for node in nodes:
        results = [v for v in flat(node.meta.get("val")) if isinstance(v, Tensor)]
        operands = [v for n in node.all_input_nodes for v in flat(n.meta.get("val"))]
        tensors = [v for v in (*operands, *results) if isinstance(v, Tensor)]
        size = sum(v.numel() * v.element_size() for v in tensors)
        macs = multiplications(node)
        elements = 0 if macs else sum(v.numel() for v in results)
        total += EagerWork(1, macs, elements, size)
    return total


def flat(value: Any) -> list[Any]:
    """A value, or the parts of a tuple."""
    return list(value) if isinstance(value, tuple | list) else [value]


def multiplications(node: fx.Node) -> int:
    """Multiply-accumulates of a contraction; 0 for what torch counts none for."""
    packet = getattr(node.target, "overloadpacket", None)
    count = flop_registry.get(packet)
    if count is None:
        return 0
    args, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: n.meta["val"])
    return int(count(*args, **kwargs, out_val=node.meta["val"])) // 2
