"""Graphs as SVG, one below the other, readable in light and dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dfc.runtime.drawing.layers import Box, Link, Placement, Slot, place

WIDTH, GAP_X = 148, 104
LINE, PAD, GAP_Y = 15, 9, 42
TITLE, MARGIN = 34, 20

STYLE = """
svg { font: 12px system-ui, sans-serif; --ink: #1f2933; --soft: #647687; --box: #eef3f8; --edge: #9fb3c8; --hot: #c2410c; --page: #ffffff; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6edf3; --soft: #9fb0c0; --box: #1d2733; --edge: #4d6275; --hot: #fb923c; --page: #0f1620; }
}
.page { fill: var(--page); }
.box { fill: var(--box); stroke: var(--edge); }
.box.strong { stroke: var(--hot); stroke-width: 2.5; }
.link { fill: none; stroke: var(--edge); stroke-width: 1.5; }
.link.strong { stroke: var(--hot); stroke-width: 2.5; }
text { fill: var(--ink); }
text.soft { fill: var(--soft); font-size: 11px; }
text.label { fill: var(--soft); font-size: 10px; paint-order: stroke; stroke: var(--page); stroke-width: 4px; }
text.title { font-size: 14px; font-weight: 600; }
.arrow { fill: var(--edge); }
"""


@dataclass(frozen=True)
class Picture:
    """One graph: what stands above it, its boxes and its links."""

    title: str
    boxes: tuple[Box, ...]
    links: tuple[Link, ...]


def text(x: float, y: float, words: str, kind: str, anchor: str = "middle") -> str:
    """A line of text."""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


class _Drawing:
    """One picture's shapes, from its top at `top` pixels."""

    def __init__(self, picture: Picture, top: float) -> None:
        self.picture = picture
        self.top = top
        self.placement: Placement = place(picture.boxes, picture.links)
        lines = max((len(box.lines) for box in picture.boxes), default=0)
        self.box_height = 2 * PAD + LINE * (1 + lines)

    @property
    def width(self) -> float:
        return 2 * MARGIN + self.placement.layers * (WIDTH + GAP_X) - GAP_X

    @property
    def height(self) -> float:
        rows = self.placement.height * (self.box_height + GAP_Y)
        return TITLE + rows + MARGIN

    def corner(self, slot: Slot) -> tuple[float, float]:
        """The upper left corner of a slot."""
        layer, at = slot
        x = MARGIN + layer * (WIDTH + GAP_X)
        return x, self.top + TITLE + at * (self.box_height + GAP_Y)

    def shapes(self) -> list[str]:
        """Title, links, then boxes over them."""
        picture, placement = self.picture, self.placement
        made = [text(MARGIN, self.top + 20, picture.title, "title", "start")]
        for link, bends in zip(picture.links, placement.bends, strict=True):
            made += self._link(link, bends)
        for box in picture.boxes:
            made += self._box(box)
        return made

    def _box(self, box: Box) -> list[str]:
        x, y = self.corner(self.placement.boxes[box.name])
        kind = "box strong" if box.strong else "box"
        size = f'width="{WIDTH}" height="{self.box_height}" rx="6"'
        middle = x + WIDTH / 2
        lines = [
            text(middle, y + PAD + LINE * (at + 1.75), line, "soft")
            for at, line in enumerate(box.lines)
        ]
        return [
            f'<rect x="{x:g}" y="{y:g}" {size} class="{kind}"/>',
            text(middle, y + PAD + LINE * 0.75, box.name, "name"),
            *lines,
        ]

    def _link(self, link: Link, bends: Sequence[Slot]) -> list[str]:
        """A curve from the right of one box to the left of the other, level where it passes a layer."""
        boxes, middle = self.placement.boxes, self.box_height / 2
        x, y = self.corner(boxes[link.source])
        start = (x + WIDTH, y + middle)
        x, y = self.corner(boxes[link.target])
        end = (x, y + middle)
        path, points = f"M{start[0]:g},{start[1]:g}", [start]
        for slot in bends:
            x, y = self.corner(slot)
            path += self._curve(points[-1], (x, y + middle)) + f"H{x + WIDTH:g}"
            points += [(x, y + middle), (x + WIDTH, y + middle)]
        path += self._curve(points[-1], end)
        kind = "link strong" if link.strong else "link"
        first = points[1] if bends else end
        at = (start[0] + first[0]) / 2, (start[1] + first[1]) / 2
        labels = [
            text(at[0], at[1] - 5 + 12 * row, line, "label")
            for row, line in enumerate(link.label)
        ]
        tip = f"M{end[0]:g},{end[1]:g}l-8,-4v8z"
        return [
            f'<path d="{path}" class="{kind}"/>',
            f'<path d="{tip}" class="arrow"/>',
            *labels,
        ]

    @staticmethod
    def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
        middle = (start[0] + end[0]) / 2
        return f"C{middle:g},{start[1]:g} {middle:g},{end[1]:g} {end[0]:g},{end[1]:g}"


def draw(pictures: Sequence[Picture]) -> str:
    """An SVG file with these pictures one below the other; names are escaped."""
    drawings: list[_Drawing] = []
    top = 0.0
    for picture in pictures:
        drawings.append(_Drawing(picture, top))
        top += drawings[-1].height
    width = max((drawing.width for drawing in drawings), default=0.0)
    size = f'viewBox="0 0 {width:g} {top:g}" width="{width:g}" height="{top:g}"'
    shapes = "\n".join(shape for drawing in drawings for shape in drawing.shapes())
    page = f'<rect width="{width:g}" height="{top:g}" class="page"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n'
        f"<style>{STYLE}</style>\n{page}\n{shapes}\n</svg>\n"
    )
