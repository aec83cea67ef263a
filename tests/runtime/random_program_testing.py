"""Random programs at program level, for property tests of the simulator and of what it records."""

from hypothesis import strategies as st

from dfc.runtime.machine import Target, load_target

DATA = 'memref<64xf32, "sram">'
FAR = 'memref<64xf32, "ddr">'
HEADER = f"%x: {DATA}, %y: {DATA}, %far: {FAR}, %n: index"

Program = tuple[str, ...] | tuple[str, int, list["Program"]]
"""A launch, a copy, a wait, or a loop with its trips and body."""

leaves = st.sampled_from(["vector", "host", "in", "out", "wait"])
programs = st.recursive(
    leaves, lambda inner: st.tuples(st.integers(0, 5), st.lists(inner, max_size=4))
)


class Writer:
    """Text of a random program; every op starts after one of the latest events."""

    def __init__(self, choices: st.DataObject) -> None:
        self.choices, self.count = choices, 0
        self.lines: list[str] = []

    def name(self) -> str:
        """A new name."""
        self.count += 1
        return f"%v{self.count}"

    def pick(self, events: list[str]) -> str:
        """One of the latest events; in a loop that may be one from around it."""
        return self.choices.draw(st.sampled_from(events[-4:]))

    def op(self, kind: str, events: list[str]) -> None:
        """A copy, launch or wait."""
        after, made = self.pick(events), self.name()
        if kind == "wait":
            self.lines.append(f"accel.wait {after}")
            return
        if kind in ("in", "out"):
            way = f"%far to %x after({after}) : {FAR} to {DATA}"
            back = f"%y to %far after({after}) : {DATA} to {FAR}"
            self.lines.append(f"{made} = tier.copy {way if kind == 'in' else back}")
        else:
            place, kind_of = ("%far", FAR) if kind == "host" else ("%x", DATA)
            self.lines.append(
                f'{made} = accel.launch on "{kind}" after({after}) ins({place} : {kind_of})'
                f" outs({place} : {kind_of}) {{\n^bb0(%a: tensor<64xf32>, %b: tensor<64xf32>):\n"
                "  %c = arith.addf %a, %b : tensor<64xf32>\n  accel.yield %c : tensor<64xf32>\n}"
            )
        events.append(made)

    def body(self, items: list, events: list[str]) -> None:
        """Several ops and loops."""
        for item in items:
            if isinstance(item, str):
                self.op(item, events)
            else:
                self.loop(*item, events)

    def loop(self, trips: int, items: list, events: list[str]) -> None:
        """A loop that carries two events; its trips are a constant, or the argument `%n`."""
        first, second, bound = self.name(), self.name(), self.name()
        i, old, last = self.name(), self.name(), self.name()
        if self.choices.draw(st.booleans()):
            bound = "%n"
        else:
            self.lines.append(f"{bound} = arith.constant {trips} : index")
        types = "(!accel.event, !accel.event)"
        self.lines.append(
            f"{first}, {second} = scf.for {i} = %c0 to {bound} step %c1"
            f" iter_args({old} = {self.pick(events)}, {last} = {self.pick(events)}) -> {types} {{"
        )
        inside = [*events[-2:], old, last]
        self.body(items, inside)
        self.lines.append(
            f"scf.yield {inside[-2]}, {inside[-1]} : !accel.event, !accel.event\n}}"
        )
        events += [first, second]

    def text(self, items: list) -> str:
        """The whole function."""
        events = ["%start"]
        self.body(items, events)
        lines = "\n".join(self.lines)
        return (
            f"func.func @f({HEADER}) {{\n%c0 = arith.constant 0 : index\n"
            f"%c1 = arith.constant 1 : index\n%start = accel.start\n{lines}\nfunc.return\n}}"
        )


def machine(issue: int, lanes: int, rate: float) -> Target:
    """The small machine with these numbers."""
    return load_target(
        "tiny-npu",
        {
            "control.launch_cycles": issue,
            "control.copy_cycles": issue // 2,
            "unit.vector.lanes": lanes,
            "tier.ddr.gb_per_s": rate,
            "tier.ddr.latency_ns": 13,
        },
    )
