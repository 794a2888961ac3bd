"""Words: exact for any bytes, the same on every machine, and shorter than bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_texts import UNSEEN, arrays, codes, texts

from sensorium.puzzle.word_tree import WordTree, huffman_lengths
from sensorium.puzzle.words import Vocabulary, train_words


@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
@settings(max_examples=150, deadline=None)
def test_any_bytes_come_back(text):
    assert codes().words.decode(codes().words.encode(text)) == text


def test_words_by_hand():
    """Pairs of "ababab ab": (a, b) occurs 4 times, then (ab, ab) in the first piece, and (blank, ab)."""
    merges = train_words([b"ababab ab"], 259)
    assert merges.tolist()[0] == [ord("a"), ord("b")]
    words = Vocabulary(merges)
    assert words.spelled[256] == b"ab"
    assert words.encode(b"ab abc") == [256, *words.encode(b" ab"), ord("c")]


def test_fewer_words_are_the_first_of_more():
    """So the 1,000 words of the legible layout are the first of the dense one's."""
    counted = [text.content for text in texts()[:3]]
    assert np.array_equal(train_words(counted, 400)[:44], train_words(counted, 300))


def test_words_are_longer_than_bytes():
    assert len(UNSEEN) / len(codes().words.encode(UNSEEN)) > 2


def test_a_word_of_words_that_come_later_is_refused():
    with pytest.raises(ValueError, match="word 257 is made of 300"):
        Vocabulary(np.array([[97, 98], [300, 97]]))


def test_huffman_paths_are_as_short_as_can_be():
    """Counts 8, 4, 2, 1, 1: the textbook's lengths."""
    assert huffman_lengths(np.array([8, 4, 2, 1, 1])).tolist() == [1, 2, 3, 4, 4]


def test_paths_lead_to_their_words():
    tree = WordTree(arrays()["lengths"])
    for word, path in enumerate(tree.paths):
        node = 0
        for bit in path:
            assert node >= 0
            node = tree.kids[2 * node + bit]
        assert ~node == word


@pytest.mark.parametrize("lengths", [[1, 1, 1], [1, 2], [1], []])
def test_lengths_of_no_tree_are_refused(lengths):
    with pytest.raises(ValueError, match="no full tree"):
        WordTree(np.array(lengths, np.uint8))
