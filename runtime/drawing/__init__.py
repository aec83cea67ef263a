"""Pictures of graphs: boxes in layers, joined by labelled links, as SVG."""

from dfc.runtime.drawing.layers import Box, Link, Placement, place
from dfc.runtime.drawing.svg import Picture, draw

__all__ = ["Box", "Link", "Picture", "Placement", "draw", "place"]
