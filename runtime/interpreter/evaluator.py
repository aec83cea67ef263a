"""xDSL's interpreter with numpy values, errors that name the op, and a place for the machine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr, UnregisteredOp
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    OpImplResult,
    PythonValues,
)
from xdsl.ir import Block, Operation
from xdsl.utils.exceptions import InterpretationError

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import Array
from dfc.runtime.interpreter.hook import KernelHook
from dfc.runtime.interpreter.quantize import quantize


def origins(op: Operation) -> tuple[str, ...]:
    """The names in an op's `dfc.origin`."""
    found = op.attributes.get("dfc.origin")
    if isinstance(found, StringAttr):
        return (found.data,)
    if isinstance(found, ArrayAttr):
        return tuple(name.data for name in found if isinstance(name, StringAttr))
    return ()


def op_name(op: Operation) -> str:
    """An op's name, of an unregistered one too."""
    return op.op_name.data if isinstance(op, UnregisteredOp) else op.name


def describe(op: Operation) -> str:
    """An op as errors name it: `` `accel.launch` (model.layers.0.q_proj:linear) ``."""
    names = origins(op)
    where = f" ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
    return f"`{op_name(op)}`{where if names else ''}"


KINDS_BY_NAME: dict[str, type[Operation]] = {}
"""Stand-ins under which implementations of unregistered ops are found, by op name."""


@dataclass
class Loops:
    """The iteration space of the `linalg` op whose body runs."""

    sizes: tuple[int, ...]
    fixed: dict[int, int] = field(default_factory=dict[int, int])
    """Loops that are run one by one, with where they are."""


def op_identity(op: Operation) -> str:
    """The layer an op belongs to: its last origin, without the part of the layer it is."""
    return next(reversed(origins(op)), "").partition("#")[0]


class Evaluator(Interpreter):
    """Runs ops on numpy values; subclasses of `InterpreterFunctions` say how, by dialect."""

    def __init__(
        self,
        module: ModuleOp,
        functions: Sequence[InterpreterFunctions],
        hook: KernelHook | None = None,
    ) -> None:
        super().__init__(module)
        self.hook = hook or KernelHook()
        self.loops: list[Loops] = []
        self.path: list[str] = []
        """The calls that are running, outermost first."""
        for each in functions:
            self.register_implementations(each)

    def _run_op(self, op: Operation, inputs: PythonValues) -> OpImplResult:
        # not `_impls.run`: on an error it prints the whole module at every nesting
        known = self._impls._impl_dict  # pyright: ignore[reportPrivateUsage]
        kind = (
            KINDS_BY_NAME.get(op_name(op))
            if isinstance(op, UnregisteredOp)
            else type(op)
        )
        if kind not in known:
            raise ExecutionError(f"no way is known to execute {describe(op)}")
        functions, implementation = known[kind]
        try:
            result = implementation(functions, self, op, inputs)
        except (ValueError, TypeError, IndexError, InterpretationError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise ExecutionError(
                f"{describe(op)} cannot be executed: {reason}"
            ) from error
        for listener in self.listeners:
            listener.did_interpret_op(op, result.values)
        return result

    def quantize(self, op: Operation, x: Array) -> tuple[Array, Array]:
        """int8 rows and scales of x (rows x columns), seen by the hook."""
        return self.hook.quantized(op_identity(op), tuple(self.path), x, *quantize(x))

    def run_block(self, block: Block, args: Sequence[Any]) -> PythonValues:
        """The values a straight block yields or returns for these arguments."""
        self.push_scope()
        self.set_values(zip(block.args, args, strict=True))
        values: PythonValues = ()
        for op in block.ops:
            result = self._run_op(op, self.get_values(op.operands))
            self.set_values(zip(op.results, result.values, strict=True))
            if result.terminator_value is not None:
                values = result.terminator_value.values  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType]
        self.pop_scope()
        return values

    def call_function(self, function: func.FuncOp, args: Sequence[Any]) -> PythonValues:
        """The results of a function."""
        return self.run_block(function.body.block, args)

    @contextmanager
    def loop_space(self, loops: Loops) -> Iterator[None]:
        """The loops that `linalg.index` speaks of."""
        self.loops.append(loops)
        try:
            yield
        finally:
            self.loops.pop()
