"""What the folded graphs compute, and which nodes are left."""

import pytest
from pass_testing import FILECHECK, apply_to_clone, check_values, ops_named, parse
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from dfc.passes.stream_fold_nodes import StreamFoldNodesPass

TEXT = (FILECHECK / "stream_fold_nodes.mlir").read_text()


def left(module: ModuleOp) -> tuple[int, int, int, int]:
    """Forks, repeats, reads, and reads that are in place."""
    forks, repeats, reads = (
        ops_named(module, f"stream.{name}") for name in ("fork", "repeat", "read")
    )
    placed = [read for read in reads if "in_place" in read.properties]
    return len(forks), len(repeats), len(reads), len(placed)


def test_values_stay():
    before = parse(TEXT)
    assert left(before) == (5, 3, 6, 0)
    after = check_values(before, StreamFoldNodesPass())
    # `@both_ways` keeps the fork that reads, `@stay` its fork, its repeat and its two reads
    assert left(after) == (2, 1, 6, 4)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # the fork of the repeat goes before it, behind the read
        ("fork", (2, 4, 6, 0)),
        # one repeat ends in a fork, one has to bring the trips
        ("repeat", (5, 2, 6, 0)),
        # two reads stay: one stands over the edge, one goes to a write
        ("read", (5, 3, 6, 4)),
    ],
)
def test_each_kind_folds_alone(kind: str, expected: tuple[int, int, int, int]):
    after = check_values(parse(TEXT), StreamFoldNodesPass(nodes=(kind,)))
    assert left(after) == expected


def test_folding_twice_changes_nothing():
    once = apply_to_clone(StreamFoldNodesPass(), parse(TEXT))
    assert str(apply_to_clone(StreamFoldNodesPass(), once)) == str(once)


def test_other_nodes_are_refused():
    with pytest.raises(PassFailedException, match="expected nodes of fork, repeat"):
        apply_to_clone(StreamFoldNodesPass(nodes=("map",)), parse(TEXT))
