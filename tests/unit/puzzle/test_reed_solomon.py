"""Reed-Solomon over GF(997): up to half the parity is corrected, wherever it is, and more is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.puzzle.reed_solomon import GENERATOR, PRIME, ReedSolomon, TooManyErrors

CODES = {(300, 10): ReedSolomon(300, 10), (9, 4): ReedSolomon(9, 4)}


def damaged(code: ReedSolomon, seed: int, errors: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Data, its code word, and the word with that many symbols wrong."""
    rng = np.random.default_rng(seed)
    data = rng.integers(0, PRIME, code.data)
    word = code.encode(data)
    wrong, places = word.copy(), rng.choice(code.length, errors, replace=False)
    wrong[places] = (wrong[places] + rng.integers(1, PRIME, errors)) % PRIME
    return data, word, wrong


def test_the_generator_makes_all_units():
    assert len({pow(GENERATOR, power, PRIME) for power in range(PRIME - 1)}) == PRIME - 1


def test_code_words_have_their_roots():
    """By the definition: the polynomial of the word is 0 at a, a^2, ..., a^10."""
    _, word, _ = damaged(CODES[300, 10], 0, 0)
    for power in range(1, 11):
        root = pow(GENERATOR, power, PRIME)
        assert sum(int(symbol) * pow(root, place, PRIME) for place, symbol in enumerate(word)) % PRIME == 0


@pytest.mark.parametrize("shape", CODES)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_up_to_half_the_parity_is_corrected(shape, seed, share):
    code = CODES[shape]
    errors = round(share * (code.parity // 2))
    data, word, wrong = damaged(code, seed, errors)
    assert np.array_equal(word[: code.data], data)
    found, repaired = code.decode(wrong)
    assert np.array_equal(found, data)
    assert repaired == errors


@given(seed=st.integers(0, 2**32 - 1), errors=st.integers(6, 40))
@settings(max_examples=60, deadline=None)
def test_more_errors_are_refused(seed, errors):
    """One word in some 50,000 would be corrected to another one; the check sum of a text is for those."""
    code = CODES[300, 10]
    _, _, wrong = damaged(code, seed, errors)
    with pytest.raises(TooManyErrors):
        code.decode(wrong)


def test_symbols_beyond_the_field_are_errors():
    code = CODES[300, 10]
    data, word, _ = damaged(code, 1, 0)
    wrong = word.copy()
    wrong[[3, 299]] = [997, 999]
    found, _ = code.decode(wrong)
    assert np.array_equal(found, data)
