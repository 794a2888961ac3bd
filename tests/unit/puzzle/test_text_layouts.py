"""Texts on grids: exact; wrong cells are repaired or noticed; pages find each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from toy_texts import UNSEEN, arrays, codes

from sensorium.puzzle import dense_text, legible_text
from sensorium.puzzle.grid import GridError, pack, unpack
from sensorium.puzzle.pages import to_grid, to_symbols
from sensorium.puzzle.text_codes import TextCodes, decode

PAGE = UNSEEN[:700]
LONG = UNSEEN[:2000]
anything = st.one_of(st.binary(max_size=150), st.text(max_size=80).map(str.encode))


def damaged(grid: np.ndarray, cells: int, rng: np.random.Generator) -> np.ndarray:
    """The grid with so many wrong cells."""
    wrong, places = grid.copy().ravel(), rng.choice(900, cells, replace=False)
    wrong[places] = (wrong[places] + rng.integers(1, 10, cells)) % 10
    return wrong.reshape(30, 30)


@pytest.mark.parametrize("layout", ["dense", "legible"])
@given(text=anything)
@settings(max_examples=40, deadline=None)
def test_any_bytes_come_back(layout, text):
    grids = [unpack(pack(grid)) for grid in codes().encode(text, layout)]
    found = codes().decode(grids)
    assert (found.content, found.intact, found.repaired) == (text, True, 0)


@pytest.mark.parametrize("layout", ["dense", "legible"])
def test_long_texts_come_back_from_pages_in_any_order(layout):
    grids = codes().encode(LONG, layout)
    assert len(grids) > 1
    assert codes().decode(grids[::-1] + grids[:1]).content == LONG


@pytest.mark.parametrize("layout", ["dense", "legible"])
def test_a_missing_page_and_a_foreign_one_are_named(layout):
    grids, others = codes().encode(LONG, layout), codes().encode(LONG[1:], layout)
    with pytest.raises(GridError, match=rf"of {len(grids)} pages 1 are missing: {len(grids)}"):
        codes().decode(grids[:-1])
    with pytest.raises(GridError, match="grid 1 is a page of another text"):
        codes().decode([grids[0], others[1], *grids[2:]])


@pytest.mark.parametrize("kind", ["primed", "empty", "raw"])
def test_five_wrong_cells_are_repaired_and_more_are_never_a_wrong_text(kind):
    rng = np.random.default_rng(0)
    text = {"primed": PAGE, "empty": bytes(rng.choice([1, 129, 200, 254], 300).tolist()), "raw": rng.bytes(200)}[kind]
    grid = codes().encode(text)[0]
    assert codes().decode([grid]).kind == kind
    for _ in range(20):
        found = codes().decode([damaged(grid, 5, rng)])
        assert found.content == text
        assert 1 <= found.repaired <= 5
    refused = 0
    for cells in (6, 7, 9, 20, 100, 900) * 8:
        try:
            assert codes().decode([damaged(grid, cells, rng)]).content == text
        except GridError:
            refused += 1
    assert refused >= 40


@pytest.mark.parametrize("digit", range(1, 10))
def test_a_wrong_first_cell_is_repaired_though_it_names_the_kind(digit):
    for layout, kind in (("dense", "primed"), ("legible", "legible")):
        grid = codes().encode(PAGE[:200], layout)[0]
        grid[0, 0] = (grid[0, 0] + digit) % 10
        found = codes().decode([grid])
        assert (found.content, found.kind, found.repaired) == (PAGE[:200], kind, 1)


def test_a_check_sum_that_is_wrong_is_noticed_behind_the_parity():
    symbols = dense_text.CODE.decode(to_symbols(codes().encode(PAGE)[0]))[0]
    symbols[100] = (symbols[100] + 1) % 997
    with pytest.raises(GridError, match="check sum"):
        codes().decode([to_grid(dense_text.CODE.encode(symbols))])


def test_a_wrong_cell_of_a_legible_text_harms_one_word():
    grid = codes().encode(PAGE, "legible")[0]
    rng = np.random.default_rng(0)
    numbers = to_symbols(grid)[legible_text.HEADER :]
    size = len(codes().words.encode(PAGE))
    for cell in (0, 4, 26, 27, 27 + 3 * size - 1, 27 + 3 * size, 899, *rng.integers(0, 900, 20)):
        wrong = grid.copy().ravel()
        wrong[cell] = (wrong[cell] + 1) % 10
        found = codes().decode([wrong.reshape(30, 30)])
        place = cell // 3 - legible_text.HEADER
        if 0 <= place < size:
            assert not found.intact
            before = codes().words.decode(numbers[:place].tolist())
            after = codes().words.decode(numbers[place + 1 : size].tolist())
            assert found.content.startswith(before)
            assert found.content.endswith(after)
        else:
            assert found.intact
            assert found.content == PAGE


def test_no_text_takes_more_than_raw():
    for text in (b"", b"\0", np.random.default_rng(0).bytes(349), "žluťoučký kůň".encode() * 3, PAGE):
        kind, code = dense_text.shortest(text, codes().model)
        assert len(code) <= len(text)
        assert len(codes().encode(text)) == 1
        assert (kind == "primed") == (text == PAGE)


def test_texts_without_a_model_need_none():
    grids = dense_text.encode(b"abc" * 100)
    assert decode(grids, None).content == b"abc" * 100
    for layout in ("dense", "legible"):
        with pytest.raises(GridError, match="--model"):
            decode(codes().encode(PAGE, layout), None)


def test_another_artifact_is_named():
    other = TextCodes({**arrays(), "page_odds": arrays()["page_odds"] + np.int16(1)})
    assert other.decode(codes().encode(PAGE, "legible")).content == PAGE  # its words are the same
    with pytest.raises(GridError, match="other primed model: the grid's mark is"):
        other.decode(codes().encode(PAGE))


def test_two_pages_of_one_number_are_named():
    symbols = dense_text.CODE.decode(to_symbols(codes().encode(LONG)[0]))[0]
    symbols[-1] = (symbols[-1] + 1) % 997
    forged = to_grid(dense_text.CODE.encode(symbols))
    with pytest.raises(GridError, match="two different grids"):
        codes().decode([*codes().encode(LONG), forged])


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_random_grids_are_refused(seed):
    grid = np.random.default_rng(seed).integers(0, 10, (30, 30), np.uint8)
    with pytest.raises(GridError):
        codes().decode([grid])


@given(
    length=st.one_of(st.integers(1, 100), st.integers(dense_text.MOST_BYTES + 1, 2**24)),
    check=st.integers(0, 2**32 - 1),
    kind=st.integers(0, 2),
    seed=st.integers(0, 2**32 - 1),
)
@example(length=dense_text.MOST_BYTES + 1, check=0, kind=0, seed=0)
@settings(max_examples=40, deadline=None)
def test_forged_pages_with_right_parity_are_refused(length, check, kind, seed):
    """Whatever length a page claims, what it makes of that is bounded: more than 20,000 bytes are not begun."""
    body = np.random.default_rng(seed).integers(0, 997, dense_text.PAYLOAD)
    header = [100 * kind + codes().model.mark, 0, 1]
    header += [(length << 32 | check) // 997**place % 997 for place in range(5, -1, -1)]
    grid = to_grid(dense_text.CODE.encode(np.concatenate([header, body])))
    with pytest.raises(GridError, match="would have" if length > dense_text.MOST_BYTES else "check sum"):
        codes().decode([grid])


def test_no_grids_are_no_text():
    with pytest.raises(GridError, match="at least one"):
        codes().decode([])
