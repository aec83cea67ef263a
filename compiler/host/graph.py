# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportPrivateUsage=false
"""What is known about the nodes of a Dynamo graph: weights, in-place writes, order."""

import operator
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx
from torch._C._functorch import get_unwrapped, is_functorch_wrapped_tensor
from torch._ops import OpOverload, OpOverloadPacket
from torch.fx.experimental.symbolic_shapes import statically_known_true
from torch.utils._pytree import tree_leaves, tree_map_only

IN_PLACE = {
    operator.iadd,
    operator.isub,
    operator.imul,
    operator.itruediv,
    operator.ifloordiv,
    operator.imod,
    operator.ipow,
    operator.iand,
    operator.ior,
    operator.ixor,
    operator.imatmul,
    operator.setitem,
}
"""Python's operators that write to their first operand where it is a tensor."""

COUNTING = {"batch_norm", "instance_norm"}
"""Functions that write statistics to operands, in training."""

AUTOCAST = {"_enter_autocast", "_exit_autocast"}
"""What Dynamo writes where a `torch.autocast` begins and ends."""

GRADIENTS = {"_set_grad_enabled", "_enter_inference_mode", "_exit_inference_mode"}
"""What Dynamo writes where gradients are switched on or off."""

RANDOM = (
    *("rand", "dropout", "normal", "bernoulli", "multinomial", "exponential"),
    *("poisson", "binomial", "gumbel", "rrelu"),
)
"""Words in the names of functions that draw random numbers."""

SIMPLE = (
    {"to", "float", "half", "bfloat16", "double", "type", "reshape", "view", "flatten"}
    | {"squeeze", "unsqueeze", "t", "transpose", "contiguous", "detach", "getitem"}
    | {"reciprocal", "mul", "add", "sub", "div", "truediv", "neg", "abs", "mean"}
    | {"sqrt", "rsqrt", "exp", "pow", "clamp", "square", "ternarize", "unpack"}
    | {"rshift", "and_", "cat", "int8_weight", "int8_scale"}
)
"""Functions of weights alone that become part of a region's weight work."""


def value(node: Any) -> Any:
    """What Dynamo noted a node's value to be: an abstract tensor, a number, …"""
    return node.meta.get("example_value")


def tensors(node: Any) -> Iterator[Tensor]:
    """The tensors in a node's value."""
    for leaf in tree_leaves(value(node)):
        if isinstance(leaf, Tensor):
            yield leaf


def requires_grad(node: Any) -> bool:
    """Whether gradients go through a node's value."""
    return any(tensor.requires_grad for tensor in tensors(node))


def has_gradients(graph: fx.Graph) -> bool:
    """Whether a graph computes anything that gradients go through."""
    return any(n.op.startswith("call_") and requires_grad(n) for n in graph.nodes)


def forget_gradients(graph: fx.Graph) -> None:
    """Note of every value that no gradients go through it."""
    for node in graph.nodes:
        if requires_grad(node):
            found = tree_map_only(Tensor, Tensor.detach, value(node))
            node.meta["example_value"] = found


def same(a: Any, b: Any) -> bool:
    """Whether two sizes, symbolic ones among them, are equal whatever the inputs are."""
    return a is b or bool(statically_known_true(a == b))


def callee(node: fx.Node) -> str:
    """The plain name of what a node calls: `mul`, `linear`, `reshape`; empty for no call."""
    if node.op == "call_method":
        return str(node.target)
    if node.op != "call_function":
        return ""
    if isinstance(node.target, OpOverload):
        return node.target.name().partition("::")[2].partition(".")[0]
    return str(getattr(node.target, "__name__", ""))


def written(node: fx.Node) -> list[fx.Node]:
    """The operands that a node writes to in place."""
    first = [node.args[0]] if node.args else []
    out = node.kwargs.get("out")
    found: list[Any] = [out] if out is not None else []
    name = callee(node)
    for overload in overloads(node):
        for i, argument in enumerate(overload._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                given = dict(enumerate(node.args)).get(i)
                found.append(node.kwargs.get(argument.name) if given is None else given)
    if name in COUNTING:
        found += node.all_input_nodes[1:]
    elif node.target in IN_PLACE or is_in_place_name(node, name):
        found += first
    elif node.kwargs.get("inplace") is True or True in node.args[1:]:
        if "inplace" in node.kwargs or name in INPLACE_FLAG:
            found += first
    return [n for n in tree_leaves(found) if isinstance(n, fx.Node)]


def overloads(node: fx.Node) -> list[OpOverload]:
    """The operators that a node may call; none for what is no operator of `torch.ops`."""
    if isinstance(node.target, OpOverloadPacket):
        return [getattr(node.target, name) for name in node.target.overloads()]
    return [node.target] if isinstance(node.target, OpOverload) else []


def is_in_place_name(node: fx.Node, name: str) -> bool:
    """Whether PyTorch's convention says that a function writes: `add_`, not `and_`, `__len__`."""
    if node.op == "call_function" and getattr(operator, name, None) is node.target:
        return False
    return name.endswith("_") and not name.endswith("__")


INPLACE_FLAG = {"relu", "silu", "relu6", "hardtanh", "leaky_relu", "dropout", "elu"}
"""Functions of `torch.nn.functional` that take `inplace` by position."""


def is_random(node: fx.Node) -> bool:
    """Whether a node draws random numbers."""
    if called := overloads(node):
        return any(torch.Tag.nondeterministic_seeded in o.tags for o in called)
    name = callee(node)
    if name == "scaled_dot_product_attention":
        p = dict(enumerate(node.args)).get(4, node.kwargs.get("dropout_p"))
        return p not in (None, 0)
    return any(word in name for word in RANDOM)


@dataclass
class Facts:
    """
    A graph's weights, the nodes that touch memory written in place, and the order to keep.

    `before` holds, for a node, those that must run before it for the sake of their effects.
    """

    graph: fx.Graph
    weights: set[fx.Node]
    touching: set[fx.Node] = field(default_factory=set[fx.Node])
    before: dict[fx.Node, list[fx.Node]] = field(
        default_factory=dict[fx.Node, list[fx.Node]]
    )

    def needs(self, node: fx.Node) -> list[fx.Node]:
        """The nodes that must run before a node."""
        return [*node.all_input_nodes, *self.before.get(node, ())]


def study(graph: fx.Graph, parameters: Collection[fx.Node]) -> Facts:
    """
    The facts of a graph; `parameters` are its placeholders of parameters and buffers.

    Nodes that touch one memory that any node writes keep their order among themselves, as
    do nodes without a tensor as value and random ones. Nothing is moved over a change of a mode.
    """
    memory = {m for node in graph.nodes for w in written(node) for m in storages(w)}
    facts = Facts(graph, set())
    last: dict[Any, fx.Node] = {}
    for node in graph.nodes:
        used = {m for n in (node, *node.all_input_nodes) for m in storages(n)}
        groups: set[Any] = used & memory
        if groups:
            facts.touching.add(node)
        if is_random(node):
            groups.add("random")
        if node.op.startswith("call_") and value(node) is None:
            groups.add("world")
        for group in groups:
            if group in last:
                facts.before.setdefault(node, []).append(last[group])
            last[group] = node
    keep_modes(facts)
    facts.weights = weight_work(facts, parameters)
    return facts


def keep_modes(facts: Facts) -> None:
    """Keep every call between the same two changes of autocast, of gradients and of functorch's levels."""
    modes = AUTOCAST if has_autocast(facts.graph) else set[str]()
    modes = modes | GRADIENTS if has_gradients(facts.graph) else modes
    change: list[fx.Node] = []
    since: list[fx.Node] = []
    for node in facts.graph.nodes:
        name = callee(node)
        if name in modes or name.endswith("crement_nesting"):
            facts.before.setdefault(node, []).extend(since)
            change, since = [node], [node]
        elif node.op.startswith("call_"):
            if change:
                facts.before.setdefault(node, []).extend(change)
            since.append(node)


def has_autocast(graph: fx.Graph) -> bool:
    """Whether autocast is on in a part of a graph; to switch off what is off, as rotary embeddings do, is nothing."""
    enters = [n for n in graph.nodes if callee(n) == "_enter_autocast"]
    on = torch.is_autocast_enabled("cpu")
    return any(n.args[2] is not False for n in enters) or (on and bool(enters))


def storages(node: fx.Node) -> Iterator[int]:
    """The memories that a node's value lies in."""
    for tensor in tensors(node):
        while is_functorch_wrapped_tensor(tensor):
            tensor = get_unwrapped(tensor)
        yield tensor.untyped_storage()._cdata


def weight_work(facts: Facts, parameters: Iterable[fx.Node]) -> set[fx.Node]:
    """Parameters that nothing writes, and simple functions of them alone."""
    found = {node for node in parameters if node not in facts.touching}
    for node in facts.graph.nodes:
        inputs = node.all_input_nodes
        if callee(node) in SIMPLE and inputs and node not in facts.touching:
            if all(n in found for n in inputs):
                found.add(node)
    return found


def merge_equal(graph: fx.Graph, facts: Facts) -> None:
    """
    Compute once what a graph computes several times from the same operands.

    Masks and tables of positions are made by every layer anew. What is given to the user, or seen in it,
    is left alone: two results are not one memory. So is what gradients go through: their sums have an order.
    """
    seen: dict[Any, fx.Node] = {}
    output = next(node for node in graph.nodes if node.op == "output")
    given = {m for n in output.all_input_nodes for m in storages(n)}
    ordered = facts.touching | set(facts.before)
    for node in list(graph.nodes):
        if not node.op.startswith("call_") or node in ordered or is_random(node):
            continue
        if requires_grad(node):
            continue
        if not isinstance(value(node), Tensor) or given & {*storages(node)}:
            continue
        key = (node.op, node.target, repr((node.args, node.kwargs)))
        first = seen.setdefault(key, node)
        if first is not node:
            node.replace_all_uses_with(first)
            graph.erase_node(node)


def specialise_floats(graph: fx.Graph) -> None:
    """
    Put the present values of symbolic floats, such as the eps of a norm, in their places.

    Dynamo notes that they were looked at, and compiles again when they change.
    """
    for node in list(graph.nodes):
        found = value(node)
        if isinstance(found, torch.SymFloat) and found.node.hint is not None:
            present = float(found)
            for user in list(node.users):
                args = tree_map_only(fx.Node, put(node, present), user.args)
                kwargs = tree_map_only(fx.Node, put(node, present), user.kwargs)
                user.args, user.kwargs = args, kwargs


def put(old: fx.Node, new: float) -> Callable[[fx.Node], Any]:
    """What puts a number in the place of a node."""
    return lambda node: new if node is old else node
