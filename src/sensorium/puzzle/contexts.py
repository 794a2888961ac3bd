"""The contexts in which a word is predicted, as hashes of 32 bits, one word at a time or for whole texts.

Orders 1 to 4 are the last words, 1 to 4 of them; `skip` is the last but one alone. A decision in a context has a key of
32 bits: its high bits choose the slot of a table, its low 7 bits are stored there, so that of 128 strangers who look
there one is taken for an acquaintance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ORDERS = 4
HASHED = ORDERS + 1  # contexts with a table: the orders from 1, and skip
MASK = 0xFFFFFFFF
CHECK = 0xFE00  # the part of a slot's 16 bits that holds the check; the rest is a state
_FACTOR, _NODE = 0x9E3779B1, 0x85EBCA6B
_START, _SKIP = 0x2545F491, 0x1B873593


def advance(context: int, word: int) -> int:
    """The context with one more word, further back; -1 stands for what is before the text."""
    context = (context + word + 1) * _FACTOR & MASK
    return context ^ context >> 15


def of_words(last: Sequence[int]) -> tuple[int, int, int, int, int]:
    """The contexts after the last four words, the newest first."""
    first, second, third, fourth = last
    one = advance(_START, first)
    two = advance(one, second)
    three = advance(two, third)
    return one, two, three, advance(three, fourth), advance(_SKIP, second)


def node_keys(nodes: int) -> list[int]:
    """What each node of the tree adds to a context's hash."""
    return [(node + 1) * _NODE & MASK for node in range(nodes)]


def of_texts(texts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The contexts of every word of texts.

    Args:
        texts: words of each, int64.

    Returns:
        all words joined, int64 [n]; their contexts uint64 [5, n].
    """
    before = np.full(ORDERS, -1, np.int64)
    padded = np.concatenate([part for text in texts for part in (before, text)])
    lengths = np.array([len(text) for text in texts])
    starts = np.repeat(np.cumsum(lengths + ORDERS) - lengths, lengths)
    places = starts + np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    contexts, context = [], np.full(len(places), _START, np.uint64)
    for back in range(1, ORDERS + 1):
        context = _advance(context, padded[places - back])
        contexts.append(context)
    contexts.append(_advance(np.full(len(places), _SKIP, np.uint64), padded[places - 2]))
    return padded[places], np.stack(contexts)


def _advance(contexts: np.ndarray, words: np.ndarray) -> np.ndarray:
    moved = (contexts + (words + 1).astype(np.uint64)) * np.uint64(_FACTOR) & np.uint64(MASK)
    return np.asarray(moved ^ moved >> np.uint64(15))
