"""The rules of `--prefill`, `--decode` and `--context`."""

import pytest

from dfc.errors import InputError
from dfc.workload import Workload, plan


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Workload(128, tuple(range(128, 160)), 160)),
        ({"prefill": 64, "decode": 2}, Workload(64, (64, 65), 66)),
        ({"prefill": 64}, Workload(64, (), 64)),
        ({"decode": 2, "context": 10}, Workload(0, (10, 11), 12)),
        ({"context": (64, 256, 1000)}, Workload(0, (64, 256, 1000), 1001)),
        ({"prefill": 4, "decode": 1, "batch": 3}, Workload(4, (4,), 5, 3)),
    ],
)
def test_what_is_left_out_follows_from_what_is_given(options, expected: Workload):
    assert plan(**options) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decode": 4}, "`decode` alone has no cache"),
        ({"prefill": 4, "context": 8}, "`context` excludes `prefill`"),
        ({"decode": 4, "context": (8, 9)}, "expected one `context` beside `decode`"),
        ({"prefill": 0}, "expected `prefill` of at least 1, got 0"),
        ({"context": (8, -1)}, "expected `context` of at least 1, got -1"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message: str):
    with pytest.raises(InputError, match=message):
        plan(**options)
