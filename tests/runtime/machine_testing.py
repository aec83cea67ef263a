"""What the tests of machine models and of the simulator share: bodies from text, and small targets."""

from collections.abc import Callable, Mapping

from xdsl.context import Context
from xdsl.dialects import arith, func, linalg, math, memref, scf, shard, tensor
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.parser import Parser

from dfc.dialects.accel import Accel
from dfc.dialects.attention import Attention
from dfc.dialects.socket import Socket
from dfc.dialects.stream import Stream
from dfc.dialects.ternary import Ternary
from dfc.dialects.tier import Tier
from dfc.runtime.machine import Access, Cost, Target

DIALECTS = (
    *(Builtin, func.Func, arith.Arith, math.Math, linalg.Linalg, tensor.Tensor),
    *(memref.MemRef, scf.Scf, shard.Shard, Accel, Attention, Socket, Stream),
    *(Ternary, Tier),
)


def parse(text: str) -> ModuleOp:
    """A verified module from text."""
    context = Context()
    for dialect in DIALECTS:
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def body_of(arguments: str, ops: str) -> list[Operation]:
    """The ops of a function body, as a launch's body would hold them."""
    module = parse(f"func.func @f({arguments}) {{\n{ops}\nfunc.return\n}}")
    function = next(iter(module.body.block.ops))
    return list(function.regions[0].block.ops)[:-1]


def at(position: int) -> Callable[[SSAValue], int | None]:
    """Every control value is this position."""
    return lambda _: position


def cost(
    target: Target,
    unit: str,
    ops: list[Operation],
    position: int = 0,
    tiers: tuple[str | None, ...] = (),
) -> Cost:
    """The cost of a body on a unit of a target, with its operands in these tiers."""
    access = Access(target, unit, tiers)
    return target.unit[unit].cost(ops, at(position), access)


def terms(found: Cost) -> Mapping[str, int]:
    """Ticks by what they are spent on."""
    table: dict[str, int] = {}
    for term in found.terms:
        name = term.resource or term.what
        table[name] = table.get(name, 0) + term.cycles
    return table
