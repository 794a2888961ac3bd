"""Pages: what all text grids have in common. A text takes one grid or several, and each says which it is.

A grid is 300 symbols of three cells, 0 to 999. The first symbol is 100 * kind + mark: the kind says how the text is
written (primed, empty, raw, legible), the mark tells artifacts apart. The next two are the page's number, from 0, and
the count of pages. So pages may be given in any order, and a missing, foreign or doubled one is named.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sensorium.puzzle.config import SIDE
from sensorium.puzzle.grid import GridError, checked

SYMBOLS = 300  # of a grid
CELLS_A_SYMBOL = 3
KINDS = ("primed", "empty", "raw", "legible")
MARKS = 97
MOST_PAGES = 996
MOST_BYTES = 20_000  # of text that a page stands for: a bound on what a damaged or hostile grid makes of itself


class NeedsCodesError(GridError):
    """The grids are those of a text that takes an artifact, and none was given."""


@dataclass(frozen=True)
class Text:
    """A text read from grids.

    Attributes:
        content: its bytes.
        kind: how it was written: primed, empty, raw or legible.
        repaired: wrong symbols that were corrected.
        intact: whether its check sum is right. False is possible for legible texts only.
    """

    content: bytes
    kind: str
    repaired: int
    intact: bool = True


@dataclass(frozen=True)
class Page:
    """A page whose header was read.

    Attributes:
        kind, mark, number, count: see above.
        tag: what all pages of a text share.
        body: the symbols behind the header, int64.
        repaired: wrong symbols that were corrected.
    """

    kind: str
    mark: int
    number: int
    count: int
    tag: tuple[int, ...]
    body: np.ndarray
    repaired: int


def to_grid(symbols: np.ndarray) -> np.ndarray:
    """The grid uint8 [30, 30] of 300 symbols 0..999."""
    digits = np.stack([symbols // 100, symbols // 10 % 10, symbols % 10], 1)
    return digits.astype(np.uint8).reshape(SIDE, SIDE)


def to_symbols(grid: np.ndarray) -> np.ndarray:
    """The symbols int64 [300] of a grid.

    Raises:
        GridError: if it is no grid.
    """
    digits = checked(grid).reshape(SYMBOLS, CELLS_A_SYMBOL).astype(np.int64)
    return digits @ np.array([100, 10, 1])


def first_symbols(kind: str, mark: int, number: int, count: int) -> list[int]:
    """The three symbols that begin a page."""
    return [100 * KINDS.index(kind) + mark, number, count]


def in_order(pages: Sequence[Page]) -> list[Page]:
    """The pages of one text by their numbers.

    Raises:
        GridError: if one is missing, foreign, or there are two different ones of a number.
    """
    first = pages[0]
    for place, page in enumerate(pages[1:], 1):
        if (page.kind, page.mark, page.count, page.tag) != (first.kind, first.mark, first.count, first.tag):
            raise GridError(f"grid {place} is a page of another text than grid 0; decode the texts one by one")
    found: dict[int, Page] = {}
    for page in pages:
        if page.number in found and not np.array_equal(found[page.number].body, page.body):
            raise GridError(f"two different grids say that they are page {page.number + 1} of {page.count}")
        found[page.number] = page
    missing = [str(number + 1) for number in range(first.count) if number not in found]
    if missing:
        more = ", ..." if len(missing) > 5 else ""
        raise GridError(f"of {first.count} pages {len(missing)} are missing: {', '.join(missing[:5])}{more}; add them")
    return [found[number] for number in range(first.count)]


def check_pages(count: int, size: int) -> None:
    """Refuse a text that takes too many grids.

    Raises:
        GridError: saying how many it takes.
    """
    if count > MOST_PAGES:
        raise GridError(f"a text of {size} bytes takes {count} grids, at most {MOST_PAGES} make one text; split it")


def check_mark(found: int, expected: int, what: str) -> None:
    """Refuse what was written with another artifact.

    Raises:
        GridError: naming both.
    """
    if found != expected:
        raise GridError(
            f"written with other {what}: the grid's mark is {found}, that of the artifact given is {expected}; "
            "give the one that wrote it with --model"
        )


def check_sum(text: bytes) -> int:
    """CRC-32 of a text."""
    return zlib.crc32(text)
