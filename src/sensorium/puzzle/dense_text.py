"""The dense layout of texts: as many bytes as possible, any 5 wrong cells of a grid repaired, all others noticed.

A page is a Reed-Solomon code word of 300 symbols over GF(997), 10 of them parity: 3 symbols that all texts have
(`pages`), 6 for the length and the CRC-32 of the whole text, 281 for 349 bytes of its code. The code is that of the
primed model, of the empty model, or the text itself, whichever is shortest, so no text takes more than raw. The codes
look random: nothing but a decoder can read them, and a model that is to reason about texts needs the legible layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from sensorium.puzzle import empty_model
from sensorium.puzzle.grid import GridError
from sensorium.puzzle.pages import (
    KINDS,
    MARKS,
    MOST_BYTES,
    MOST_PAGES,
    SYMBOLS,
    NeedsCodesError,
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

PARITY = 10
CODE = ReedSolomon(SYMBOLS, PARITY)
TAG = 6  # symbols of length and check sum
HEADER = 3 + TAG
PAYLOAD = SYMBOLS - PARITY - HEADER  # symbols
PAGE_BYTES = 349  # of code: 281 symbols hold 2,799.2 bits
LONGEST = MOST_BYTES * MOST_PAGES
GOOD_ENOUGH = 3  # bits a byte; below them the empty model is not tried: on a page it comes nowhere near


class Coding(Protocol):
    """A model that writes texts, with the mark of its artifact."""

    mark: int

    def encode(self, text: bytes) -> tuple[bytes, int]:
        """The code of a text, and the text's length."""

    def decode(self, code: bytes, length: int) -> bytes:
        """The text of that length."""


def encode(text: bytes, model: Coding | None = None) -> list[np.ndarray]:
    """The grids uint8 [30, 30] of a text.

    Args:
        text: any bytes.
        model: the primed model; without one, the empty model and raw are tried.

    Raises:
        GridError: if it takes more than 996 grids.
    """
    kind, code = shortest(text, model)
    count = max(1, -(-len(code) // PAGE_BYTES), -(-len(text) // MOST_BYTES))
    check_pages(count, len(text))
    mark = model.mark if model is not None and kind == "primed" else 0
    tag = _symbols_of(len(text) << 32 | check_sum(text), TAG)
    grids = []
    for number in range(count):
        part = code[number * PAGE_BYTES : (number + 1) * PAGE_BYTES].ljust(PAGE_BYTES, b"\0")
        symbols = [*first_symbols(kind, mark, number, count), *tag, *_symbols_of(int.from_bytes(part, "big"), PAYLOAD)]
        grids.append(to_grid(CODE.encode(np.array(symbols))))
    return grids


def decode(grids: Sequence[np.ndarray], model: Coding | None = None) -> Text:
    """The text of its grids, in any order.

    Raises:
        GridError: if a grid is none, has more than 5 wrong cells that matter, is missing or foreign, or the text needs
            a model that was not given.
    """
    pages = in_order([_read(to_symbols(grid), place) for place, grid in enumerate(grids)])
    length, expected = divmod(number_of(pages[0].tag), 1 << 32)
    kind = pages[0].kind
    if length > MOST_BYTES * len(pages):
        raise GridError(f"no text: it would have {length} bytes in {len(pages)} grids")
    code = b"".join(number_of(page.body.tolist()).to_bytes(PAGE_BYTES + 1, "big")[1:] for page in pages)
    if kind == "primed":
        if model is None:
            raise NeedsCodesError("written with the primed model: give its artifact with --model")
        check_mark(pages[0].mark, model.mark, "primed model")
        text = model.decode(code, length)
    else:
        text = empty_model.decode(code, length) if kind == "empty" else code[:length]
    if check_sum(text) != expected or len(text) != length:
        raise GridError("more cells are wrong than can be repaired: the text's check sum is not that which was written")
    return Text(text, kind, sum(page.repaired for page in pages))


def shortest(text: bytes, model: Coding | None) -> tuple[str, bytes]:
    """The kind and the code of a text that takes the fewest bytes."""
    kind, code = "raw", text
    if model is not None:
        primed, _ = model.encode(text)
        if len(primed) < len(code):
            kind, code = "primed", primed
    if 8 * len(code) > GOOD_ENOUGH * len(text):
        empty = empty_model.encode(text)
        if len(empty) < len(code):
            kind, code = "empty", empty
    return kind, code


def _read(symbols: np.ndarray, place: int) -> Page:
    try:
        data, repaired = CODE.decode(symbols)
    except TooManyErrors:
        raise GridError(f"grid {place}: more cells are wrong than can be repaired, or it holds no text") from None
    kind, mark = divmod(int(data[0]), 100)
    number, count = int(data[1]), int(data[2])
    if kind >= KINDS.index("legible") or mark >= MARKS or not number < count <= MOST_PAGES:
        raise GridError(f"grid {place}: no page of a dense text")
    return Page(KINDS[kind], mark, number, count, tuple(data[3:HEADER].tolist()), data[HEADER:], repaired)


def _symbols_of(value: int, count: int) -> list[int]:
    """Digits of a number in base 997, the most significant one first."""
    digits = []
    for _ in range(count):
        value, digit = divmod(value, PRIME)
        digits.append(digit)
    return digits[::-1]


def number_of(digits: Sequence[int]) -> int:
    """The number of digits in base 997, the most significant one first."""
    value = 0
    for digit in digits:
        value = value * PRIME + digit
    return value
