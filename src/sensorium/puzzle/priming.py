"""Priming: what a corpus tells about each decision, as a table of counters.

Each decision of each word of the corpus is counted in every context (`contexts`) by sorting keys of 32 bits. Where two
keys want the same slot of the table, the one that was seen more often gets it. Nothing here depends on the order of
counting, and equal texts make equal tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sensorium.puzzle.contexts import CHECK, HASHED, MASK, node_keys, of_texts
from sensorium.puzzle.evidence import STATES, page_steps, states_of
from sensorium.puzzle.primed_model import PAGE_ORDERS
from sensorium.puzzle.word_tree import WordTree


@dataclass(frozen=True)
class Decisions:
    """The decisions of texts, [n] in all.

    Attributes:
        nodes: of the tree, int64 [n].
        bits: what was decided, uint8 [n].
        contexts: of each word, uint64 [5, words].
        lengths: decisions of each word, int64 [words].
        words: of each text, int64 [texts].
    """

    nodes: np.ndarray
    bits: np.ndarray
    contexts: np.ndarray
    lengths: np.ndarray
    words: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[np.ndarray], tree: WordTree) -> Decisions:
        """The decisions of texts, given as the numbers of their words, int64."""
        nodes, bits = tree.decisions()
        words, contexts = of_texts(texts)
        lengths = tree.lengths[words].astype(np.int64)
        ends = np.cumsum(tree.lengths, dtype=np.int64)  # of the words' paths
        places = np.repeat(ends[words] - np.cumsum(lengths), lengths) + np.arange(lengths.sum())
        return cls(nodes[places], bits[places], contexts, lengths, np.array([len(text) for text in texts]))

    def keys(self, context: int, tree: WordTree) -> np.ndarray:
        """The key of each decision in a context 0..4, uint64 [n]."""
        added = np.array(node_keys(len(tree.kids) // 2), np.uint64)[self.nodes]
        return np.repeat(self.contexts[context], self.lengths) + added & np.uint64(MASK)


def count(decisions: Decisions, tree: WordTree, slots: int) -> np.ndarray:
    """The table of counters, uint16 [2^slots], of a corpus."""
    table, most = np.zeros(1 << slots, np.uint16), np.zeros(1 << slots, np.int32)
    for context in range(HASHED):
        marked = np.sort(decisions.keys(context, tree) << np.uint64(1) | decisions.bits)
        key = marked >> np.uint64(1)
        first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
        ones = np.add.reduceat((marked & np.uint64(1)).astype(np.int32), first)
        total = np.diff(np.append(first, len(key))).astype(np.int32)
        key = key[first].astype(np.uint32)
        slot = key >> np.uint32(32 - slots)
        wins = np.flatnonzero(total > most[slot])
        wins = wins[np.argsort(total[wins], kind="stable")]  # the last one that is assigned to a slot stays
        states = states_of((total - ones)[wins].astype(np.int64), ones[wins].astype(np.int64))
        table[slot[wins]] = _checks(key[wins]) | states
        most[slot[wins]] = total[wins]
    return table


def node_counts(decisions: Decisions, tree: WordTree) -> np.ndarray:
    """How often each node decided 0 and 1, int64 [2, nodes]."""
    nodes = len(tree.kids) // 2
    return np.stack([np.bincount(decisions.nodes[decisions.bits == bit], minlength=nodes) for bit in (0, 1)])


def look_up(table: np.ndarray, decisions: Decisions, tree: WordTree) -> np.ndarray:
    """The state that the primed model sees of each context at each decision, uint16 [5, n]."""
    shift = np.uint32(32 - (len(table).bit_length() - 1))
    first = np.cumsum(decisions.lengths) - decisions.lengths
    found = []
    for context in range(HASHED):
        key = decisions.keys(context, tree).astype(np.uint32)
        state = table[key >> shift] ^ _checks(key)
        state[state >= STATES] = 0
        # Below a node that a context has not seen, it is not asked any more.
        lost = np.cumsum(state == 0)
        before = np.concatenate([[0], lost])[first]
        state[lost > np.repeat(before, decisions.lengths)] = 0
        found.append(state)
    return np.stack(found)


def page_states(decisions: Decisions, tree: WordTree) -> np.ndarray:
    """The states of the page's counters at each decision, uint8 [3, n]; each text is a page."""
    keys, after = node_keys(len(tree.kids) // 2), page_steps()
    nodes, bits, lengths = decisions.nodes.tolist(), decisions.bits.tolist(), decisions.lengths.tolist()
    one, two = decisions.contexts[0].tolist(), decisions.contexts[1].tolist()
    states: list[list[int]] = [[] for _ in range(PAGE_ORDERS)]
    place = word = 0
    for words in decisions.words.tolist():
        page: dict[int, int] = {}
        for _ in range(words):
            for _ in range(lengths[word]):
                key, step = keys[nodes[place]], after[bits[place]]
                for context, row in zip((key, one[word] + key, two[word] + key), states, strict=True):
                    seen = page.get(context, 0)
                    row.append(seen)
                    page[context] = step[seen]
                place += 1
            word += 1
    return np.array(states, np.uint8)


def _checks(keys: np.ndarray) -> np.ndarray:
    """The part of a slot that tells keys apart, of keys uint32."""
    return (keys << np.uint32(9) & np.uint32(CHECK)).astype(np.uint16)
