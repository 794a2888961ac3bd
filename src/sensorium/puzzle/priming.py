"""Priming: counts the decisions of a corpus in all contexts, and fits what each count adds to the log odds.

Counting is a sort; the counters that were seen most often get the slots of the table. The fit is a logistic regression
on texts that were not counted, cut into pages: for each set of tables (`PrimedModel`), a factor for each context and
confidence of a state, a factor for the node's own odds, and the odds of each state of the page's counters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from sensorium.puzzle.contexts import HASHED, MASK, ORDERS, node_keys, of_texts
from sensorium.puzzle.evidence import CONFIDENCES, PAGE_STATES, STATES, UNIT, odds_of_states, page_odds, page_steps, states_of
from sensorium.puzzle.primed_model import PAGE_ORDERS, SETS, PrimedModel
from sensorium.puzzle.word_tree import WordTree, huffman_lengths
from sensorium.puzzle.words import Words, train_words

PAGE_BYTES = 1500


@dataclass
class Decisions:
    nodes: np.ndarray
    bits: np.ndarray
    contexts: np.ndarray  # [5, words]
    lengths: np.ndarray  # [words]


def decisions_of(texts, tree):
    nodes, bits = tree.decisions()
    ends = np.cumsum(tree.lengths.astype(np.int64))
    words, contexts = of_texts(texts)
    lengths = tree.lengths[words].astype(np.int64)
    at = np.repeat(ends[words] - np.cumsum(lengths), lengths) + np.arange(lengths.sum())
    return Decisions(nodes[at], bits[at], contexts, lengths)


def count(texts, tree, slots):
    decisions = decisions_of(texts, tree)
    keys_of_nodes = np.array(node_keys(len(tree.kids) // 2), np.uint64)[decisions.nodes]
    keys, zeros, ones = [], [], []
    for context in decisions.contexts:
        key = np.repeat(context, decisions.lengths) + keys_of_nodes & np.uint64(MASK)
        both = np.sort(key << np.uint64(1) | decisions.bits)
        key = both >> np.uint64(1)
        starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
        total = np.diff(np.append(starts, len(key)))
        one = np.add.reduceat((both & np.uint64(1)).astype(np.int32), starts)
        keys.append(key[starts].astype(np.uint32)); ones.append(one); zeros.append(total - one)
    keys, zeros, ones = map(np.concatenate, (keys, zeros, ones))
    order = np.argsort(zeros + ones, kind="stable")
    keys, zeros, ones = keys[order], zeros[order], ones[order]
    table = np.zeros(1 << slots, np.uint16)
    table[keys >> (32 - slots)] = ((keys & 127) << 9).astype(np.uint16) | states_of(zeros.astype(np.int64), ones.astype(np.int64))
    node_counts = [np.bincount(decisions.nodes[decisions.bits == bit], minlength=len(tree.kids) // 2) for bit in (0, 1)]
    print('entries', len(keys), 'filled', (table > 0).mean(), 'single', ((zeros+ones)==1).mean())
    return table, node_counts


def look_up(table, d, tree):
    """states [5, n]"""
    slots = len(table).bit_length() - 1
    keys_of_nodes = np.array(node_keys(len(tree.kids) // 2), np.uint64)[d.nodes]
    first = np.concatenate([[0], np.cumsum(d.lengths)[:-1]])
    out = []
    for context in d.contexts:
        key = (np.repeat(context, d.lengths) + keys_of_nodes & np.uint64(MASK)).astype(np.uint32)
        found = table[key >> (32 - slots)] ^ ((key << 9) & 0xFE00).astype(np.uint16)
        found[found >= STATES] = 0
        lost = np.cumsum(found == 0)
        before = np.concatenate([[0], lost])[first]
        found[lost - np.repeat(before, d.lengths) > 0] = 0
        out.append(found)
    return np.stack(out)


def page_states(d, pages, words_of_page, tree):
    keys = node_keys(len(tree.kids) // 2)
    after = page_steps()
    out = np.zeros((PAGE_ORDERS, len(d.nodes)), np.uint8)
    nodes, bits = d.nodes.tolist(), d.bits.tolist()
    lengths = d.lengths.tolist(); one = d.contexts[0].tolist(); two = d.contexts[1].tolist()
    place = word = 0
    r0, r1, r2 = [], [], []
    for count in words_of_page:
        page = {}
        for w in range(word, word + count):
            f, s = one[w], two[w]
            for i in range(place, place + lengths[w]):
                k = keys[nodes[i]]
                st = after[bits[i]]
                a = page.get(k, 0); b = page.get(f + k, 0); c = page.get(s + k, 0)
                r0.append(a); r1.append(b); r2.append(c)
                page[k] = st[a]; page[f + k] = st[b]; page[s + k] = st[c]
            place += lengths[w]
        word += count
    return np.array([r0, r1, r2], np.uint8)
