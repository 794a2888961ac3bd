"""The grid: 374 bytes, exact both ways, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.exits import failure
from sensorium.puzzle.grid import (
    PACKED,
    GridError,
    as_text,
    from_text,
    pack,
    read_grids,
    unpack,
    write_grids,
)

grids = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(0, 10, (30, 30), np.uint8))


@given(grids)
@settings(max_examples=50, deadline=None)
def test_a_grid_comes_back_from_its_bytes_and_from_its_digits(grid):
    assert len(pack(grid)) == PACKED
    assert np.array_equal(unpack(pack(grid)), grid)
    assert np.array_equal(from_text(as_text(grid)), grid)


def test_the_packed_integer_is_the_cells_read_row_by_row():
    grid = np.zeros((30, 30), np.uint8)
    grid[29, 29], grid[29, 28], grid[28, 29] = 7, 5, 3
    assert int.from_bytes(pack(grid), "big") == 7 + 50 + 3 * 10**30
    assert pack(np.full((30, 30), 9, np.uint8)) == (10**900 - 1).to_bytes(374, "big")


@given(st.binary(min_size=PACKED, max_size=PACKED))
@settings(max_examples=100, deadline=None)
def test_any_374_bytes_are_one_grid_or_refused(packed):
    if int.from_bytes(packed, "big") < 10**900:
        assert pack(unpack(packed)) == packed
    else:
        with pytest.raises(GridError, match="more than 900 digits"):
            unpack(packed)


def test_the_first_integer_that_is_no_grid_is_refused():
    with pytest.raises(GridError, match="more than 900 digits"):
        unpack((10**900).to_bytes(PACKED, "big"))


@pytest.mark.parametrize(
    ("grid", "fault"),
    [
        (np.zeros((30, 29), np.uint8), r"uint8 \[30, 29\]"),
        (np.zeros((30, 30), np.int64), "int64"),
        (np.zeros((30, 30)), "float64"),
        ([[0] * 30] * 30, "list"),
        (np.where(np.eye(30) > 0, 10, 0).astype(np.uint8), "row 0, column 0 is 10"),
    ],
)
def test_what_is_no_grid_is_not_packed(grid, fault):
    with pytest.raises(GridError, match=fault) as raised:
        pack(grid)
    assert failure(raised.value)[0] == 65


@pytest.mark.parametrize("size", [0, 373, 375])
def test_a_packed_grid_has_374_bytes(size):
    with pytest.raises(GridError, match=f"{size} bytes"):
        unpack(bytes(size))


@pytest.mark.parametrize("text", ["", "1" * 899, "1" * 901, "1" * 899 + "x", "1" * 899 + "٣"])
def test_a_pasted_grid_has_900_digits(text):
    with pytest.raises(GridError, match="expected 900 digits"):
        from_text(text)


def test_grids_come_back_from_a_file(tmp_path):
    path, rng = tmp_path / "out.grid", np.random.default_rng(0)
    written = [rng.integers(0, 10, (30, 30), np.uint8) for _ in range(3)]
    write_grids(path, written)
    assert path.stat().st_size == 3 * PACKED
    assert all(np.array_equal(a, b) for a, b in zip(read_grids(path), written, strict=True))


@pytest.mark.parametrize("content", [b"", bytes(375), b"\xff" * 374, bytes(374) + b"\xff" * 374])
def test_a_file_of_anything_else_is_named(tmp_path, content):
    path = tmp_path / "out.grid"
    path.write_bytes(content)
    with pytest.raises(GridError, match=r"out\.grid: no"):
        read_grids(path)


def test_no_grid_is_not_written(tmp_path):
    with pytest.raises(GridError, match="0 grids"):
        write_grids(tmp_path / "out.grid", [])
