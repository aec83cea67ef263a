# pyright: strict, reportMissingTypeStubs=false, reportAttributeAccessIssue=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingImports=false
"""The bridge to upstream MLIR; this module and `native/jit.py` alone import its Python bindings."""

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import (
    AnyFloat,
    ArrayAttr,
    BFloat16Type,
    BytesAttr,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    FunctionType,
    ModuleOp,
    StringAttr,
)
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.parser import Parser

from dfc.runtime.mlir_ops import (
    RESHAPES,
    LoweringError,
    bfloat16_elements,
    build,
    reshape_scalar,
    static_shape,
)
from dfc.runtime.mlir_text import ORIGIN, to_text

__all__ = ["ORIGIN", "LoweringError", "to_text"]

SMALL = 16
"""Elements up to which a splat is written out: xDSL counts the values of strides and paddings."""

TO_LINALG = (
    "builtin.module(torchdynamo-export-to-torch-backend-pipeline,"
    "func.func(torch-restructure-non-constant-axes,convert-torch-to-tmtensor,canonicalize,"
    "convert-torch-to-linalg,canonicalize,convert-torch-to-scf,convert-torch-to-arith,"
    "convert-torch-to-tensor),convert-torch-conversion-to-mlprogram,"
    "func.func(canonicalize,resolve-shaped-type-result-dims,cse),"
    "torch-func-backend-type-conversion,func.func(canonicalize),"
    "func.func(canonicalize,torch-finalizing-backend-type-conversion,canonicalize,cse))"
)
"""The torch dialect to linalg on tensors; operators of `dfc` pass through untouched."""


@cache
def mlir_context() -> Any:
    """The context all modules of this process share; unknown dialects are allowed."""
    from torch_mlir import ir
    from torch_mlir.dialects import torch as torch_dialect

    context = ir.Context()
    torch_dialect.register_dialect(context)
    context.allow_unregistered_dialects = True
    context.enable_multithreading(False)
    return context


@cache
def xdsl_context() -> Context:
    """An xDSL context with every dialect of xDSL and dfc, unknown ops allowed."""
    from xdsl.dialects import get_all_dialects

    from dfc.dialects.accel import Accel
    from dfc.dialects.attention import Attention
    from dfc.dialects.stream import Stream
    from dfc.dialects.ternary import Ternary
    from dfc.dialects.tier import Tier

    context = Context(allow_unregistered=True)
    for name, load in get_all_dialects().items():
        context.register_dialect(name, load)
    for dialect in (Ternary, Attention, Stream, Tier, Accel):
        context.load_dialect(dialect)
    return context


def parse_mlir(text: str) -> Any:
    """Text as a module of the bindings; `LoweringError` with MLIR's message."""
    from torch_mlir import ir

    try:
        return ir.Module.parse(text, mlir_context())
    except ir.MLIRError as error:
        raise LoweringError(first_error(str(error))) from None


def first_error(text: str) -> str:
    """The first diagnostic of MLIR's output, without place and op text."""
    lines = [line for line in text.splitlines() if line.strip()]
    line = next(
        (line for line in lines if "error: " in line), (lines or ["no message"])[0]
    )
    line = re.sub(r'^.*?error: |loc\("[^"]*"\): ', "", line)
    name = re.search(r'<{name = "([^"]*)"}>', line)
    line = re.split(r": %|: \"|: loc", line)[0].strip().rstrip(":")
    return line if name is None else line.replace("torch.operator", name.group(1))


def error_origins(text: str) -> list[str]:
    """The locations that MLIR's output names, each once."""
    return list(dict.fromkeys(re.findall(r'loc\("([^"]*)"\)', text)))


# ---------------------------------------------------------------- FX to torch


def decomposition_table() -> dict[Any, Callable[..., Any]]:
    """torch-mlir's decompositions of ATen operators."""
    from torch_mlir.extras.fx_decomp_util import get_decomposition_table

    return dict(get_decomposition_table())


def import_graphs(graphs: Mapping[str, Any]) -> Any:
    """
    FX graphs (name -> `torch.fx.Graph`) as the functions of one module of the torch dialect.

    A node's location is its `meta["dfc.origin"]`. An operator of the namespace `dfc` becomes
    the unregistered op `dfc.call` on builtin tensors, with the function and node it stands for.
    """
    from torch_mlir.extras.fx_importer import FxImporter

    cache_kind, node_kind = importer_kinds()
    importer = FxImporter(context=mlir_context(), graph_node_importer_cls=node_kind)
    importer._cc = cache_kind(mlir_context())  # pyright: ignore[reportPrivateUsage]
    for name, graph in graphs.items():
        for node in graph.nodes:
            node.meta["dfc.key"] = f"{name}/{node.name}"
        try:
            importer.import_stateless_graph(graph, func_name=name)
        except (
            NotImplementedError,
            TypeError,
            RuntimeError,
            AssertionError,
            LookupError,
        ) as error:
            raise LoweringError(str(error).partition("\n")[0]) from None
    return importer.module


@cache
def importer_kinds() -> tuple[type, type]:
    """torch-mlir's importer classes, with our locations and our operators."""
    from torch_mlir import ir
    from torch_mlir.extras.fx_importer import ContextCache, GraphNodeImporter

    class Locations(ContextCache):  # pyright: ignore[reportUntypedBaseClass]
        __slots__ = ()

        def get_node_location(self, node: Any) -> Any:
            origin = node.meta.get("dfc.origin", node.name)
            return ir.Location.name(origin, context=self._c)

    class Nodes(GraphNodeImporter):  # pyright: ignore[reportUntypedBaseClass]
        __slots__ = ()

        def _import_torch_op_overload(
            self, loc: Any, node: Any, concrete_target: Any = None
        ) -> None:
            target = concrete_target or node.target
            if target.namespace != "dfc":
                super()._import_torch_op_overload(loc, node, concrete_target)
                return
            value = node.meta["val"]
            values = value if isinstance(value, list | tuple) else (value,)
            results = [self._cc.get_vtensor_type(v.shape, v.dtype) for v in values]
            call = ir.Operation.create(
                "dfc.call",
                results=[builtin_tensor(v, self._c) for v in values],
                operands=[
                    self._to_builtin(loc, self.resolve_node_value(n))
                    for n in node.all_input_nodes
                ],
                attributes={"node": ir.StringAttr.get(node.meta["dfc.key"])},
                loc=loc,
            )
            if len(results) > 1:
                self._multi_result_nodes.add(node)
            for index, (kind, result) in enumerate(
                zip(results, call.results, strict=True)
            ):
                back = ir.Operation.create(
                    "torch_c.from_builtin_tensor",
                    results=[kind],
                    operands=[result],
                    loc=loc,
                )
                self.bind_node_value(node, back.result, index)

        def _to_builtin(self, loc: Any, value: Any) -> Any:
            shape, dtype = re.match(
                r"!torch.vtensor<\[(.*)\],[us]?(.*)>", str(value.type)
            ).groups()  # pyright: ignore[reportOptionalMemberAccess]
            dims = "".join(f"{d}x" for d in shape.split(",") if d)
            kind = ir.Type.parse(f"tensor<{dims}{dtype}>", self._c)
            return ir.Operation.create(
                "torch_c.to_builtin_tensor", results=[kind], operands=[value], loc=loc
            ).result

    return Locations, Nodes


def builtin_tensor(value: Any, context: Any) -> Any:
    """The builtin tensor type of a torch tensor, integers signless."""
    from torch_mlir import ir
    from torch_mlir.extras.fx_importer import TORCH_DTYPE_TO_MLIR_TYPE_ASM

    dtype = TORCH_DTYPE_TO_MLIR_TYPE_ASM[value.dtype].lstrip("us")
    dims = "".join(f"{d}x" for d in value.shape)
    return ir.Type.parse(f"tensor<{dims}{dtype}>", context)


# ---------------------------------------------------------------- torch to linalg


def lower_torch(module: Any) -> Any:
    """
    Lower a module of the torch dialect to linalg on tensors in a child process.

    A crash of the child is a `LoweringError`, never the end of this process.
    """
    from torch_mlir import _mlir_libs

    tool = Path(_mlir_libs.__file__).with_name("torch-mlir-opt")
    text = module.operation.get_asm(enable_debug_info=True, print_generic_op_form=True)
    child = subprocess.run(
        [
            str(tool),
            "-",
            "--allow-unregistered-dialect",
            "--mlir-print-debuginfo",
            "--mlir-print-op-generic",
            f"--pass-pipeline={TO_LINALG}",
        ],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode < 0:
        signal = -child.returncode
        raise LoweringError(f"torch-mlir-opt was stopped by signal {signal}")
    if child.returncode:
        raise LoweringError(first_error(child.stderr), error_origins(child.stderr))
    return parse_mlir(child.stdout)


# ---------------------------------------------------------------- MLIR to xDSL


class Importer:
    """
    Walks a module of the bindings and builds the same module in xDSL.

    Types and attributes are parsed once per text. `translate`, where given, is asked first
    for every unregistered op: it gets the op's name, operands, result types and attributes
    and returns the values that stand for its results, or None.
    """

    def __init__(self, translate: "Translate | None" = None) -> None:
        self.context = xdsl_context()
        self.translate = translate
        self.values: dict[Any, SSAValue] = {}
        self.cached: dict[tuple[bool, str], Attribute] = {}
        self.block: Block | None = None

    def module(self, module: Any) -> ModuleOp:
        """The xDSL module."""
        result = ModuleOp([])
        self._fill(module.body, result.body.block)
        return result

    def parse(self, text: str, is_type: bool) -> Attribute:
        """A type or attribute from its text."""
        found = self.cached.get((is_type, text))
        if found is None:
            parser = Parser(self.context, text)
            found = parser.parse_type() if is_type else parser.parse_attribute()
            self.cached[is_type, text] = found
        return found

    def type(self, value: Any) -> Attribute:
        """The type of one of the bindings' values."""
        return self.parse(str(value.type), True)

    def attribute(self, attr: Any) -> Attribute:
        """
        An attribute of the bindings.

        Floats are taken as bits: MLIR prints -inf as 0xFF800000, which xDSL's parser of
        dense elements reads as the number 4286578688.
        """
        from torch_mlir import ir

        if isinstance(attr, ir.FloatAttr):
            kind = self.parse(str(attr.type), True)
            return FloatAttr(float(attr.value), cast(AnyFloat, kind))
        if isinstance(attr, ir.DenseElementsAttr):
            return self._dense(attr)
        if isinstance(attr, ir.TypeAttr) and isinstance(attr.value, ir.FunctionType):
            return self._function_type(attr.value)
        text = str(attr)
        if text.startswith("dense_resource"):
            raise LoweringError("a constant tensor stands in a resource of the text")
        return self.parse(text, False)

    def _function_type(self, kind: Any) -> FunctionType:
        """A function's type from those of its arguments and results, most of which are known."""
        inputs, results = (
            [self.parse(str(each), True) for each in types]
            for types in (kind.inputs, kind.results)
        )
        return FunctionType.from_lists(inputs, results)

    def _dense(self, attr: Any) -> Attribute:
        kind = self.parse(str(attr.type), True)
        if isinstance(cast(Any, kind).element_type, BFloat16Type):
            data = bfloat16_elements(str(attr))
        else:
            data = np.array(attr)
            if attr.is_splat and data.size > SMALL:
                data = data.ravel()[:1]
        raw = np.ascontiguousarray(data).tobytes()
        return DenseIntOrFPElementsAttr(cast(Any, kind), BytesAttr(raw))

    def _fill(self, source: Any, target: Block) -> None:
        for argument, new in zip(source.arguments, target.args, strict=True):
            self.values[argument] = new
        outer, self.block = self.block, target
        for op in source.operations:
            self._operation(op)
        self.block = outer

    def _operation(self, op: Any) -> None:
        op = op.operation
        name: str = op.name
        operands = [self.values[operand] for operand in op.operands]
        types = [self.type(result) for result in op.results]
        attributes = {n: self.attribute(a) for n, a in op.attributes.items()}
        origin = origin_of(op.location)
        assert self.block is not None
        if self.translate is not None and name.partition(".")[0] == "dfc":
            results = self.translate(
                name, operands, types, attributes, origin, self.block
            )
        elif name in RESHAPES and () in (
            static_shape(operands[0].type),
            static_shape(types[0]),
        ):
            ops = reshape_scalar(operands[0], types[0])
            for new in ops:
                if origin is not None:
                    new.attributes[ORIGIN] = origin
                self.block.add_op(new)
            results = ops[-1].results
        else:
            regions = [self._region(region) for region in op.regions]
            try:
                new = build(self.context, name, operands, types, attributes, regions)
            except LoweringError as error:
                raise LoweringError(str(error), names_of(origin)) from None
            if origin is not None:
                new.attributes[ORIGIN] = origin
            self.block.add_op(new)
            results = new.results
        self.values.update(zip(op.results, results, strict=True))

    def _region(self, region: Any) -> Region:
        blocks = [Block(arg_types=[self.type(a) for a in b.arguments]) for b in region]
        for source, target in zip(region, blocks, strict=True):
            self._fill(source, target)
        return Region(blocks)


Translate = Callable[
    [
        str,
        Sequence[SSAValue],
        Sequence[Attribute],
        Mapping[str, Attribute],
        Attribute | None,
        Block,
    ],
    Sequence[SSAValue],
]
"""(name, operands, result types, attributes, origin, block to append to) -> results."""


def origin_of(location: Any) -> Attribute | None:
    """A location's names: a string, an array of strings, or None."""
    from torch_mlir import ir

    if isinstance(location, ir.NameLoc):
        return StringAttr(location.name_str)
    if isinstance(location, ir.FusedLoc):
        names = [
            each.name_str for each in location.locations if isinstance(each, ir.NameLoc)
        ]
        return ArrayAttr([StringAttr(n) for n in names]) if names else None
    return None


def names_of(origin: Attribute | None) -> list[str]:
    """The names of an op's origin."""
    if isinstance(origin, StringAttr):
        return [origin.data]
    names = cast("ArrayAttr[StringAttr] | None", origin)
    return [] if names is None else [name.data for name in names]


def to_xdsl(module: Any, translate: Translate | None = None) -> ModuleOp:
    """A module of the bindings as an xDSL module; locations become `dfc.origin`."""
    return Importer(translate).module(module)


# ---------------------------------------------------------------- xDSL to MLIR


def run_pipeline(module: ModuleOp, pipeline: str) -> ModuleOp:
    """Run upstream passes (`canonicalize,cse`, `func.func(…)`) and return the result."""
    from torch_mlir import ir
    from torch_mlir.passmanager import PassManager

    source = parse_mlir(to_text(module))
    try:
        manager = PassManager.parse(f"builtin.module({pipeline})", mlir_context())
    except ValueError as error:
        reason = str(error).partition("\n")[0].partition("error: ")[2]
        raise LoweringError(
            f"expected upstream passes as inside `builtin.module(…)`, got `{pipeline}`: {reason}"
        ) from None
    try:
        manager.run(source.operation)
    except ir.MLIRError as error:
        raise LoweringError(first_error(str(error))) from None
    result = to_xdsl(source)
    result.attributes.update(module.attributes)
    return result
