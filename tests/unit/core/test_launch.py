"""Which of several failed ranks speaks for all."""

from __future__ import annotations

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from sensorium.training.launch import first_failure


@pytest.mark.parametrize(
    ("ended", "rank"),
    [
        ({0: (1, 5), 1: (74, 6)}, 1),  # rank 0 noticed that rank 1 was gone
        ({0: (74, 6), 1: (65, 5)}, 1),
        ({0: (1, 6), 1: (-9, 5)}, 1),
    ],
)
def test_the_first_rank_that_knows_why_counts(ended: dict[int, tuple[int, int]], rank: int) -> None:
    failures = {}
    for number, (code, at) in ended.items():
        failures[number] = ProcessFailure(local_rank=number, pid=1, exitcode=code, error_file="")
        failures[number].timestamp = at
    assert first_failure(failures)[0] == rank
