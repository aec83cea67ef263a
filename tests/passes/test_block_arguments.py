"""Many block arguments at once: the same as one at a time."""

import pytest
from xdsl.dialects import test
from xdsl.dialects.builtin import f32, i8, i32
from xdsl.ir import Block

from dfc.passes.analysis.block_arguments import append_arguments, erase_arguments


def places(block: Block) -> list[int]:
    """Where the arguments believe that they stand."""
    return [argument.index for argument in block.args]


def test_appended_arguments_stand_last():
    block = Block(arg_types=[f32])
    made = append_arguments(block, [i8, i32])
    assert list(block.args[1:]) == made
    assert [a.type for a in block.args] == [f32, i8, i32]
    assert places(block) == [0, 1, 2]
    assert all(a.owner is block for a in made)


def test_the_others_close_up():
    block = Block(arg_types=[f32, i8, i32, i8])
    kept = [block.args[1], block.args[3]]
    erase_arguments(block, {0, 2})
    assert list(block.args) == kept
    assert places(block) == [0, 1]


def test_an_argument_in_use_is_not_erased():
    block = Block(arg_types=[f32, i8])
    block.add_op(test.TestOp(operands=[block.args[1]]))
    with pytest.raises(ValueError, match="still has uses"):
        erase_arguments(block, [1])
