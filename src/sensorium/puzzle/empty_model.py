"""The empty text model: knows nothing beforehand, and learns the bytes of a text while it codes them.

It serves what the primed model was not made for, such as a script or a format that its corpus lacks, and it needs no
artifact. The bits of a byte are predicted from the last 0 to 4 bytes; the log odds are mixed by weights that follow
the gradient of the code length (Mahoney 2005), all in integers.
"""

from __future__ import annotations

from functools import cache

from sensorium.puzzle.arithmetic_coder import MOST_COUNTERS, TOP, Coder
from sensorium.puzzle.evidence import BOUND, ONE, squash_table

ORDERS = 5  # contexts of 0 to 4 bytes
FINE = 16  # a probability is looked up in steps of this
SLOWEST = 30  # a counter moves by 1 / (observations + 1.5), at least by 1 / (30 + 1.5)
WEIGHT = 1 << 16  # stands for 1
_FIRST_WEIGHT = WEIGHT * 2 // 5
_RATE = 6  # shift of a weight's step: error (65536ths) times log odds (256ths), over 64


@cache
def _stretch_table() -> list[int]:
    """Log odds of the probabilities 0, 16, ..., 65520 of 65536: the inverse of the squashing function."""
    squash = squash_table(1)
    odds, table = -BOUND, []
    for probability in range(0, ONE, FINE):
        while odds < BOUND and squash[odds] < probability + FINE // 2:
            odds += 1
        table.append(odds)
    return table


@cache
def _steps() -> list[int]:
    """How far a counter moves after each number of observations, in 65536ths of its error."""
    return [2 * ONE // (2 * number + 3) for number in range(SLOWEST + 1)]


def encode(text: bytes) -> bytes:
    """The code of a text; its length is not in it."""
    coder, model = Coder(), _Model()
    for byte in text:
        model.byte(coder, byte)
    return coder.end()


def decode(code: bytes, length: int) -> bytes:
    """The `length` bytes of a text from its code. Of any other bytes, it makes some text of that length."""
    coder, model = Coder(code), _Model()
    return bytes(model.byte(coder, None) for _ in range(length))


class _Model:
    def __init__(self) -> None:
        self._counters: dict[int, tuple[int, int]] = {}  # probability of a 1 in 65536ths, and observations
        self._weights = [[_FIRST_WEIGHT] * ORDERS for _ in range(ORDERS + 1)]  # a set by the contexts that are known
        self._last = 0  # four bytes and the start of the text as one number
        self._stretch, self._squash, self._moves = _stretch_table(), squash_table(1), _steps()

    def byte(self, coder: Coder, byte: int | None) -> int:
        """Write a byte; or, if it is None, read one. Returns it."""
        counters, stretch, squash, moves = self._counters, self._stretch, self._squash, self._moves
        low, high, value = coder.low, coder.high, coder.value
        contexts = [((self._last & (1 << 8 * order) - 1) * ORDERS + order) << 8 for order in range(ORDERS)]
        node = 1  # the bits so far behind a leading 1
        while node < 256:
            keys = [context + node for context in contexts]
            seen = [counters.get(key) for key in keys]
            inputs = [stretch[found[0] // FINE] if found else 0 for found in seen]
            weights = self._weights[ORDERS - seen.count(None)]
            odds = sum(map(int.__mul__, weights, inputs)) // WEIGHT
            probability = squash[-BOUND if odds < -BOUND else min(odds, BOUND)]
            middle = low + ((high - low) * probability >> 16)
            bit = int(value <= middle) if byte is None else byte >> 8 - node.bit_length() & 1
            if bit:
                high = middle
            else:
                low = middle + 1
            error = (ONE - 1 if bit else 0) - probability
            for order, given in enumerate(inputs):
                weights[order] += error * given >> _RATE + 8
            for key, found in zip(keys, seen, strict=True):
                chance, number = found or (ONE // 2, 0)
                chance += ((ONE - 1 if bit else 0) - chance) * moves[number] // ONE
                counters[key] = chance, min(number + 1, SLOWEST)
            node = 2 * node + bit
            while low ^ high < TOP:
                low, high, value = coder.shift(low, high, value)
        coder.low, coder.high, coder.value = low, high, value
        if len(counters) > MOST_COUNTERS:
            counters.clear()
        self._last = (self._last << 8 | node & 255) & 0xFFFFFFFF
        return node & 255
