"""The primed text model: predicts the decisions of a text's words, and writes them with an arithmetic coder.

Each decision at a node of the word tree is predicted from nine counters: the node's own, those of five contexts in the
corpus (`contexts`), and three of the page so far (the node alone, and after the last one and two words). The state of
each counter adds log odds from a table that was fitted on other texts; which set of tables is used depends on the
longest context that the corpus knows. What a page teaches is kept for that page, and the tables never change.

All that decides is integer arithmetic, so a text decodes on every machine.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import numpy as np

from sensorium.puzzle.arithmetic_coder import MOST_COUNTERS, TOP, Coder
from sensorium.puzzle.contexts import CHECK, MASK, ORDERS, node_keys, of_words
from sensorium.puzzle.evidence import BOUND, STATES, page_steps, squash_table
from sensorium.puzzle.word_tree import WordTree
from sensorium.puzzle.words import Vocabulary

COUNTERS = 9
PAGE_ORDERS = 3  # contexts of the page: none, one word, two words
SETS = ORDERS + 1  # by the longest context that the corpus knows, 0..4
BEGINNING = (-1,) * ORDERS  # the words before a text


class PrimedModel:
    """The model.

    Args:
        words: the vocabulary.
        tree: its tree.
        table: counters of the corpus, uint16 [2^k], k <= 32: a check of 7 bits and a state of 9.
        node_odds: log odds of each node, int [sets, nodes].
        odds: log odds of each state of each context, int [sets, 5, 512]; 0 of the state 0.
        page_odds: log odds of each state of the page's counters, int [sets, 3, 64].
        mark: number 0..96 that its grids carry.
    """

    def __init__(
        self,
        words: Vocabulary,
        tree: WordTree,
        table: np.ndarray,
        node_odds: np.ndarray,
        odds: np.ndarray,
        page_odds: np.ndarray,
        mark: int = 0,
    ) -> None:
        self.words, self.tree, self.mark = words, tree, mark
        self._table = array(
            "H", np.ascontiguousarray(table, np.uint16).tobytes()
        )  # faster than an ndarray, item by item
        self._shift = 32 - (len(table).bit_length() - 1)
        self._keys = node_keys(len(tree.kids) // 2)
        rows = (np.clip(part, -BOUND, BOUND) for part in (node_odds[:, None], odds, page_odds))
        self._sets = [tuple(row for part in parts for row in part.tolist()) for parts in zip(*rows, strict=True)]
        self._squash, self._steps = squash_table(COUNTERS), page_steps()

    def encode(self, text: bytes, most: int | None = None) -> tuple[bytes, int]:
        """The code of a text, and how much of it that is, in bytes; the length is not in the code.

        Args:
            text: any bytes.
            most: the most bytes that the code may have; a longer text is cut after the last word that fits.
        """
        coder, last, size = Coder(), BEGINNING, 0
        page: dict[int, int] = {}
        for number in self.words.encode(text):
            before = coder.bounds()
            self._word(coder, page, last, iter(self.tree.paths[number]))
            if most is not None and coder.size() > most:
                coder.back(before)
                break
            size += len(self.words.spelled[number])
            last = (number, *last[:-1])
        return coder.end(), size

    def decode(self, code: bytes, length: int) -> bytes:
        """The `length` bytes of a text from its code. Of any other bytes, it makes some text of that length."""
        coder, last, size = Coder(code), BEGINNING, 0
        page: dict[int, int] = {}
        parts: list[bytes] = []
        while size < length:
            number = self._word(coder, page, last, None)
            last = (number, *last[:-1])
            parts.append(self.words.spelled[number])
            size += len(parts[-1])
        return b"".join(parts)[:length]

    def _word(self, coder: Coder, page: dict[int, int], last: Sequence[int], path: Iterator[int] | None) -> int:
        """Write the word at the end of the path; without one, read the next word. Returns its number."""
        table, shift, kids, keys, sets, squash = (
            self._table,
            self._shift,
            self.tree.kids,
            self._keys,
            self._sets,
            self._squash,
        )
        low, high, value = coder.low, coder.high, coder.value
        first, second, third, fourth, skip = of_words(last)
        page_one, page_two = first, second
        after = self._steps
        node = 0
        while node >= 0:
            key, known = keys[node], 0
            # A context that has not seen a node has not seen those below it either: it is dropped (-1).
            one = table[(at := first + key & MASK) >> shift] ^ at << 9 & CHECK if first >= 0 else STATES
            if 0 < one < STATES:
                known = 1
            else:
                one, first = 0, -1
            two = table[(at := second + key & MASK) >> shift] ^ at << 9 & CHECK if second >= 0 else STATES
            if 0 < two < STATES:
                known = 2
            else:
                two, second = 0, -1
            three = table[(at := third + key & MASK) >> shift] ^ at << 9 & CHECK if third >= 0 else STATES
            if 0 < three < STATES:
                known = 3
            else:
                three, third = 0, -1
            four = table[(at := fourth + key & MASK) >> shift] ^ at << 9 & CHECK if fourth >= 0 else STATES
            if 0 < four < STATES:
                known = 4
            else:
                four, fourth = 0, -1
            five = table[(at := skip + key & MASK) >> shift] ^ at << 9 & CHECK if skip >= 0 else STATES
            if not 0 < five < STATES:
                five, skip = 0, -1
            key_1, key_2 = page_one + key, page_two + key
            seen, seen_1, seen_2 = page.get(key, 0), page.get(key_1, 0), page.get(key_2, 0)
            n, a, b, c, d, e, p, q, r = sets[known]
            odds = n[node] + a[one] + b[two] + c[three] + d[four] + e[five] + p[seen] + q[seen_1] + r[seen_2]
            middle = low + ((high - low) * squash[odds] >> 16)
            bit = value <= middle if path is None else next(path)
            if bit:
                high = middle
            else:
                low = middle + 1
            step = after[bit]
            page[key], page[key_1], page[key_2] = step[seen], step[seen_1], step[seen_2]
            node = kids[2 * node + bit]
            while (low ^ high) < TOP:
                low, high, value = coder.shift(low, high, value)
        coder.low, coder.high, coder.value = low, high, value
        if len(page) > MOST_COUNTERS:
            page.clear()
        return ~node
