"""Which kernel writes what another one reads: the graph of kernels of a program."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Operation, SSAValue

from dfc.dialects import accel, socket, tier
from dfc.runtime.machine.structure import value_bytes
from dfc.runtime.report.recording import Flow

Functions = Mapping[str, func.FuncOp]
Buffer = tuple[int, SSAValue]
"""A buffer of one call: the call's number, and the value that made it."""


@dataclass(frozen=True)
class Use:
    """A buffer that a function itself reads or writes."""

    value: SSAValue
    writes: bool


def kernel_flows(
    functions: Functions, labels: Mapping[str, str], entries: Iterable[str]
) -> tuple[Flow, ...]:
    """
    For every two kernels, the bytes of the buffers that one writes and the other reads after it.

    `labels` are the names of the kernels that functions are. A buffer counts once per call that
    reads it.
    """
    walk = _Walk(functions, labels)
    for entry in entries:
        walk.enter(entry, {})
    return tuple(Flow(*ends, size) for ends, size in walk.found.items())


class _Walk:
    """Kernels in program order, and the last of them to write each buffer."""

    def __init__(self, functions: Functions, labels: Mapping[str, str]) -> None:
        self.functions, self.labels = functions, labels
        self.found: Counter[tuple[str, str]] = Counter()
        self.writer: dict[Buffer, str] = {}
        self.steps: dict[str, tuple[Use | func.CallOp, ...]] = {}
        self.calls = 0

    def enter(self, name: str, given: Mapping[SSAValue, Buffer]) -> None:
        """One call of a function, whose arguments stand for these buffers."""
        self.calls += 1
        call = self.calls
        if name not in self.steps:
            self.steps[name] = tuple(steps_of(self.functions[name]))
        read: set[Buffer] = set()
        for step in self.steps[name]:
            if isinstance(step, func.CallOp):
                self.enter(*self._inner(step, given, call))
                continue
            buffer = given.get(step.value, (call, step.value))
            if step.writes:
                self.writer[buffer] = self.labels[name]
            elif buffer not in read:
                read.add(buffer)
                self._read(buffer, self.labels[name])

    def _inner(
        self, op: func.CallOp, given: Mapping[SSAValue, Buffer], call: int
    ) -> tuple[str, dict[SSAValue, Buffer]]:
        """The callee, and the buffers of its arguments."""
        name = op.callee.root_reference.data
        arguments = self.functions[name].body.block.args
        inner: dict[SSAValue, Buffer] = {}
        for argument, value in zip(arguments, op.arguments, strict=True):
            if isinstance(value.type, MemRefType):
                root = root_of(value)
                inner[argument] = given.get(root, (call, root))
        return name, inner

    def _read(self, buffer: Buffer, reader: str) -> None:
        writer = self.writer.get(buffer)
        if writer not in (None, reader):
            self.found[writer, reader] += value_bytes(buffer[1])


def steps_of(function: func.FuncOp) -> Iterator[Use | func.CallOp]:
    """The uses of buffers by launches and copies, reads before writes, and the calls, in order."""
    for op in function.walk():
        match op:
            case func.CallOp():
                yield op
            case tier.CopyOp() | socket.ExchangeOp():
                yield Use(root_of(op.source), writes=False)
                yield Use(root_of(op.target), writes=True)
            case accel.LaunchOp():
                for values, writes in ((op.inputs, False), (op.outs, True)):
                    for value in values:
                        if isinstance(value.type, MemRefType):
                            yield Use(root_of(value), writes)
            case _:
                pass


def root_of(value: SSAValue) -> SSAValue:
    """The buffer that a value is, or is a view of."""
    while isinstance(value.owner, Operation) and value.owner.name.startswith("memref."):
        value = value.owner.operands[0]
    return value
