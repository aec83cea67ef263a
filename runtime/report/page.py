"""A report as one HTML page that needs no network: its numbers as JSON, and the script that draws them."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from importlib.resources import files
from typing import Any

import networkx as nx

from dfc.runtime.drawing import Box, Link, Picture, draw
from dfc.runtime.report.recording import Flow, Recording
from dfc.runtime.report.report import Report
from dfc.runtime.report.roofline import points

SCRIPTS = ("page.js", "roofline.js", "timeline.js", "start.js")


def page(report: Report) -> str:
    """The page of a report; without its events it has no time line and no graph of kernels."""
    recording = report.recording
    parts = {
        "TITLE": escape(f"{report.target}: {report.latency_s:.4g} s"),
        "STYLE": resource("page.css"),
        "GRAPH": graph(report, recording),
        "DATA": embedded(page_data(report, recording)),
        "SCRIPT": script(),
    }
    text = resource("page.html")
    return re.sub(r"@([A-Z]+)@", lambda found: parts[found[1]], text)


def page_data(report: Report, recording: Recording | None) -> dict[str, Any]:
    """What the script reads: the report as its JSON, the kernels' points, and the spans."""
    return {
        "report": json.loads(report.to_json()),
        "points": [asdict(point) for point in points(report)],
        "timeline": None if recording is None else timeline(report, recording),
    }


def timeline(report: Report, recording: Recording) -> dict[str, Any]:
    """Spans as columns, with resources, kernels and names by their place in lists."""
    spans = recording.spans
    busy = {span.resource for span in spans}
    order = [f"unit.{row.name}" for row in report.units]
    order += [row.name for row in report.links]
    resources = [name for name in order if name in busy]
    resources += sorted(busy - set(order))
    kernels, names = (
        list(dict.fromkeys(getattr(span, key) for span in spans))
        for key in ("kernel", "name")
    )
    return {
        "cycles": recording.cycles,
        "calls": [
            [call.name, call.start, call.end, call.recorded] for call in recording.calls
        ],
        "resources": resources,
        "kernels": kernels,
        "names": names,
        "resource": places(resources, (span.resource for span in spans)),
        "kernel": places(kernels, (span.kernel for span in spans)),
        "name": places(names, (span.name for span in spans)),
        "start": [span.start for span in spans],
        "length": [span.end - span.start for span in spans],
        "busy": [span.busy for span in spans],
        "ops": [span.ops for span in spans],
        "occupancy": {
            tier: [list(column) for column in zip(*points, strict=True)]
            for tier, points in recording.occupancy.items()
        },
        "power": [list(column) for column in zip(*recording.power, strict=True)],
    }


def places(names: list[str], used: Iterable[str]) -> list[int]:
    """The place of each name in a list."""
    place = {name: at for at, name in enumerate(names)}
    return [place[name] for name in used]


def graph(report: Report, recording: Recording | None) -> str:
    """
    The graph of kernels as SVG, a picture for every part that is not joined to the others.

    A kernel's place is that of its first call; what goes to an earlier one (to the next equal
    layer) is said below. The page styles the picture.
    """
    flows = () if recording is None else recording.flows
    if recording is None or not flows:
        return "<p>no kernel reads what another one writes</p>"
    order = {
        name: at
        for at, name in enumerate(dict.fromkeys(s.kernel for s in recording.spans))
    }
    forward = [f for f in flows if order.get(f.source, 0) < order.get(f.target, 0)]
    back = [flow for flow in flows if flow not in forward]
    pictures = [
        picture(report, part) for part in sorted(components(forward), key=len)[::-1]
    ]
    svg = re.sub(r"<style>.*?</style>", "", draw(pictures), flags=re.DOTALL)
    again = "".join(
        f"<li>{escape(flow.source)} to {escape(flow.target)}: {flow.size:,} B</li>"
        for flow in back
    )
    return svg + (
        f"<p>To the next call of an earlier kernel:</p><ul>{again}</ul>" * bool(back)
    )


def components(flows: Sequence[Flow]) -> list[list[Flow]]:
    """Flows by the parts of the graph that are joined."""
    joined: nx.Graph[str] = nx.Graph((flow.source, flow.target) for flow in flows)
    return [
        [flow for flow in flows if flow.source in names]
        for names in nx.connected_components(joined)
    ]


def picture(report: Report, flows: Sequence[Flow]) -> Picture:
    """Kernels with their cycles, the longest standing out, and the bytes between them."""
    cycles = {row.name: row.cycles for row in report.kernels}
    names = dict.fromkeys(name for flow in flows for name in (flow.source, flow.target))
    longest = max(names, key=lambda name: cycles.get(name, 0))
    boxes = tuple(
        Box(name, (f"{cycles.get(name, 0):,} cycles",), name == longest)
        for name in names
    )
    links = tuple(
        Link(flow.source, flow.target, (f"{flow.size:,} B",)) for flow in flows
    )
    return Picture("", boxes, links)


def script() -> str:
    """The page's script, all of its files."""
    return "\n".join(resource(name) for name in SCRIPTS)


def resource(name: str) -> str:
    """A file beside this one."""
    return (files("dfc.runtime.report") / name).read_text(encoding="utf-8")


def embedded(data: object) -> str:
    """JSON that can stand inside a script element."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
