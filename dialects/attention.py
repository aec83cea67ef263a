"""The `attention` dialect: scaled dot-product attention with a schedule, and the cache it reads."""

from collections.abc import Sequence
from math import inf, isfinite

from xdsl.dialects.builtin import (
    AnyTensorTypeConstr,
    FloatAttr,
    IndexType,
    IntAttr,
    IntegerAttr,
    StringAttr,
    UnitAttr,
    f64,
    i64,
)
from xdsl.ir import Attribute, Dialect, Operation, ParametrizedAttribute, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
    traits_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import Pure

from dfc.dialects.utils import (
    Canonicalized,
    element,
    expect,
    expect_element,
    expect_float,
    expect_rank,
    expect_shape,
    expect_type,
    optional,
    parse_keyed,
    print_keyed,
    shape,
)

SOFTMAXES = ("naive", "reordered", "streaming", "unified_max")
ORDERS = ("forward", "reversed")
KEYS = ("reread", "held")
SHORTHANDS: dict[str, dict[str, str]] = {
    "naive": {"softmax": "naive"},
    "reordered": {"softmax": "reordered"},
    "streaming": {"softmax": "streaming"},
    "unified_max": {"softmax": "unified_max"},
    "reversed": {"softmax": "streaming", "order": "reversed"},
    "windowed": {"softmax": "reordered", "keys": "held"},
}
"""The papers' names for the schedules, as fields."""


@irdl_attr_definition
class ScheduleAttr(ParametrizedAttribute):
    """
    How an attention op runs: its softmax, the order of its blocks of query rows, what stays on chip, and query rows held at once.

        #attention.schedule<softmax = streaming, order = reversed, keys = reread, rows = 8>
        #attention.schedule<reversed, rows = 8>

    The second line is a shorthand for the first; printing gives the long form.
    """

    name = "attention.schedule"
    softmax: StringAttr
    order: StringAttr
    keys: StringAttr
    rows: IntAttr

    def __init__(
        self,
        softmax: str = "naive",
        order: str = "forward",
        keys: str = "reread",
        rows: int = 1,
    ) -> None:
        super().__init__(
            StringAttr(softmax), StringAttr(order), StringAttr(keys), IntAttr(rows)
        )

    @classmethod
    def named(cls, name: str, rows: int = 1) -> "ScheduleAttr":
        """The schedule a paper's name stands for; `KeyError` for an unknown one."""
        return cls(**SHORTHANDS[name], rows=rows)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<name, key = …>` or `<key = …, …>`."""
        found = parse_keyed(
            parser, ("softmax", "order", "keys"), ("rows",), optional_head="name"
        )
        name = str(found.pop("name", "naive"))
        if name not in SHORTHANDS:
            parser.raise_error(
                f"expected a schedule of {', '.join(SHORTHANDS)}, got `{name}`"
            )
        fields: dict[str, str | int] = {
            "softmax": "naive",
            "order": "forward",
            "keys": "reread",
            "rows": 1,
            **SHORTHANDS[name],
            **found,
        }
        return (
            StringAttr(str(fields["softmax"])),
            StringAttr(str(fields["order"])),
            StringAttr(str(fields["keys"])),
            IntAttr(int(fields["rows"])),
        )

    def print_parameters(self, printer: Printer) -> None:
        """Print every field."""
        print_keyed(
            printer,
            [
                f"softmax = {self.softmax.data}",
                f"order = {self.order.data}",
                f"keys = {self.keys.data}",
                f"rows = {self.rows.data}",
            ],
        )

    def verify(self) -> None:
        softmax, order, keys = self.softmax.data, self.order.data, self.keys.data
        expect(softmax in SOFTMAXES, f"softmax of {', '.join(SOFTMAXES)}", softmax)
        expect(order in ORDERS, f"order of {', '.join(ORDERS)}", order)
        expect(keys in KEYS, f"keys of {', '.join(KEYS)}", keys)
        expect(self.rows.data > 0, "rows above 0", self.rows.data)
        if order == "reversed":
            expect(
                softmax in ("streaming", "unified_max"),
                "softmax streaming or unified_max for order reversed",
                softmax,
            )
        if keys == "held":
            expect(order == "forward", "order forward for keys held", order)


@irdl_op_definition
class SdpaOp(IRDLOperation):
    """
    `softmax(scale * q @ k.T + mask) @ v`, grouped heads included.

    With a position, keys up to position + M are valid and S is the cache's capacity; `causal` then lets
    query row m see keys up to position + m. Without, all S are valid and `causal` is aligned top left.
    `window` w keeps the last w keys that row sees. `softcap` c replaces a score by c * tanh(score / c)
    before the mask is added. `scale` is 1 / sqrt(D) when none is given. A row whose keys are all
    hidden is what PyTorch's math attention makes of it.

        %y = attention.sdpa %q, %k, %v at %position {causal, scale = 1.250000e-01 : f64} : tensor<1x4x1x64xf32>, tensor<1x2x160x64xf32>, tensor<1x2x160x64xf32> -> tensor<1x4x1x64xf32>
    """

    name = "attention.sdpa"

    q = operand_def(AnyTensorTypeConstr)
    k = operand_def(AnyTensorTypeConstr)
    v = operand_def(AnyTensorTypeConstr)
    position = opt_operand_def(IndexType)
    mask = opt_operand_def(AnyTensorTypeConstr)
    causal = opt_prop_def(UnitAttr)
    window = opt_prop_def(IntegerAttr.constr(i64))
    scale = opt_prop_def(FloatAttr.constr(f64))
    softcap = opt_prop_def(FloatAttr.constr(f64))
    schedule = opt_prop_def(ScheduleAttr)
    y = result_def(AnyTensorTypeConstr)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(Pure(), Canonicalized())
    assembly_format = (
        "$q `,` $k `,` $v (`at` $position^)? (`mask` $mask^ `:` type($mask))? attr-dict"
        " `:` type($q) `,` type($k) `,` type($v) `->` type($y)"
    )

    def __init__(
        self,
        q: SSAValue | Operation,
        k: SSAValue | Operation,
        v: SSAValue | Operation,
        position: SSAValue | Operation | None = None,
        mask: SSAValue | Operation | None = None,
        *,
        causal: bool = False,
        window: int | None = None,
        scale: float | None = None,
        softcap: float | None = None,
        schedule: ScheduleAttr | None = None,
    ) -> None:
        super().__init__(
            operands=[q, k, v, optional(position), optional(mask)],
            result_types=[SSAValue.get(q).type],
            properties={
                "causal": UnitAttr() if causal else None,
                "window": None if window is None else IntegerAttr(window, i64),
                "scale": None if scale is None else FloatAttr(scale, f64),
                "softcap": None if softcap is None else FloatAttr(softcap, f64),
                "schedule": schedule,
            },
        )

    def verify_(self) -> None:
        for name, value in (("q", self.q), ("k", self.k), ("v", self.v)):
            expect_rank(name, value, 4)
            expect_float(name, value)
            expect_element(name, value, element(self.q))
        batch, heads, rows, depth = shape(self.q)
        groups, keys = shape(self.k)[1:3]
        expect_shape("k", self.k, (batch, groups, keys, depth))
        expect_shape("v", self.v, (batch, groups, keys, depth))
        divides = groups > 0 and heads % groups == 0
        expect(divides, f"key heads that divide {heads}", groups)
        expect_type("y", self.y, self.q.type)
        if self.position is not None:
            expect(rows <= keys, f"at most {keys} query rows with a position", rows)
        self._verify_mask((batch, heads, rows, keys))
        self._verify_options()

    def _verify_mask(self, full: tuple[int, int, int, int]) -> None:
        if self.mask is None:
            return
        expect_rank("mask", self.mask, 4)
        expect_float("mask", self.mask)
        batch, heads = shape(self.mask)[:2]
        expect(batch in (1, full[0]), f"`mask` with batch 1 or {full[0]}", batch)
        expect(heads in (1, full[1]), f"`mask` with 1 or {full[1]} heads", heads)
        expect_shape("mask", self.mask, (batch, heads, *full[2:]))

    def _verify_options(self) -> None:
        if self.scale is not None:
            scale = self.scale.value.data
            expect(isfinite(scale), "a finite `scale`", scale)
        if self.window is not None:
            window = self.window.value.data
            expect(window > 0, "`window` above 0", window)
            expect(self.causal is not None, "`causal` beside `window`", "none")
        if self.softcap is not None:
            cap = self.softcap.value.data
            expect(0 < cap < inf, "a finite `softcap` above 0", cap)
        if self.schedule is None:
            return
        if self.schedule.keys.data == "held":
            expect(self.window is not None, "a `window` for keys held", "none")
        if self.schedule.order.data == "reversed":
            expect(self.causal is not None, "`causal` for order reversed", "none")


@irdl_op_definition
class KvWriteOp(IRDLOperation):
    """
    The cache with rows position … position + M - 1 of every head replaced by `new`, as a new value.

        %c = attention.kv_write %cache, %new at %position : tensor<1x2x160x64xf32>, tensor<1x2x1x64xf32> -> tensor<1x2x160x64xf32>
    """

    name = "attention.kv_write"

    cache = operand_def(AnyTensorTypeConstr)
    new = operand_def(AnyTensorTypeConstr)
    position = operand_def(IndexType)
    result = result_def(AnyTensorTypeConstr)

    traits = traits_def(Pure())
    assembly_format = "$cache `,` $new `at` $position attr-dict `:` type($cache) `,` type($new) `->` type($result)"

    def __init__(
        self,
        cache: SSAValue | Operation,
        new: SSAValue | Operation,
        position: SSAValue | Operation,
    ) -> None:
        super().__init__(
            operands=[cache, new, position], result_types=[SSAValue.get(cache).type]
        )

    def verify_(self) -> None:
        expect_rank("cache", self.cache, 4)
        expect_rank("new", self.new, 4)
        batch, groups, capacity, depth = shape(self.cache)
        rows = shape(self.new)[2]
        expect_shape("new", self.new, (batch, groups, rows, depth))
        expect(rows <= capacity, f"at most {capacity} new rows", rows)
        expect_element("new", self.new, element(self.cache))
        expect_type("result", self.result, self.cache.type)


Attention = Dialect("attention", [SdpaOp, KvWriteOp], [ScheduleAttr])
