"""What IR says apart from where it came from, as a key that is the same in every process."""

from collections.abc import Iterable
from hashlib import sha256

from xdsl.ir import Attribute, Block, Operation, SSAValue

from dfc.passes.analysis.origins import ORIGIN


def digest(op: Operation) -> str:
    """Equal for ops that say the same: names of values and origins do not count."""
    reader = Reader()
    reader.op(op)
    return sha256("\n".join(reader.words).encode()).hexdigest()


class Reader:
    """Writes an op as words, values by number, each attribute's text made once."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.values: dict[SSAValue, int] = {}
        self.blocks: dict[Block, int] = {}
        self.texts: dict[Attribute, str] = {}

    def op(self, op: Operation) -> None:
        """An op with all that stands in it."""
        self.words.append(f"{op.name} {len(op.operands)} {len(op.results)}")
        self.words += [str(self.number(value)) for value in op.operands]
        self.words += [str(self.block(each)) for each in op.successors]
        self.define(op.results)
        for name, value in sorted((*op.properties.items(), *op.attributes.items())):
            if name != ORIGIN:
                self.words += (name, self.text(value))
        for region in op.regions:
            self.words.append("{")
            for block in region.blocks:
                self.words.append(f"^{self.block(block)}")
                self.define(block.args)
                for inner in block.ops:
                    self.op(inner)
            self.words.append("}")

    def define(self, values: Iterable[SSAValue]) -> None:
        """Number new values; their types."""
        for value in values:
            self.number(value)
            self.words.append(self.text(value.type))

    def number(self, value: SSAValue) -> int:
        """The number of a value."""
        return self.values.setdefault(value, len(self.values))

    def block(self, block: Block) -> int:
        """The number of a block."""
        return self.blocks.setdefault(block, len(self.blocks))

    def text(self, attribute: Attribute) -> str:
        """An attribute's text."""
        found = self.texts.get(attribute)
        if found is None:
            found = self.texts[attribute] = str(attribute)
        return found
