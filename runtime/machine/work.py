"""The work of an op: multiply-accumulates, elementwise functions by dtype, and bytes of its operands."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Literal

from xdsl.dialects import arith, tensor
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.dialects.linalg.ops import FillOp, GenericOp, ReduceOp
from xdsl.ir import BlockArgument, Operation, SSAValue

from dfc.dialects import attention, ternary
from dfc.dialects.utils import element, shape
from dfc.runtime.machine.structure import (
    body_ops,
    contraction_of,
    count,
    dtype,
    element_bytes,
    loop_ranges,
    value_bytes,
)

Controls = Callable[[SSAValue], int | None]
"""The value of an index or i1 in a body, `None` when it is not known."""


def unknown(_: SSAValue) -> None:
    """No control value is known: positions, where only the kind of work or its most matters."""


OPS = {
    "abs": ("absf", "absi"),
    "add": ("addf", "addi"),
    "compare": ("cmpf", "cmpi"),
    "convert": (
        *("extf", "truncf", "extsi", "extui", "trunci", "bitcast"),
        *("sitofp", "uitofp", "fptosi", "fptoui"),
    ),
    "divide": ("divf", "divsi", "divui"),
    "logic": ("andi", "ori", "xori"),
    "maximum": ("maximumf", "maxnumf", "maxsi", "maxui"),
    "minimum": ("minimumf", "minnumf", "minsi", "minui"),
    "multiply": ("mulf", "muli"),
    "negate": ("negf",),
    "power": ("powf", "fpowi", "ipowi"),
    "round": ("roundeven", "round", "floor", "ceil"),
    "subtract": ("subf", "subi"),
}
FUNCTIONS = {op: function for function, ops in OPS.items() for op in ops}
"""Functions of `arith` and `math` ops; what is not here is called as the op (`exp`, `rsqrt`, `tanh`, …)."""

FREE = {
    *("tensor.empty", "tensor.expand_shape", "tensor.collapse_shape", "tensor.dim"),
    *("tensor.extract_slice", "tensor.cast", "tensor.extract", "tensor.reshape"),
    *("ternary.unpack", "ternary.pack", "linalg.fill", "linalg.index", "linalg.yield"),
    *("accel.yield", "stream.yield", "cf.assert", "arith.constant", "arith.index_cast"),
}
"""Views, constants and what a machine does on the way: no unit spends time on them."""

MOVES = {
    *("tensor.insert_slice", "tensor.concat", "tensor.pad", "tensor.from_elements"),
    *("tensor.insert", "tensor.splat", "linalg.transpose", "linalg.broadcast"),
    *("linalg.copy", "tensor.generate", "tensor.gather"),
}


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates by dtype, and elementwise functions by (function, dtype)."""

    macs: Mapping[str, int] = field(default_factory=dict[str, int])
    elements: Mapping[tuple[str, str], int] = field(
        default_factory=dict[tuple[str, str], int]
    )


def is_free(op: Operation) -> bool:
    """
    Whether an op costs nothing on any unit: views, constants, index arithmetic, a choice of whole tensors.

    Joining trits is free too: they have no layout, the unit reads them where they are packed.
    So is taking a bit out of the byte it is kept in, or putting it there.
    """
    if op.name in FREE or isinstance(op, FillOp) or _moves_bits(op):
        return True
    if op.name in MOVES and all(ternary.is_trit(value) for value in op.results):
        return True
    values = (*op.operands, *op.results)
    if isinstance(op, arith.SelectOp):
        return not shape(op.cond)
    scalar = op.name.startswith("arith.") and not any(shape(value) for value in values)
    return scalar and all(str(value.type) in ("index", "i1") for value in values)


def is_elementwise(op: Operation) -> bool:
    """
    Whether an op's work is known to be elementwise functions, moves and reductions of elements.

    A gather is not: where it reads depends on data, so its operand cannot be streamed or tiled.
    """
    gathers = any(isinstance(inner, tensor.ExtractOp) for inner in body_ops(op))
    if gathers or contraction_of(op) is not None:
        return False
    if isinstance(op, LinalgStructuredOperation | ReduceOp) or op.name in MOVES:
        return True
    known = ternary.QuantizeOp | ternary.DequantizeOp | attention.KvWriteOp
    return isinstance(op, known) or op.name.startswith(("arith.", "math."))


def _moves_bits(op: Operation) -> bool:
    """Whether an op does nothing but turn bytes into bits or bits into bytes."""
    if not isinstance(op, GenericOp):
        return False
    inner = list(body_ops(op))
    kinds = {str(v.type) for each in inner for v in (*each.operands, *each.results)}
    names = {each.name for each in inner}
    return names in ({"arith.trunci"}, {"arith.extui"}) and kinds == {"i1", "i8"}


def work_of(op: Operation, controls: Controls) -> Work:
    """What an op computes, from its structure; control values give the length of attention."""
    if is_free(op):
        return Work()
    product = contraction_of(op)
    if product is not None:
        return Work(macs={product.dtype: product.macs})
    if isinstance(op, attention.SdpaOp):
        return _attention_work(op, controls)
    return Work(elements=_elements(op))


def _elements(op: Operation) -> Mapping[tuple[str, str], int]:
    """Elementwise functions of an op, by function and dtype."""
    if isinstance(op, LinalgStructuredOperation):
        return _body_elements(op, prod(loop_ranges(op)))
    if isinstance(op, ReduceOp):
        return _body_elements(op, count(op.input))
    if isinstance(op, ternary.QuantizeOp):
        functions = ("abs", "maximum", "multiply", "round")
        return _each(functions, dtype(op.x), count(op.x))
    if isinstance(op, ternary.DequantizeOp):
        functions = ("convert", "divide", "multiply", *("add",) * bool(op.bias))
        return _each(functions, dtype(op.y), count(op.y))
    if isinstance(op, attention.KvWriteOp):
        return _each(("move",), dtype(op.new), count(op.new))
    if isinstance(op, tensor.InsertSliceOp):
        return _each(("move",), dtype(op.source), count(op.source))
    values = (*op.operands, *op.results)
    size = max((count(value) for value in op.results), default=0)
    name = "move" if op.name in MOVES else function_of(op)
    return _each((name,), dtype(*values), size)


def _each(
    functions: Sequence[str], kind: str | None, size: int
) -> Mapping[tuple[str, str], int]:
    """The same number of elements for every function."""
    found: Counter[tuple[str, str]] = Counter()
    for function in functions:
        found[function, kind or "index"] += size
    return found


def function_of(op: Operation) -> str:
    """The elementwise function of a scalar or tensor op: `arith.mulf` multiplies."""
    name = op.name.rpartition(".")[2]
    return FUNCTIONS.get(name, name)


def _body_elements(op: Operation, trips: int) -> Mapping[tuple[str, str], int]:
    """Every op of a body once per iteration; a body that only yields moves its results."""
    found: Counter[tuple[str, str]] = Counter()
    for inner in body_ops(op):
        if not is_free(inner):
            kind = dtype(*inner.operands, *inner.results) or "index"
            found[function_of(inner), kind] += trips
    if not found:
        found["move", dtype(*op.results) or "index"] += trips
    return found


@dataclass(frozen=True)
class Span:
    """
    What an attention op covers: `length` keys are valid, `pairs` (row, key) pairs are not masked.

    `heads` counts batch times query heads, `key_heads` batch times key heads.
    """

    heads: int
    key_heads: int
    rows: int
    depth: int
    capacity: int
    position: int
    length: int
    pairs: int


def span_of(op: attention.SdpaOp, controls: Controls) -> Span:
    """The span of an attention op at its position; without the position's value, of its whole capacity."""
    batch, heads, rows, depth = shape(op.q)
    groups, capacity = shape(op.k)[1:3]
    position, length = 0, capacity
    if op.position is not None:
        value = controls(op.position)
        position = capacity - rows if value is None else value
        length = min(position + rows, capacity)
    window = length if op.window is None else op.window.value.data
    seen = [
        min(position + row + 1, length) if op.causal else length for row in range(rows)
    ]
    pairs = sum(min(keys, window) for keys in seen)
    return Span(
        batch * heads, batch * groups, rows, depth, capacity, position, length, pairs
    )


def _attention_work(op: attention.SdpaOp, controls: Controls) -> Work:
    """Two products per visible pair, and an online softmax: maximum, exponential, sum; a division per output."""
    span, kind = span_of(op, controls), dtype(op.q) or "f32"
    pairs = span.heads * span.pairs
    functions = ("maximum", "subtract", "exp", "add")
    return Work(
        macs={kind: 2 * pairs * span.depth},
        elements={
            **_each(functions, kind, pairs),
            ("divide", kind): span.heads * span.rows * span.depth,
        },
    )


BothWays = tuple[tuple[Literal["read", "write"], int], ...]


def traffic(ops: Sequence[Operation], controls: Controls) -> dict[int, BothWays]:
    """
    Bytes a body reads and writes of each of its operands, by operand index.

    An operand counts once however often it is used; attention reads the valid keys only, a
    gather the elements it takes, and an output's old content counts when the body uses it.
    """
    block = ops[0].parent if ops else None
    if block is None:
        return {}
    last = block.last_op
    outputs = list(last.operands) if last is not None else []
    first_output = len(block.args) - len(outputs)
    found: dict[int, BothWays] = {}
    for argument in block.args:
        read = read_bytes(argument, controls)
        moved: BothWays = (("read", read),) if read else ()
        if (
            last is not None
            and last.name == "accel.yield"
            and argument.index >= first_output
        ):
            moved = (*moved, ("write", value_bytes(argument)))
        if moved:
            found[argument.index] = moved
    return found


def gathered(ops: Sequence[Operation]) -> set[int]:
    """The operands of a body whose elements are read where data says."""
    found = (
        argument_of(inner.tensor)
        for op in ops
        for inner in body_ops(op)
        if isinstance(inner, tensor.ExtractOp)
    )
    return {index for index in found if index is not None}


VIEWS = ("tensor.expand_shape", "tensor.collapse_shape", "tensor.extract_slice")


def read_bytes(value: SSAValue, controls: Controls) -> int:
    """Bytes of a value that its users read."""
    whole = value_bytes(value)
    return min(whole, sum(_used(use.operation, value, controls) for use in value.uses))


def _used(op: Operation, value: SSAValue, controls: Controls) -> int:
    """Bytes of a value that one op reads."""
    if op.name in VIEWS:
        return read_bytes(op.results[0], controls)
    if isinstance(op, attention.SdpaOp) and value in (op.k, op.v):
        span = span_of(op, controls)
        return span.key_heads * span.length * span.depth * element_bytes(element(value))
    parent = op.parent_op()
    if isinstance(op, tensor.ExtractOp) and isinstance(parent, GenericOp):
        return prod(loop_ranges(parent)) * element_bytes(element(value))
    if isinstance(op, FillOp) or op.name == "tensor.dim":
        return 0
    if isinstance(op, attention.KvWriteOp) and value is op.cache:
        return 0
    if isinstance(op, LinalgStructuredOperation) and value in op.outputs:
        return value_bytes(value) if _reads_output(op, value) else 0
    return value_bytes(value)


def _reads_output(op: LinalgStructuredOperation, value: SSAValue) -> bool:
    """Whether a structured op's body uses the old content of an output."""
    index = len(op.inputs) + list(op.outputs).index(value)
    return bool(op.body.block.args[index].uses)


def argument_of(value: SSAValue) -> int | None:
    """The body argument a value is a view of, `None` when it is computed in the body."""
    while isinstance(value.owner, Operation) and value.owner.name in VIEWS:
        value = value.owner.operands[0]
    return value.index if isinstance(value, BlockArgument) else None
