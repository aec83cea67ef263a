# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""ATen graphs to one xDSL module at tensor level, dfc's operators as ops of its dialects."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import prod
from typing import Any, cast

from torch import fx
from xdsl.dialects import arith, cf, func, tensor
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FloatAttr,
    FunctionType,
    IndexType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    UnitAttr,
    UnregisteredOp,
    i32,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.rewriter import Rewriter

from dfc.dialects import attention, ternary
from dfc.dialects.utils import element, shape
from dfc.frontends.contraction import int8_product
from dfc.frontends.functions import Function
from dfc.frontends.origins import name_values
from dfc.passes.analysis.tensor_forms import reassociation
from dfc.progress import step
from dfc.runtime import mlir
from dfc.runtime.mlir import ORIGIN, LoweringError


def lower(
    functions: Sequence[Function], ternary_weights: Collection[str] = ()
) -> ModuleOp:
    """
    The functions as one verified module at tensor level.

    Weights named in `ternary_weights` carry the mark `dfc.ternary`. Raises `LoweringError`
    with upstream's message for what it cannot lower.
    """
    step("importing into MLIR")
    imported = mlir.import_graphs({f.name: f.graph for f in functions})
    step("lowering with torch-mlir")
    lowered = mlir.lower_torch(imported)
    step("reading MLIR into xDSL")
    module = mlir.to_xdsl(lowered, Translator(functions).translate)
    refuse_unknown(module)
    by_name = {f.name: f for f in functions}
    for op in list(module.ops):
        if isinstance(op, func.FuncOp) and op.sym_name.data in by_name:
            finish(op, by_name[op.sym_name.data], ternary_weights)
        else:
            op.detach()
            op.erase()
    module.verify()
    return module


def refuse_unknown(module: ModuleOp) -> None:
    """Raise for an op that xDSL does not know: nothing after this could run it."""
    for op in module.walk():
        if isinstance(op, UnregisteredOp):
            name, origin = op.op_name.data, origin_text(op)
            raise LoweringError(f"no lowering for `{name}` ({origin})", [origin])


def origin_text(op: Operation) -> str:
    """An op's origin for a message."""
    found = op.attributes.get(ORIGIN)
    return found.data if isinstance(found, StringAttr) else "unknown origin"


class Translator:
    """Builds the ops of dfc's dialects that stand for the operators of torch namespace `dfc`."""

    def __init__(self, functions: Sequence[Function]) -> None:
        self.functions = {f.name: f for f in functions}
        self.nodes = {
            f"{f.name}/{node.name}": (f, node)
            for f in functions
            for node in f.graph.nodes
        }
        self.block = Block()
        self.origin: Attribute | None = None

    def translate(
        self,
        name: str,
        operands: Sequence[SSAValue],
        types: Sequence[Attribute],
        attributes: Mapping[str, Attribute],
        origin: Attribute | None,
        block: Block,
    ) -> Sequence[SSAValue]:
        """The results of the ops for one `dfc.call`."""
        key = cast(StringAttr, attributes["node"]).data
        function, node = self.nodes[key]
        self.block, self.origin = block, origin
        values = dict(zip(node.all_input_nodes, operands, strict=True))
        call = function.calls.get(node.name)
        if call is not None:
            return self._call(call, node, values, types)
        arguments = bound_arguments(node)
        resolved = {
            k: values[v] if isinstance(v, fx.Node) else v for k, v in arguments.items()
        }
        operator = str(node.target).split(".")[1]
        return getattr(self, f"_{operator}")(resolved)

    def add(self, op: Operation) -> Operation:
        """Append an op with the current origin."""
        if self.origin is not None:
            op.attributes[ORIGIN] = self.origin
        self.block.add_op(op)
        return op

    def _call(
        self,
        call: Any,
        node: fx.Node,
        values: Mapping[fx.Node, SSAValue],
        types: Sequence[Attribute],
    ) -> Sequence[SSAValue]:
        callee = self.functions[call.callee]
        operands: list[SSAValue] = []
        for index, argument in zip(call.operands, callee.arguments, strict=True):
            value = values[cast(fx.Node, node.args[index])]
            is_index = argument.kind == "position"
            operands.append(self.index(value) if is_index else value)
        return self.add(func.CallOp(call.callee, operands, types)).results

    def index(self, value: SSAValue) -> SSAValue:
        """A 0-d i64 tensor as an index."""
        element = self.add(tensor.ExtractOp(value, [], i64)).results[0]
        return self.add(arith.IndexCastOp(element, IndexType())).results[0]

    def _linear(self, given: Mapping[str, Any]) -> Sequence[SSAValue]:
        w: SSAValue = given["w"]
        if not ternary.is_trit(w):
            w = self.add(ternary.TernarizeOp(w, "exact")).results[0]
        op = ternary.LinearOp(given["x"], w, given["scale"], given["bias"])
        return self.add(op).results

    def _ternarize(self, given: Mapping[str, Any]) -> Sequence[SSAValue]:
        op = ternary.TernarizeOp(given["w"], given["rule"], given["by"])
        return self.add(op).results

    def _unpack(self, given: Mapping[str, Any]) -> Sequence[SSAValue]:
        packed: SSAValue = given["packed"]
        size = prod(shape(packed))
        if shape(packed) not in ((size,), (1, size)):
            row = TensorType(element(packed), [size])
            groups = reassociation([range(len(shape(packed)))])
            packed = self.add(
                tensor.CollapseShapeOp.create(
                    operands=[packed],
                    result_types=[row],
                    properties={"reassociation": groups},
                )
            ).results[0]
        packing = ternary.PackingAttr(given["code"], given["order"])
        kind = TensorType(ternary.TritType(), [given["rows"], given["columns"]])
        return self.add(ternary.UnpackOp(packed, packing, kind)).results

    def _linear_int8(self, given: Mapping[str, Any]) -> Sequence[SSAValue]:
        x: SSAValue = given["x"]
        w, scale, bias = given["w"], given["scale"], given["bias"]
        quantize = ternary.QuantizeOp(x)
        ops = [quantize, *int8_product(quantize.q, w)]
        a = ops[-1].results[0]
        kind = TensorType(element(x), shape(a))
        ops.append(ternary.DequantizeOp(a, quantize.s, scale, bias, kind))
        for op in ops:
            self.add(op)
        return ops[-1].results

    def _kv_write(self, given: Mapping[str, Any]) -> Sequence[SSAValue]:
        place = given["position"]
        if place is None:
            zero = arith.ConstantOp(IntegerAttr(0, IndexType()))
            position = self.add(zero).results[0]
        else:
            position = self.index(place)
        return self.add(
            attention.KvWriteOp(given["cache"], given["new"], position)
        ).results

    def _sdpa(self, given: Mapping[str, Any]) -> Sequence[SSAValue]:
        place = given["position"]
        position = None if place is None else self.index(place)
        op = attention.SdpaOp(
            given["q"],
            given["k"],
            given["v"],
            position,
            given["mask"],
            causal=given["causal"],
            window=given["window"],
            scale=given["scale"],
            softcap=given["softcap"],
        )
        return self.add(op).results


def bound_arguments(node: fx.Node) -> dict[str, Any]:
    """A node's arguments by the names of its operator's schema, defaults filled in."""
    schema = cast(Any, node.target)._schema.arguments
    given = dict(zip([a.name for a in schema], node.args, strict=False)) | node.kwargs
    return {a.name: given.get(a.name, a.default_value) for a in schema}


def finish(
    op: func.FuncOp, function: Function, ternary_weights: Collection[str]
) -> None:
    """Visibility, argument attributes, index positions, cleaned bodies and unique origins."""
    op.attributes.clear()
    if function.private:
        op.properties["sym_visibility"] = StringAttr("private")
    block = op.body.block
    for index, argument in enumerate(function.arguments):
        if argument.kind == "position":
            make_index(block, index)
    drop_assertions(block)
    fold_casts(block)
    erase_dead(block)
    op.properties["function_type"] = FunctionType.from_lists(
        [a.type for a in block.args], list(op.function_type.outputs)
    )
    op.properties["arg_attrs"] = argument_attributes(function, ternary_weights)
    name_values(op, function)


def argument_attributes(
    function: Function, ternary_weights: Collection[str]
) -> ArrayAttr[DictionaryAttr]:
    """`dfc.weight`, `dfc.ternary` and `tf.aliasing_output` of each argument."""
    rows: list[DictionaryAttr] = []
    for argument in function.arguments:
        row: dict[str, Attribute] = {}
        if argument.kind == "weight" and not function.private:
            row["dfc.weight"] = StringAttr(argument.name)
            if argument.name in ternary_weights:
                row["dfc.ternary"] = UnitAttr()
        if argument.alias is not None and not function.private:
            row["tf.aliasing_output"] = IntegerAttr(argument.alias, i32)
        rows.append(DictionaryAttr(row))
    return ArrayAttr(rows)


def make_index(block: Block, position: int) -> None:
    """Turn a 0-d i64 argument into an index; other uses of it get a tensor made from that."""
    old = block.args[position]
    new = block.insert_arg(IndexType(), position)
    word = arith.IndexCastOp(new, i64)
    made = tensor.FromElementsOp.create(
        operands=[word.result], result_types=[TensorType(i64, [])]
    )
    block.insert_ops_before([word, made], cast(Operation, block.first_op))
    old.replace_all_uses_with(made.results[0])
    block.erase_arg(old)


def drop_assertions(block: Block) -> None:
    """Drop the checks of embedding indices: an index out of bounds stops its own op."""
    for op in list(block.walk()):
        if isinstance(op, cf.AssertOp):
            condition = op.arg.owner
            Rewriter.erase_op(op)
            if isinstance(condition, Operation) and not condition.results[0].uses:
                Rewriter.erase_op(condition)


def fold_casts(block: Block) -> None:
    """`extract(from_elements(x))`, index casts there and back, and rounded float constants."""
    for op in list(block.walk()):
        if isinstance(op, tensor.ExtractOp):
            made = op.tensor.owner
            if isinstance(made, tensor.FromElementsOp) and not op.indices:
                replace(op, made.elements[0])
        elif isinstance(op, arith.IndexCastOp):
            inner = op.input.owner
            if (
                isinstance(inner, arith.IndexCastOp)
                and inner.input.type == op.result.type
            ):
                replace(op, inner.input)
        elif isinstance(op, arith.TruncFOp | arith.ExtFOp):
            fold_float(op)


def fold_float(op: arith.TruncFOp | arith.ExtFOp) -> None:
    """A float constant in another precision becomes a constant of that precision."""
    source = op.input.owner
    if not isinstance(source, arith.ConstantOp):
        return
    value = source.value
    if not isinstance(value, FloatAttr):
        return
    constant = arith.ConstantOp(FloatAttr(value.value.data, cast(Any, op.result.type)))
    constant.attributes.update(source.attributes)
    cast(Block, source.parent).insert_ops_after([constant], source)
    replace(op, constant.result)


def replace(op: Operation, value: SSAValue) -> None:
    """Replace a one-result op by a value."""
    op.results[0].replace_all_uses_with(value)
    Rewriter.erase_op(op)


def erase_dead(block: Block) -> None:
    """Erase the unused pure ops of a function body, last first."""
    for op in reversed(list(block.ops)):
        used: Iterable[bool] = (bool(r.uses) for r in op.results)
        if op.results and not any(used) and not isinstance(op, func.CallOp):
            Rewriter.erase_op(op)
