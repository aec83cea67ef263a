"""A placement bug planted in a lowered program is named or harmless, never a wrong answer."""

from collections.abc import Iterator

import pytest
from lowering import lowered, product, random_values, same, values
from xdsl.dialects.builtin import DictionaryAttr, IntegerAttr, ModuleOp, i64
from xdsl.ir import Operation

from dfc.dialects.accel import LaunchOp, StartOp
from dfc.dialects.tier import AllocOp, CopyOp
from dfc.errors import DfcError

LINKS = {"fast": 4096, "slow": 1}
"""Bytes per cycle of the port from DDR."""


@pytest.fixture(params=LINKS)
def program(request: pytest.FixtureRequest) -> ModuleOp:
    """A ternary product as a program; its last tile of rows stands over the edge."""
    low = lowered(product(5, 64, 96, 8), "program")
    overrides = low.attributes["accel.target_set"]
    assert isinstance(overrides, DictionaryAttr)
    rate = IntegerAttr(LINKS[request.param], i64)
    low.attributes["accel.target_set"] = DictionaryAttr(
        {**overrides.data, "port.ddr_read.bytes_per_cycle": rate}
    )
    return low


def without_an_event(program: ModuleOp) -> Iterator[ModuleOp]:
    """The program with one `after` of one op left out, in every way."""
    for index, op in enumerate(timed(program)):
        for number in range(len(op.after)):
            clone = program.clone()
            one = timed(clone)[index]
            start = StartOp()
            one.parent_block().insert_op_before(start, one)
            one.operands[list(one.operands).index(one.after[number])] = start.results[0]
            yield clone


def timed(module: ModuleOp) -> list[Operation]:
    """The ops that wait for events."""
    return [op for op in module.walk() if isinstance(op, CopyOp | LaunchOp)]


def with_an_offset_of_another(program: ModuleOp) -> Iterator[ModuleOp]:
    """The program with one buffer at the offset of another of its tier, in every way."""
    count = len(buffers(program))
    for index in range(count):
        for other in range(count):
            clone = program.clone()
            one, two = buffers(clone)[index], buffers(clone)[other]
            same_tier = one.buffer.type.memory_space == two.buffer.type.memory_space
            if same_tier and one.offset_bytes != two.offset_bytes:
                one.properties["offset_bytes"] = two.offset_bytes
                yield clone


def buffers(module: ModuleOp) -> list[AllocOp]:
    """The buffers of a module."""
    return [op for op in module.walk() if isinstance(op, AllocOp)]


def named_bugs(program: ModuleOp, planted: Iterator[ModuleOp]) -> list[str]:
    """What is said of the planted bugs; the others leave the values as they are."""
    given = random_values(product(5, 64, 96, 8))
    right = values(program, given)
    said: list[str] = []
    for wrong in planted:
        try:
            assert same(right, values(wrong, given))
        except DfcError as error:
            said.append(str(error))
    return said


def test_a_missing_event_is_a_race_or_was_implied(program: ModuleOp):
    said = named_bugs(program, without_an_event(program))
    assert len(said) >= 8
    for message in said:
        assert "nothing orders the two" in message
        assert message.count("`tier.copy`") + message.count("`accel.launch`") >= 2
        assert "`tier.alloc` %" in message


def test_two_buffers_at_one_offset_are_named_or_never_live_together(program: ModuleOp):
    said = named_bugs(program, with_an_offset_of_another(program))
    assert len(said) >= 40
    reasons = ("two live buffers overlap", "nothing orders the two", "does not fit")
    for message in said:
        assert any(reason in message for reason in reasons)
        assert "`tier.alloc` %" in message
