"""A word as a row of binary decisions: Huffman's tree over the words of a text corpus.

Frequent words have short paths (Huffman, "A method for the construction of minimum-redundancy codes", 1952), so a text
needs about as many decisions as its words have bits, and each decision can be predicted from many contexts at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import numpy as np


class WordTree:
    """The tree.

    Args:
        lengths: of the path of each word, uint8 [V]; those of a full binary tree.

    Attributes:
        kids: for each inner node its two children, [2 (V - 1)]: an inner node n >= 0, or ~word for a word. Node 0 is
            the root.
        paths: for each word its decisions, 0 or 1, from the root.

    Raises:
        ValueError: if no full tree has these lengths.
    """

    def __init__(self, lengths: np.ndarray) -> None:
        self.lengths = np.asarray(lengths, np.uint8)
        self.kids: list[int] = []
        self.paths: list[tuple[int, ...]] = [()] * len(lengths)
        words = np.lexsort((np.arange(len(lengths)), self.lengths)).tolist()
        if len(words) < 2 or sum(1 << 255 - int(length) for length in lengths) != 1 << 255:
            raise ValueError("these lengths are those of no full tree")
        code, before = 0, 0
        nodes: dict[tuple[int, ...], int] = {}
        for word in words:  # the canonical code: words in order of length, then number
            length = int(self.lengths[word])
            code <<= length - before
            before = length
            self.paths[word] = tuple(code >> (length - 1 - place) & 1 for place in range(length))
            code += 1
            self._place(word, nodes)

    def _place(self, word: int, nodes: dict[tuple[int, ...], int]) -> None:
        path = self.paths[word]
        if not nodes:
            nodes[()] = 0
            self.kids += [0, 0]
        node = 0
        for depth, bit in enumerate(path):
            if depth == len(path) - 1:
                self.kids[2 * node + bit] = ~word
                return
            prefix = path[: depth + 1]
            if prefix not in nodes:
                nodes[prefix] = len(self.kids) // 2
                self.kids[2 * node + bit] = nodes[prefix]
                self.kids += [0, 0]
            node = nodes[prefix]

    def decisions(self) -> tuple[np.ndarray, np.ndarray]:
        """The nodes int64 and bits uint8 of all words' paths, one after the other."""
        nodes, bits = [], []
        for path in self.paths:
            node = 0
            for bit in path:
                nodes.append(node)
                bits.append(bit)
                node = self.kids[2 * node + bit]
        return np.array(nodes, np.int64), np.array(bits, np.uint8)


def huffman_lengths(counts: np.ndarray) -> np.ndarray:
    """Lengths of the paths, uint8 [V], for the numbers of occurrences of each word, integers [V]; V >= 2.

    A word that does not occur has a path too. Ties are broken by the words' numbers.
    """
    heap: list[tuple[int, int]] = [(4 * int(count) + 1, word) for word, count in enumerate(counts)]
    heapq.heapify(heap)
    parent: dict[int, int] = {}
    names: Iterator[int] = iter(range(len(counts), 2 * len(counts)))
    while len(heap) > 1:
        (first, left), (second, right) = heapq.heappop(heap), heapq.heappop(heap)
        name = next(names)
        parent[left] = parent[right] = name
        heapq.heappush(heap, (first + second, name))
    lengths = np.zeros(2 * len(counts), np.uint8)
    for name in range(2 * len(counts) - 3, -1, -1):
        lengths[name] = lengths[parent[name]] + 1
    return lengths[: len(counts)]
