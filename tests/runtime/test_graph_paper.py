"""The published graphs: their cycles, their long FIFO, their deadlock."""

import pytest
from paper_graphs_testing import naive, reordered, streaming

from dfc.runtime.graph import DeadlockError, simulate


@pytest.mark.parametrize("n", [1, 2, 3, 16, 64])
def test_cycles_of_the_three_graphs(n: int):
    # every node takes n*n cycles; what is added is the length of the pipeline, and for
    # each value of a row that something waits for, n cycles more
    assert simulate(naive(n, n + 2)).cycles == n * n + 2 * n + 5
    assert simulate(reordered(n, n + 2)).cycles == n * n + n + 5
    assert simulate(streaming(n)).cycles == n * n + 4


@pytest.mark.parametrize("n", [4, 16])
def test_a_long_fifo_below_n_deadlocks_and_the_circle_is_named(n: int):
    with pytest.raises(
        DeadlockError, match="`qk` waits for room in `qk->sub`"
    ) as error:
        simulate(naive(n, n - 1))
    assert [(wait.node, wait.what) for wait in error.value.cycle] == [
        ("qk", "room"),
        ("sub", "token"),
        ("rowmax", "token"),
    ]


@pytest.mark.parametrize("n", [4, 16, 64])
def test_n_plus_2_is_the_smallest_long_fifo_for_full_throughput(n: int):
    best = simulate(naive(n, None)).cycles
    assert simulate(naive(n, n + 2)).cycles == best
    assert simulate(naive(n, n + 1)).cycles > best
