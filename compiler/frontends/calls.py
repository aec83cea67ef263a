# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Calls of a layer's function: each gets the weights of the layer that it stands for."""

from dataclasses import replace

from torch import Tensor, fx

from dfc.frontends.functions import Argument, Call, Function, module_path
from dfc.frontends.layers import layer_tensors
from dfc.frontends.outline import LayerFunction, Outliner


def connect(
    caller: Function,
    layer: LayerFunction,
    callee: Function,
    outliner: Outliner,
    strip: str,
) -> None:
    """
    Give the calls of a layer's function their weights, and note for which module each is.

    The layers' weights become arguments of the caller, each once, however often it is used.
    """
    constants = hand_down_constants(caller, callee)
    weights = Weights(caller)
    own_nodes = callee.inputs()
    for node in list(caller.graph.nodes):
        if node.target is not layer.operator:
            continue
        path = module_path(node)
        tensors = dict(layer_tensors(outliner.layers[path][0]))
        operands: list[int] = []
        for inner, argument in zip(own_nodes, callee.arguments, strict=True):
            if argument.kind != "weight":
                operands.append(argument.number)
                continue
            found = constants.get(argument.name)
            if found is None:
                name = f"{path}.{argument.name}".removeprefix(strip)
                found = weights.node(name, tensors[argument.name], inner, argument)
            operands.append(len(node.args))
            node.args = (*node.args, found)
        own = path.removeprefix(strip)
        caller.calls[node.name] = Call(callee.name, own, tuple(operands))


class Weights:
    """The weight arguments of a function by tensor, added to as layers need them."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.nodes: dict[int, fx.Node] = function.tied
        self.last = function.inputs()[-1]

    def node(
        self, name: str, tensor: Tensor, inner: fx.Node, like: Argument
    ) -> fx.Node:
        """The placeholder of a weight, of the shape that it has inside the called function."""
        if id(tensor) not in self.nodes:
            function = self.function
            with function.graph.inserting_after(self.last):
                node = function.graph.placeholder(name.replace(".", "_"))
            self.last = node
            node.meta = {"val": inner.meta["val"], "dfc.origin": f":{node.name}"}
            self.nodes[id(tensor)] = node
            function.arguments.append(replace(like, name=name))
        return self.nodes[id(tensor)]


def hand_down_constants(caller: Function, callee: Function) -> dict[str, fx.Node]:
    """Give the caller the constants of a private function as weights of its own."""
    made: dict[str, fx.Node] = {}
    for node, argument in zip(callee.inputs(), callee.arguments, strict=True):
        if "constant" in node.meta:
            with caller.graph.inserting_after(caller.inputs()[-1]):
                new = caller.graph.placeholder(f"{callee.name}_{node.name}")
            new.meta = {**node.meta, "dfc.origin": f":{new.name}"}
            name = f"{callee.name}.{argument.name}"
            caller.arguments.append(replace(argument, name=name))
            made[argument.name] = new
    return made
