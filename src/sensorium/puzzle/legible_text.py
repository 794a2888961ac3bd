"""The legible layout of texts: a word is three cells, so a model can read them, and a wrong cell harms one word.

A page is 300 symbols: a header of 9 and the numbers of up to 291 words, of a byte-level vocabulary of 1,000 words
(`words`). The header is a Reed-Solomon code word of its own, 4 of its symbols parity: the 3 symbols that all texts have
(`pages`), the number of words on the page, and the text's CRC-32 modulo 997. Up to 2 wrong symbols of a header are
repaired. Words are not protected: a wrong one is another word, and the check sum says that there is one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sensorium.puzzle.grid import GridError
from sensorium.puzzle.pages import (
    KINDS,
    MARKS,
    MOST_PAGES,
    SYMBOLS,
    Page,
    Text,
    check_mark,
    check_pages,
    check_sum,
    first_symbols,
    in_order,
    to_grid,
    to_symbols,
)
from sensorium.puzzle.reed_solomon import PRIME, ReedSolomon, TooManyErrors
from sensorium.puzzle.words import Vocabulary

VOCABULARY = 1000
FIELDS, PARITY = 5, 4
HEADER = FIELDS + PARITY
PAGE_WORDS = SYMBOLS - HEADER
CODE = ReedSolomon(HEADER, PARITY)
UNKNOWN = "�".encode()  # for a number that no word has


def encode(text: bytes, words: Vocabulary, mark: int) -> list[np.ndarray]:
    """The grids uint8 [30, 30] of a text.

    Args:
        text: any bytes.
        words: at most 1,000.
        mark: of the artifact that they are of, 0..96.

    Raises:
        GridError: if it takes more than 996 grids.
    """
    numbers = words.encode(text)
    count = max(1, -(-len(numbers) // PAGE_WORDS))
    check_pages(count, len(text))
    grids = []
    for number in range(count):
        page = numbers[number * PAGE_WORDS : (number + 1) * PAGE_WORDS]
        fields = [*first_symbols("legible", mark, number, count), len(page), check_sum(text) % PRIME]
        blank = [0] * (PAGE_WORDS - len(page))
        grids.append(to_grid(np.concatenate([CODE.encode(np.array(fields)), np.array(page + blank, np.int64)])))
    return grids


def decode(grids: Sequence[np.ndarray], words: Vocabulary, mark: int) -> Text:
    """The text of its grids, in any order; `intact` is False if a word is wrong.

    Raises:
        GridError: if a grid is none, its header cannot be repaired, it is missing or foreign, or was written with
            another vocabulary.
    """
    pages = in_order([read(to_symbols(grid), place) for place, grid in enumerate(grids)])
    check_mark(pages[0].mark, mark, "words")
    parts = []
    for page in pages:
        for number in page.body.tolist():
            parts.append(words.spelled[number] if number < len(words) else UNKNOWN)
    content = b"".join(parts)
    intact = check_sum(content) % PRIME == pages[0].tag[0]
    return Text(content, "legible", sum(page.repaired for page in pages), intact)


def read(symbols: np.ndarray, place: int) -> Page:
    """The page of a grid's symbols.

    Raises:
        GridError: naming the grid by its place, if its header cannot be repaired or is that of no legible text.
    """
    try:
        fields, repaired = CODE.decode(symbols[:HEADER])
    except TooManyErrors:
        raise GridError(f"grid {place}: its header cannot be repaired, or it holds no legible text") from None
    first, number, count, size, check = fields.tolist()
    kind, mark = divmod(first, 100)
    if kind != KINDS.index("legible") or mark >= MARKS or not number < count <= MOST_PAGES or size > PAGE_WORDS:
        raise GridError(f"grid {place}: no page of a legible text")
    return Page("legible", mark, number, count, (check,), symbols[HEADER : HEADER + size], repaired)
