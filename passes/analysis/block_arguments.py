"""
Many arguments of a block added or erased in one go.

One at a time, xDSL copies the tuple of all arguments for each and counts those behind it anew, which
for a model's weights costs the square of their number.
"""

from collections.abc import Collection, Iterable, Sequence

from xdsl.ir import Attribute, Block, BlockArgument


def append_arguments(block: Block, types: Iterable[Attribute]) -> list[BlockArgument]:
    """New last arguments of these types."""
    start = len(block.args)
    made = [BlockArgument(kind, block, start + n) for n, kind in enumerate(types)]
    _set(block, (*block.args, *made))
    return made


def erase_arguments(block: Block, gone: Collection[int]) -> None:
    """Erase the arguments at these places, which nothing may use any more."""
    kept: list[BlockArgument] = []
    for place, argument in enumerate(block.args):
        if place in gone:
            argument.erase()
        else:
            argument.index = len(kept)
            kept.append(argument)
    _set(block, kept)


def _set(block: Block, arguments: Sequence[BlockArgument]) -> None:
    block._args = tuple(arguments)  # pyright: ignore[reportPrivateUsage]
