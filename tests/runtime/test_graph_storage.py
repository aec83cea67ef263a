"""What graphs keep between firings, with the arithmetic."""

from dfc.reproduce.attention import SIZED, Attention
from dfc.runtime.graph.storage import storage_of

LENGTH, DEPTH, FLOAT = 16, 8, 4
SCORE, ROW = FLOAT, DEPTH * FLOAT


def test_naive_attention_keeps_two_rows_of_scores():
    """
    FIFOs: qk->sub and exp->div hold N + 2 scores, five short ones 2 each, pv->write 2 rows of V.

    State: the accumulators of rowmax and rowsum, the held maximum and sum, the accumulator of pv;
    q is read in place.
    """
    found = storage_of(Attention(LENGTH, "naive", DEPTH).op(SIZED))
    short = [
        "qk->rowmax",
        "rowmax->sub",
        "sub->exp",
        "exp->rowsum",
        "rowsum->div",
        "div->pv",
    ]
    tokens = 2 * (LENGTH + 2) + 2 * len(short)
    assert found.fifo_bytes == tokens * SCORE + 2 * ROW
    assert found.state_bytes == 4 * SCORE + ROW
    assert found.bytes == found.fifo_bytes + found.state_bytes


def test_streaming_attention_keeps_the_same_at_every_length():
    sizes = {
        storage_of(Attention(n, "streaming", DEPTH).op(SIZED)).bytes
        for n in (8, 16, 40)
    }
    assert len(sizes) == 1


def test_a_window_holds_its_rows_of_keys_and_values():
    """A window of w rows for K and one for V; one row more in each is 2 rows more in all."""
    narrow, wide = (
        storage_of(Attention(LENGTH, "windowed", DEPTH, window=w).op(SIZED)).state_bytes
        for w in (4, 5)
    )
    assert wide - narrow == 2 * ROW
