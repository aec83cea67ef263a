"""A recording in Chrome's trace event format, which Perfetto opens: spans, memory, power, and flows from copies to launches."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dfc.runtime.report.recording import Recording, Span

CALLS, UNITS, LINKS, MEMORIES, POWER = range(1, 6)
GROUPS = {
    CALLS: "calls",
    UNITS: "units",
    LINKS: "links",
    MEMORIES: "memories",
    POWER: "power",
}

Event = dict[str, Any]


def trace_text(recording: Recording) -> str:
    """The trace as JSON, one event per line."""
    events = ",\n".join(json.dumps(event) for event in trace_events(recording))
    about = json.dumps({"ticks_per_second": recording.ticks_per_second})
    return (
        f'{{"displayTimeUnit": "ns", "otherData": {about}, "traceEvents": [\n'
        f"{events}\n]}}\n"
    )


def trace_events(recording: Recording) -> Iterator[Event]:
    """
    All events: processes are calls, units, links, memories and power, threads are resources.

    Times are in microseconds as the format wants, rounded down to nanoseconds; `args` has them in
    ticks. A resource's slices never overlap.
    """
    clock = _Clock(recording.ticks_per_second)
    resources = {span.resource: None for span in recording.spans}
    threads = {name: at for at, name in enumerate(resources, 1)}
    yield from _names(threads)
    for call in recording.calls:
        args = {"start_tick": call.start, "end_tick": call.end}
        yield _slice(call.name, CALLS, 1, clock.times(call.start, call.end), args)
    for span in recording.spans:
        times = clock.times(span.start, span.end)
        where = _group(span.resource), threads[span.resource]
        yield _slice(span.name, *where, times, _arguments(span)) | {"cat": span.kernel}
    yield from _flows(recording, threads, clock)
    for tier, points in recording.occupancy.items():
        for at, size in points:
            yield _level(tier, MEMORIES, clock.us(at), {"bytes": size})
    for at, watts in recording.power:
        yield _level("power", POWER, clock.us(at), {"W": watts})


class _Clock:
    """Ticks as microseconds."""

    def __init__(self, ticks_per_second: float) -> None:
        self.ns = 1e9 / ticks_per_second

    def us(self, tick: int) -> float:
        return int(tick * self.ns) / 1000

    def times(self, start: int, end: int) -> Event:
        """The start of a slice, and its length in whole nanoseconds."""
        nanoseconds = int(end * self.ns) - int(start * self.ns)
        return {"ts": self.us(start), "dur": nanoseconds / 1000}


def _group(resource: str) -> int:
    return UNITS if resource.startswith("unit.") else LINKS


def _names(threads: Mapping[str, int]) -> Iterator[Event]:
    """The names of processes and threads."""
    for pid, name in GROUPS.items():
        yield {"name": "process_name", "ph": "M", "pid": pid, "args": {"name": name}}
    for resource, tid in threads.items():
        yield {
            "name": "thread_name",
            "ph": "M",
            "pid": _group(resource),
            "tid": tid,
            "args": {"name": resource},
        }


def _slice(name: str, pid: int, tid: int, times: Event, args: Event) -> Event:
    return {"name": name, "ph": "X", "pid": pid, "tid": tid, **times, "args": args}


def _level(name: str, pid: int, ts: float, args: Event) -> Event:
    """A counter's value from a time on."""
    return {"name": name, "ph": "C", "pid": pid, "ts": ts, "args": args}


def _arguments(span: Span) -> Event:
    """What a slice says when it is clicked."""
    return {
        "kernel": span.kernel,
        "ops": span.ops,
        "start_tick": span.start,
        "end_tick": span.end,
        "done_tick": span.done,
        "busy_ticks": span.busy,
        **{f"{tier}_read_bytes": size for tier, size in span.read.items()},
        **{f"{tier}_written_bytes": size for tier, size in span.written.items()},
    }


def _flows(
    recording: Recording, threads: Mapping[str, int], clock: _Clock
) -> Iterator[Event]:
    """An arrow from every copy to each launch that waits for it."""
    number = 0
    for span in recording.spans:
        for place in span.waits_for:
            copy = recording.spans[place]
            number += 1
            for phase, end, at in (("s", copy, copy.start), ("f", span, span.start)):
                yield {
                    "name": "data",
                    "cat": "copy",
                    "ph": phase,
                    "id": number,
                    "pid": _group(end.resource),
                    "tid": threads[end.resource],
                    "ts": clock.us(at),
                    **({"bp": "e"} if phase == "f" else {}),
                }
