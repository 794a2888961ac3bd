"""The models of the dense layout: exact, the same in both directions, and better for what they know."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_texts import CONFIG, UNSEEN, arrays, codes, texts

from sensorium.puzzle import empty_model
from sensorium.puzzle.evidence import BOUND, ONE, UNIT, odds_of_states, page_steps, squash_table, states_of
from sensorium.puzzle.priming import Decisions, count, look_up, page_states
from sensorium.puzzle.text_codes import TextCodes
from sensorium.puzzle.train_puzzle_text import prime
from sensorium.puzzle.word_tree import WordTree

PAGE = UNSEEN[:1200]
anything = st.one_of(st.binary(max_size=120), st.text(max_size=60).map(str.encode))


@given(anything)
@settings(max_examples=60, deadline=None)
def test_the_primed_model_is_exact(text):
    code, size = codes().model.encode(text)
    assert size == len(text)
    assert codes().model.decode(code, len(text)) == text


@given(anything)
@settings(max_examples=40, deadline=None)
def test_the_empty_model_is_exact(text):
    assert empty_model.decode(empty_model.encode(text), len(text)) == text


@given(st.binary(max_size=40), st.integers(0, 300))
@settings(max_examples=30, deadline=None)
def test_other_bytes_make_some_text_of_the_length(code, length):
    assert len(codes().model.decode(code, length)) == length
    assert len(empty_model.decode(code, length)) == length


def test_priming_pays_and_so_does_each_table():
    """Of a page that was not counted: primed < without the page's counters, or without the corpus' < deflate."""
    text = UNSEEN[:2400]
    size = {"all": len(codes().model.encode(text)[0])}
    for name in ("counters", "page_odds"):
        without = TextCodes({**arrays(), name: np.zeros_like(arrays()[name])})
        size[name] = len(without.model.encode(text)[0])
    assert size["all"] < 0.85 * size["counters"]
    assert size["all"] < 0.99 * size["page_odds"]
    assert size["counters"] < len(zlib.compress(text, 9))


def test_the_empty_model_learns_on_the_page():
    assert len(empty_model.encode(PAGE)) < len(zlib.compress(PAGE, 9))
    assert len(empty_model.encode(b"ab" * 500)) < 20


def test_what_fits_is_a_beginning_and_decodes():
    for most in (20, 100):
        code, size = codes().model.encode(PAGE, most)
        assert len(code) <= most
        assert 0 < size < len(PAGE)
        assert codes().model.decode(code, size) == PAGE[:size]
        longer, _ = codes().model.encode(PAGE[: size + 24])
        assert len(longer) > most - 8


def test_the_corpus_is_seen_alike_by_sorting_and_word_by_word():
    """The states that are fitted on are those that coding sees: with them, the code is as long as they say."""
    tree = WordTree(arrays()["lengths"])
    numbers = np.array(codes().model.words.encode(PAGE), np.int64)
    decisions = Decisions.of([numbers], tree)
    states, page = look_up(arrays()["counters"], decisions, tree), page_states(decisions, tree)
    known = np.zeros(len(decisions.bits), np.int64)
    for order in range(4):
        known[states[order] > 0] = order + 1
    odds = arrays()["node_odds"][known, decisions.nodes].astype(np.int64)
    for context in range(5):
        odds += arrays()["state_odds"][known, context, states[context]]
    for order in range(3):
        odds += arrays()["page_odds"][known, order, page[order]]
    chance = np.array(squash_table(1))[np.clip(odds, -BOUND, BOUND)] / ONE
    bits = -np.log2(np.where(decisions.bits > 0, chance, 1 - chance)).sum()
    assert len(codes().model.encode(PAGE)[0]) * 8 == pytest.approx(bits, abs=8 + 0.001 * bits)


def test_counters_count():
    """A word that always follows another: the decision at the root after it was seen as often as the pair."""
    tree = WordTree(np.array([1, 2, 2], np.uint8))
    numbers = np.array([0, 1] * 5 + [0, 2], np.int64)
    decisions = Decisions.of([numbers], tree)
    table = count(decisions, tree, 16)
    seen = look_up(table, decisions, tree)
    second = np.flatnonzero(decisions.nodes == 1)[-1]  # the last word: five times 1 and once 2 after 0
    assert seen[0, second] == states_of(np.array([5]), np.array([1]))[0]


def test_frequent_contexts_keep_their_slots():
    """In a table of 16 slots, what is looked up most often is still found."""
    tree = WordTree(np.array([1, 2, 3, 4, 4], np.uint8))
    rng = np.random.default_rng(0)
    numbers = np.where(rng.random(4000) < 0.9, 0, rng.integers(1, 5, 4000)).astype(np.int64)
    decisions = Decisions.of([numbers], tree)
    seen = look_up(count(decisions, tree, 4), decisions, tree)
    assert (seen[0] > 0).mean() > 0.5


def test_states_keep_small_counts_and_the_odds_of_large_ones():
    odds, confidence = odds_of_states()
    zeros, ones = np.array([0, 3, 0, 300, 9000]), np.array([0, 2, 7, 100, 9000])
    states = states_of(zeros, ones)
    assert states[0] == 0
    assert states.max() < 512
    assert odds[states[1]] == pytest.approx(math.log(2.4 / 3.4))
    assert odds[states[3]] == pytest.approx(math.log(100 / 300), abs=0.15)
    assert len({int(state) for state in states}) == 5
    assert confidence[states[4]] > confidence[states[2]] > confidence[states[1]]


def test_the_page_forgets_what_was_contradicted():
    after_0, after_1 = page_steps()
    state = 0
    for _ in range(5):
        state = after_0[state]
    assert divmod(state, 8) == (5, 0)
    assert divmod(after_1[state], 8) == (3, 1)


def test_squash_is_the_logistic_function():
    table = squash_table(9)
    for odds in (-BOUND, -700, -1, 0, 1, 255, BOUND, 9 * BOUND, -9 * BOUND):
        bounded = max(-BOUND, min(BOUND, odds))
        assert table[odds] / ONE == pytest.approx(1 / (1 + math.exp(-bounded / UNIT)), abs=4e-4)
        assert 0 < table[odds] < ONE
        assert table[odds] + table[-odds] == ONE


def test_equal_texts_make_equal_artifacts():
    config = CONFIG.model_copy(update={"fit_rounds": 1})
    again = prime(config, [replace(text) for text in texts()])
    first = prime(config, texts())
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_codes_are_the_same_on_every_machine():
    """Integers alone decide, so the bytes that were written down here never change."""
    text = b"so it goes, and so it goes on; " * 8
    assert empty_model.encode(text).hex() == "8c8a143313e115bc623ceb7121c223dd84ce7179942f"
