"""Where the boxes of a graph go: layers from left to right, few crossings, links round the boxes between."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import networkx as nx

SWEEPS = 8
"""Passes over the layers, there and back, that put each box near its neighbours."""


@dataclass(frozen=True)
class Box:
    """A node of a picture: its name, the lines under it, and whether it stands out."""

    name: str
    lines: tuple[str, ...] = ()
    strong: bool = False


@dataclass(frozen=True)
class Link:
    """An edge of a picture, from box to box by name, its label, and whether it stands out."""

    source: str
    target: str
    label: tuple[str, ...] = ()
    strong: bool = False


Slot = tuple[int, float]
"""A layer, and the place in it from the top; places of one layer are 1 apart."""


@dataclass(frozen=True)
class Placement:
    """The slot of every box, and of the bends of every link between its ends (one per layer passed)."""

    boxes: dict[str, Slot]
    bends: tuple[tuple[Slot, ...], ...]

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return 1 + max((layer for layer, _ in self.slots), default=-1)

    @property
    def height(self) -> float:
        """From the top of the first place to the end of the last."""
        return 1 + max((place for _, place in self.slots), default=-1.0)

    @property
    def slots(self) -> list[Slot]:
        """Every place that is taken."""
        return [*self.boxes.values(), *(slot for bend in self.bends for slot in bend)]


Item = str | tuple[int, int]
"""A box by name, or the bend of link `i` in layer `j`."""


def layer_of(boxes: Sequence[Box], links: Sequence[Link]) -> dict[str, int]:
    """Each box's layer: the longest way to it, links that close a cycle left out."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(box.name for box in boxes)
    for link in links:
        for name in (link.source, link.target):
            if name not in graph:
                raise KeyError(name)
        if not nx.has_path(graph, link.target, link.source):
            graph.add_edge(link.source, link.target)
    generations = nx.topological_generations(graph)
    return {name: layer for layer, names in enumerate(generations) for name in names}


def chains(links: Sequence[Link], layer: dict[str, int]) -> list[list[Item]]:
    """What each link passes from its first end to its last, one item per layer."""
    found: list[list[Item]] = []
    for index, link in enumerate(links):
        start, end = layer[link.source], layer[link.target]
        step = 1 if end >= start else -1
        between: list[Item] = [(index, at) for at in range(start + step, end, step)]
        found.append([link.source, *between, link.target])
    return found


def order(
    columns: Sequence[list[Item]], beside: dict[Item, list[Item]]
) -> dict[Item, float]:
    """Every item's place: sorted by the mean place of its neighbours, over and over."""
    height = max(map(len, columns), default=0)
    place: dict[Item, float] = {}

    def spread(column: list[Item]) -> None:
        first = (height - len(column)) / 2
        place.update({item: first + at for at, item in enumerate(column)})

    for column in columns:
        spread(column)
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            want = {
                i: fmean([place[n] for n in beside[i]] or [place[i]]) for i in column
            }
            column.sort(key=want.__getitem__)
            spread(column)
    return place


def neighbours(paths: Iterable[Sequence[Item]]) -> dict[Item, list[Item]]:
    """The items each one is joined to."""
    beside: dict[Item, list[Item]] = defaultdict(list)
    for path in paths:
        for one, other in pairwise(path):
            beside[one].append(other)
            beside[other].append(one)
    return beside


def place(boxes: Sequence[Box], links: Sequence[Link]) -> Placement:
    """
    Layers and places of a graph's boxes and of its links' bends.

    A box stands one layer behind the last of those it follows; `KeyError` for a link to no box.
    """
    layer = layer_of(boxes, links)
    paths = chains(links, layer)
    columns: list[list[Item]] = [[] for _ in range(1 + max(layer.values(), default=-1))]
    for box in boxes:
        columns[layer[box.name]].append(box.name)
    for path in paths:
        for item in path[1:-1]:
            assert isinstance(item, tuple)
            columns[item[1]].append(item)
    found = order(columns, neighbours(paths))
    bends = tuple(
        tuple((item[1], found[item]) for item in path if isinstance(item, tuple))
        for path in paths
    )
    slots = {name: (at, found[name]) for name, at in layer.items()}
    return Placement(slots, bends)
