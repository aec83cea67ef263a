"""Graphs that run stay as they are; those that stop are refused, by the circle of their nodes."""

import pytest
from pass_testing import FILECHECK, check_values, parse
from xdsl.utils.exceptions import PassFailedException

from dfc.passes.stream_size_fifos import StreamSizeFifosPass
from dfc.passes.stream_verify_deadlock import StreamVerifyDeadlockPass

CASES = (FILECHECK / "stream_verify_deadlock.mlir").read_text().split("// -----")
SHALLOW, ENOUGH, ROWS, _ = CASES


def test_a_graph_that_runs_stays():
    before = parse(ENOUGH)
    assert str(check_values(before, StreamVerifyDeadlockPass())) == str(before)


@pytest.mark.parametrize("text", [SHALLOW, ROWS])
def test_a_graph_that_stops_is_refused(text: str):
    chain = r"`qk` waits for room in `qk->sub` \(depth 3\) from `sub`, `sub` waits for a token of `rowmax->sub`"
    with pytest.raises(PassFailedException, match=chain):
        check_values(parse(text), StreamVerifyDeadlockPass())


@pytest.mark.parametrize("text", [SHALLOW, ROWS])
def test_sized_fifos_do_not_stop(text: str):
    check_values(parse(text), StreamSizeFifosPass(), StreamVerifyDeadlockPass())
