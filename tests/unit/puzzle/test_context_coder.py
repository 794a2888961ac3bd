"""Grids as an arithmetic coder writes them: read back exactly, in as many bits as the tables say."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium.puzzle.context_coder import CONTEXTS, TOTAL, ContextCoder, contexts


@pytest.fixture(scope="module")
def grids() -> np.ndarray:
    """Smooth grids: each cell is near its neighbours."""
    rng = np.random.default_rng(1)
    walk = rng.integers(-1, 2, (60, 30, 30)).cumsum(1) + rng.integers(-1, 2, (60, 30, 30)).cumsum(2)
    return np.clip(walk // 3 + 4, 0, 9).astype(np.uint8)


@pytest.fixture(scope="module")
def coder(grids: np.ndarray) -> ContextCoder:
    return ContextCoder(grids[:50])


def test_what_was_written_is_read_back_in_the_bits_of_the_tables(coder: ContextCoder, grids: np.ndarray) -> None:
    for grid, bits in zip(grids[50:], coder.bits(grids[50:]), strict=True):
        written = coder.encode(grid)
        assert np.array_equal(coder.decode(written), grid)
        assert bits <= 8 * len(written) <= bits + 2 + 8


@pytest.mark.parametrize("grid", [np.zeros((30, 30)), np.full((30, 30), 9), np.arange(900).reshape(30, 30) % 10])
def test_grids_that_no_table_expects_are_read_back_too(coder: ContextCoder, grid: np.ndarray) -> None:
    assert np.array_equal(coder.decode(coder.encode(grid.astype(np.uint8))), grid)


def test_random_grids_are_read_back(coder: ContextCoder) -> None:
    for grid in np.random.default_rng(2).integers(0, 10, (4, 30, 30)).astype(np.uint8):
        assert np.array_equal(coder.decode(coder.encode(grid)), grid)


def test_shares_are_whole_and_none_is_nothing(coder: ContextCoder) -> None:
    sizes = np.diff(coder.ends, axis=1)
    assert coder.ends.dtype == np.int64
    assert sizes.shape == (CONTEXTS, 10)
    assert sizes.min() >= 1
    assert (sizes.sum(1) == TOTAL).all()


def test_contexts_see_only_what_was_written_before(grids: np.ndarray) -> None:
    """Row 0 and column 0 have the rim beside them; a later cell changes no context before it."""
    found = contexts(grids[:1])[0]
    assert found[0, 0] == CONTEXTS - 1
    changed = grids[:1].copy()
    changed[0, 12, 7] = 9 - changed[0, 12, 7]
    differs = np.argwhere(contexts(changed)[0] != found).tolist()
    assert differs == [[12, 8], [13, 7], [13, 8]]


def test_a_constant_costs_next_to_nothing_and_neighbours_help(coder: ContextCoder, grids: np.ndarray) -> None:
    assert ContextCoder(np.zeros((5, 30, 30), np.uint8)).bits(np.zeros((1, 30, 30), np.uint8))[0] < 2
    shuffled = np.random.default_rng(0).permutation(grids[50:].reshape(10, -1), axis=1).reshape(-1, 30, 30)
    assert coder.bits(shuffled).mean() > 1.3 * coder.bits(grids[50:]).mean()
