"""Words: a byte-level byte-pair encoding, exact for any bytes.

Training (Gage, "A new algorithm for data compression", 1994; Sennrich et al. 2016 for language): the pair of
neighbouring words that occurs most often becomes a word, again and again; the first 256 words are the bytes. Texts are
cut into pieces beforehand (runs of letters, digits, signs or white space, a blank before them included), and no word
crosses a piece. Ties are broken by the numbers of the words, so equal texts make equal words on every machine.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

BYTES = 256
LONGEST = 24  # bytes of a piece; encoding one takes time in its square
_PIECES = re.compile(
    rb" ?[A-Za-z\x80-\xff]{1,24}| ?[0-9]{1,24}|\s{1,24}(?=\s)| ?[^\sA-Za-z0-9\x80-\xff]{1,24}|\s{1,24}"
)

Pair = tuple[int, int]


def train_words(texts: Iterable[bytes], size: int) -> np.ndarray:
    """Learn words.

    Args:
        texts: to learn from.
        size: words wanted, the 256 bytes included.

    Returns:
        The pairs that become words 256, 257, ..., uint16 [size - 256, 2]; fewer if the texts have no more pairs.
    """
    pieces: Counter[bytes] = Counter()
    for text in texts:
        pieces.update(_PIECES.findall(text))
    ordered = sorted(pieces.items())
    sequences, counts = [list(piece) for piece, _ in ordered], [count for _, count in ordered]
    pairs: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for number, (sequence, count) in enumerate(zip(sequences, counts, strict=True)):
        for pair in pairwise(sequence):
            pairs[pair] += count
            places[pair].add(number)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    merges: list[Pair] = []
    while len(merges) < size - BYTES and heap:
        count, best = heapq.heappop(heap)
        if pairs[best] != -count:  # changed since it was put there; its present count stands there too
            continue
        merges.append(best)
        changed: Counter[Pair] = Counter()
        for number in sorted(places.pop(best)):
            before, weight = sequences[number], counts[number]
            after = _merged(before, best, BYTES - 1 + len(merges))
            sequences[number] = after
            for pair in pairwise(before):
                changed[pair] -= weight
            for pair in pairwise(after):
                changed[pair] += weight
                places[pair].add(number)
        for pair, change in changed.items():
            pairs[pair] += change
            if change and pairs[pair] > 0:
                heapq.heappush(heap, (-pairs[pair], pair))
    return np.array(merges, np.uint16).reshape(-1, 2)


def _merged(sequence: Sequence[int], pair: Pair, word: int) -> list[int]:
    merged, place, first, second = [], 0, *pair
    while place < len(sequence):
        if sequence[place] == first and place + 1 < len(sequence) and sequence[place + 1] == second:
            merged.append(word)
            place += 2
        else:
            merged.append(sequence[place])
            place += 1
    return merged


class Vocabulary:
    """The words of some training.

    Args:
        merges: the pairs, integers [n, 2]; each names earlier words only.

    Attributes:
        spelled: the bytes of each word.

    Raises:
        ValueError: if a pair names a word that is not there before it.
    """

    def __init__(self, merges: np.ndarray) -> None:
        self.spelled = [bytes([value]) for value in range(BYTES)]
        for first, second in merges.tolist():
            if not (0 <= first < len(self.spelled) and 0 <= second < len(self.spelled)):
                raise ValueError(f"word {len(self.spelled)} is made of {first} and {second}, which are not before it")
            self.spelled.append(self.spelled[first] + self.spelled[second])
        self._rank = {(first, second): rank for rank, (first, second) in enumerate(merges.tolist())}
        self._known: dict[bytes, list[int]] = {}

    def __len__(self) -> int:
        return len(self.spelled)

    def encode(self, text: bytes) -> list[int]:
        """Numbers of the words of a text."""
        numbers: list[int] = []
        for piece in _PIECES.findall(text):
            found = self._known.get(piece)
            numbers += self._piece(piece) if found is None else found
        return numbers

    def decode(self, numbers: Iterable[int]) -> bytes:
        """The text of some words."""
        spelled = self.spelled
        return b"".join([spelled[number] for number in numbers])

    def _piece(self, piece: bytes) -> list[int]:
        sequence, rank, none = list(piece), self._rank, len(self._rank)
        while len(sequence) > 1:
            best = min(pairwise(sequence), key=lambda pair: rank.get(pair, none))
            number = rank.get(best)
            if number is None:
                break
            sequence = _merged(sequence, best, BYTES + number)
        if len(self._known) < 1 << 16:  # a cache without end would be a leak
            self._known[piece] = sequence
        return sequence
