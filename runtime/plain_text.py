"""The generic text of IR written fast: without origins and names of values, each attribute's text made once."""

from collections.abc import Iterable, Mapping

from xdsl.dialects.builtin import UnitAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from dfc.runtime.mlir_text import ORIGIN


def plain_text(ops: Iterable[Operation]) -> str:
    """
    Isolated ops as upstream MLIR parses them; equal for ops that say the same, in every process.

    Some times as fast as xDSL's printer on code of many equal types.
    """
    writer = Writer()
    for op in ops:
        writer.op(op)
    return "\n".join(writer.lines)


class Writer:
    """Lines of text; values and blocks have numbers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.values: dict[SSAValue, str] = {}
        self.types: dict[SSAValue, str] = {}
        self.blocks: dict[Block, str] = {}
        self.texts: dict[Attribute, str] = {}

    def op(self, op: Operation) -> None:
        """An op with all that stands in it."""
        operands = ", ".join([self.values[value] for value in op.operands])
        types = ", ".join([self.types[value] for value in op.operands])
        results = ", ".join([self.name(value) for value in op.results])
        made = ", ".join([self.types[value] for value in op.results])
        start = f'{results} = "{op.name}"' if results else f'"{op.name}"'
        start += f"({operands})"
        if op.successors:
            start += f"[{', '.join(self.block(each) for each in op.successors)}]"
        if op.regions:
            self.regions(op.regions, start)
            start = ""
        attributes = {**op.properties, **op.attributes}
        end = f" : ({types}) -> ({made})"
        self.write(f"{start}{self.dictionary(attributes)}{end}")

    def write(self, text: str) -> None:
        """A line, behind what is open on the last one."""
        if self.lines and self.lines[-1].endswith("})"):
            self.lines[-1] += text
        else:
            self.lines.append(text)

    def regions(self, regions: Iterable[Region], start: str) -> None:
        """The regions of an op."""
        self.lines.append(f"{start} ({{")
        for number, region in enumerate(regions):
            if number:
                self.lines.append("}, {")
            for place, block in enumerate(region.blocks):
                names = [f"{self.name(a)}: {self.types[a]}" for a in block.args]
                if names or place:
                    self.lines.append(f"{self.block(block)}({', '.join(names)}):")
                for op in block.ops:
                    self.op(op)
        self.lines.append("})")

    def dictionary(self, attributes: Mapping[str, Attribute]) -> str:
        """Attributes by name."""
        texts = [
            f'"{name}"'
            if isinstance(value, UnitAttr)
            else f'"{name}" = {self.text(value)}'
            for name, value in attributes.items()
            if name != ORIGIN
        ]
        return f" {{{', '.join(texts)}}}" if texts else ""

    def name(self, value: SSAValue) -> str:
        """A new value's name."""
        name = self.values[value] = f"%{len(self.values)}"
        self.types[value] = self.text(value.type)
        return name

    def block(self, block: Block) -> str:
        """A block's name."""
        return self.blocks.setdefault(block, f"^bb{len(self.blocks)}")

    def text(self, attribute: Attribute) -> str:
        """An attribute's text."""
        found = self.texts.get(attribute)
        if found is None:
            found = self.texts[attribute] = str(attribute)
        return found
