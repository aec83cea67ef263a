"""
Move what depends on weights alone into the function `@weights`, which runs once per set of weights.

    func.func @main(%x: …, %w: tensor<32x64xf32> {dfc.weight = "up.weight"}) {
      %t, %scale = ternary.ternarize %w
      %y = ternary.linear %x, %t scale %scale
  -->
    func.func @weights(%w: tensor<32x64xf32> {dfc.weight = "up.weight"}) {
      %t, %scale = ternary.ternarize %w
      func.return %t, %scale
    }
    func.func @main(%x: …, %t: … {dfc.weight = "@weights:0"}, %scale: … {dfc.weight = "@weights:1"}) {
      %y = ternary.linear %x, %t scale %scale

Fires on every module with arguments marked `dfc.weight`. Work inside a private function moves to
its callers first, where it depends on arguments that every call gives weights. All entry functions share one
`@weights`, and equal work in it is done once. Weights stand behind the other arguments, in the
order of the results. Run again, it moves what has appeared since. Bytes that would be unpacked and packed as they were
are given as they are. The numbers do not change.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriteWalker
from xdsl.rewriter import InsertPoint, Rewriter

from dfc.dialects.canonicalization import ForgetPackOfUnpack
from dfc.dialects.socket import DIM
from dfc.passes.analysis.equal_ops import is_pure, op_key, operands_of
from dfc.passes.analysis.functions import (
    WEIGHTS,
    add_arguments,
    argument_attributes,
    callees_first,
    calls,
    drop_arguments,
    functions,
    is_private,
    replace_call,
    update_type,
)
from dfc.passes.analysis.origins import at_call
from dfc.passes.analysis.weight_work import (
    WEIGHT,
    WeightWork,
    weight_arguments,
    weight_work,
)

REFERENCE = f"@{WEIGHTS}:"


def move_to_callers(
    function: FuncOp, work: WeightWork, sites: list[CallOp]
) -> list[int]:
    """Compute weight work before each call instead; the indices of the arguments that bring it in."""
    arguments = list(function.args)
    for site in list(sites):
        values: dict[SSAValue, SSAValue] = {}
        values.update(zip(arguments, site.arguments, strict=True))
        for op in (*work.constants, *work.ops):
            copy = op.clone(value_mapper=values)
            at_call(copy, site)
            Rewriter.insert_op(copy, InsertPoint.before(site))
        new = [values[value] for value in work.frontier]
        sites[sites.index(site)] = replace_call(site, [*site.arguments, *new])
    made = add_arguments(function, work.frontier, [{} for _ in work.frontier])
    for value, argument in zip(work.frontier, made, strict=True):
        value.replace_all_uses_with(argument)
    erase_unused([*work.constants, *work.ops])
    return [argument.index for argument in made]


def erase_unused(ops: Iterable[Operation]) -> None:
    """Erase those of `ops` whose results have no use, last first."""
    for op in reversed(list(ops)):
        if not any(result.uses for result in op.results):
            Rewriter.erase_op(op)


def leave_private_functions(module: ModuleOp) -> None:
    """Move the weight work of private functions to the entry functions, callees first."""
    weights = weight_arguments(module)
    for function in callees_first(module):
        if not is_private(function) or not weights.get(function):
            continue
        work = weight_work(function, weights[function])
        sites = calls(module)[function.sym_name.data]
        if work.frontier:
            move_to_callers(function, work, sites)
        dead = [a.index for a in weights[function] if not a.uses]
        drop_arguments(function, dead, sites)


@dataclass
class Weights:
    """The function `@weights` while it grows: its body, its named arguments, its earlier results."""

    function: FuncOp
    block: Block
    named: dict[str, SSAValue]
    results: list[SSAValue]
    known: dict[Hashable, Operation]

    @classmethod
    def of(cls, module: ModuleOp) -> "Weights":
        """The module's `@weights`; a new one, not yet in the module, when it has none."""
        found = [f for f in functions(module) if f.sym_name.data == WEIGHTS]
        if not found:
            region = Region(Block([ReturnOp()]))
            found = [FuncOp(WEIGHTS, ((), ()), region)]
        function = found[0]
        block = function.body.block
        last = block.last_op
        rows = argument_attributes(function)
        named: dict[str, SSAValue] = {
            name.data: argument
            for argument, row in zip(function.args, rows, strict=True)
            if isinstance(name := row.get(WEIGHT), StringAttr)
        }
        known = {op_key(op, operands_of(op)): op for op in block.ops if is_pure(op)}
        returned = list(last.operands) if last is not None else []
        return cls(function, block, named, returned, known)

    def arguments(
        self, own: Sequence[SSAValue], rows: Sequence[Mapping[str, Attribute]]
    ) -> dict[SSAValue, SSAValue]:
        """The values in `@weights` that an entry's weight arguments stand for."""
        names = [_weight_name(row) for row in rows]
        new = {
            name: (argument, row)
            for name, argument, row in zip(names, own, rows, strict=True)
            if not name.startswith(REFERENCE) and name not in self.named
        }
        likes, attributes = zip(*new.values(), strict=True) if new else ((), ())
        made = add_arguments(self.function, likes, attributes)
        self.named.update(zip(new, made, strict=True))
        return {
            argument: self.results[int(name.removeprefix(REFERENCE))]
            if name.startswith(REFERENCE)
            else self.named[name]
            for argument, name in zip(own, names, strict=True)
        }

    def compute(
        self, ops: Iterable[Operation], values: dict[SSAValue, SSAValue]
    ) -> None:
        """Compute copies of `ops` on `values`, to which their results are added; equal ones are shared."""
        for op in ops:
            key = op_key(op, [values[value] for value in operands_of(op)])
            same = self.known.get(key)
            if same is None:
                same = self.known[key] = op.clone(value_mapper=dict(values))
                Rewriter.insert_op(same, InsertPoint.at_end(self.block))
            values.update(zip(op.results, same.results, strict=True))

    def finish(self, results: list[SSAValue]) -> None:
        """Return these values, and drop what no longer leads to one."""
        Rewriter.insert_op(ReturnOp(*results), InsertPoint.at_end(self.block))
        PatternRewriteWalker(ForgetPackOfUnpack()).rewrite_region(self.function.body)
        update_type(self.function)
        erase_unused(op for op in self.block.ops if is_pure(op))


def _weight_name(row: Mapping[str, Attribute]) -> str:
    """The weight that an argument with these attributes stands for."""
    name = row[WEIGHT]
    assert isinstance(name, StringAttr)
    return name.data


def hoist(module: ModuleOp, entries: Mapping[FuncOp, Iterable[SSAValue]]) -> None:
    """Move the entries' weight work to `@weights` and give them its results."""
    weights = Weights.of(module)
    if (last := weights.block.last_op) is not None:
        Rewriter.erase_op(last)
    needs: dict[FuncOp, dict[SSAValue, SSAValue]] = {}
    works: dict[FuncOp, WeightWork] = {}
    for entry, arguments in entries.items():
        rows = argument_attributes(entry)
        mine = set(arguments)
        own = [argument for argument in entry.args if argument in mine]
        values = weights.arguments(own, [rows[a.index] for a in own])
        works[entry] = work = weight_work(entry, own)
        weights.compute((*work.constants, *work.ops), values)
        inner = set(work.ops)
        direct = [a for a in own if _is_used_beside(a, entry, inner)]
        needs[entry] = {value: values[value] for value in (*direct, *work.frontier)}
    results = list(dict.fromkeys(v for need in needs.values() for v in need.values()))
    for entry, need in needs.items():
        take_results(entry, need, results)
        erase_unused((*works[entry].constants, *works[entry].ops))
        rows = argument_attributes(entry)
        mine = set(entries[entry])
        own = [a.index for a in entry.args if a in mine]
        drop_arguments(entry, own)
    weights.finish(results)
    if weights.function.parent is None:
        Rewriter.insert_op(weights.function, InsertPoint.at_start(module.body.block))


def _is_used_beside(value: SSAValue, entry: FuncOp, ops: set[Operation]) -> bool:
    """Whether an op of the entry other than `ops` uses a value."""
    find = entry.body.block.find_ancestor_op_in_block
    return any(find(use.operation) not in ops for use in value.uses)


def take_results(
    entry: FuncOp, need: Mapping[SSAValue, SSAValue], results: list[SSAValue]
) -> None:
    """Give an entry the results of `@weights` that it needs, as its last arguments, in their order."""
    index = {value: number for number, value in enumerate(results)}
    values = sorted(need, key=lambda value: index[need[value]])
    own = argument_attributes(entry)
    rows = [
        {**_share(own, v), WEIGHT: StringAttr(f"{REFERENCE}{index[need[v]]}")}
        for v in values
    ]
    for value, made in zip(values, add_arguments(entry, values, rows), strict=True):
        value.replace_all_uses_with(made)


def _share(
    rows: Sequence[Mapping[str, Attribute]], value: SSAValue
) -> Mapping[str, Attribute]:
    """What an argument says of the part of a weight that each socket gets."""
    if not isinstance(value, BlockArgument):
        return {}
    row = rows[value.index]
    return {DIM: row[DIM]} if DIM in row else {}


@dataclass(frozen=True)
class HoistWeightsPass(ModulePass):
    """Makes or extends `@weights`."""

    name = "hoist-weights"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        leave_private_functions(op)
        found = weight_arguments(op)
        entries = {f: args for f, args in found.items() if args and not is_private(f)}
        if entries:
            hoist(op, dict(reversed(entries.items())))
