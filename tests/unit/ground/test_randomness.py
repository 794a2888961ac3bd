"""Randomness is a function: of seed, step, name and row, and of nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sensorium.randomness import Draw, evenly, sample_indices, stable_seed

CPU = torch.device("cpu")


def test_seeds_are_stable() -> None:
    assert stable_seed(0, "order", 1) == stable_seed(0, "order", 1)
    assert len({stable_seed(*parts) for parts in [(0, 1), (1, 0), ("01",), (0, 1, ""), ("0", "1", "2")]}) == 5
    assert 0 <= stable_seed("x") < 2**63


def test_an_epoch_holds_every_window_once() -> None:
    indices = np.concatenate([sample_indices(1, step, 8, 20) for step in range(5)])
    assert sorted(indices[:20]) == sorted(indices[20:]) == list(range(20))
    assert list(indices[:20]) != list(indices[20:])
    assert not np.array_equal(sample_indices(1, 0, 8, 20), sample_indices(2, 0, 8, 20))
    assert len(sample_indices(0, 0, 50, 20)) == 50
    with pytest.raises(ValueError, match=r"no windows"):
        sample_indices(0, 0, 8, 0)


@pytest.mark.parametrize("kind", ["normal", "uniform", "integers"])
def test_rows_do_not_depend_on_the_micro_batch(kind: str) -> None:
    whole = Draw(3, 5, 0, 10, 10, CPU)

    def numbers(draw: Draw, name: str = "a") -> Any:
        return draw.integers(name, 1000, 4) if kind == "integers" else getattr(draw, kind)(name, 4)

    parts = [numbers(whole.rows(2, 8).rows(start, start + 3)) for start in (0, 3)]
    assert torch.equal(torch.cat(parts), numbers(whole)[2:8])
    assert not torch.equal(numbers(whole), numbers(whole, "b"))
    assert not torch.equal(numbers(whole), numbers(Draw(3, 6, 0, 10, 10, CPU)))
    assert not torch.equal(numbers(whole), numbers(Draw(4, 5, 0, 10, 10, CPU)))


@pytest.mark.parametrize(("share", "expected"), [(0, 0), (0.1, 1), (0.25, 2), (0.3, 3), (1, 10)])
def test_shares_of_rows_are_exact_and_do_not_depend_on_the_part(share: float, expected: int) -> None:
    whole = evenly(draw(10), share)
    assert whole.sum() == expected
    assert torch.equal(torch.cat([evenly(draw(10).rows(0, 4), share), evenly(draw(10).rows(4, 10), share)]), whole)


def draw(rows: int, step: int = 0) -> Draw:
    return Draw(0, step, 0, rows, rows, CPU)


def test_a_share_smaller_than_a_row_waits_for_its_steps() -> None:
    """A tenth of batches of 8 is a row in four of five steps, never one in none."""
    assert sum(int(evenly(draw(8, step), 0.1).sum()) for step in range(5)) == 4
    assert sum(int(evenly(draw(8, step), 0.1).sum()) for step in range(10**6, 10**6 + 500)) == 400
