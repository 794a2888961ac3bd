"""Reed-Solomon code over GF(997): a grid's 300 symbols of three digits each, some of them parity.

997 is the largest prime of three digits, so a symbol is three cells and the field needs no tables of its own: sums and
products are those of the integers modulo 997. The code word c of n symbols is the polynomial sum c[i] x^i, whose
roots are a, a^2, ..., a^p (a = 7 generates the field's 996 units). Any p // 2 wrong symbols are found and corrected
(Berlekamp and Massey for the locator, Chien's search for its roots, Forney's formula for the values: Blahut,
"Algebraic codes for data transmission", 2003, chapter 7); more are nearly always noticed, and the check sum of the
text notices the rest.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

PRIME = 997
GENERATOR = 7


class TooManyErrors(Exception):
    """More symbols are wrong than the code corrects."""


def _powers(base: int, exponents: np.ndarray) -> np.ndarray:
    """base^exponents modulo 997."""
    table = np.empty(PRIME - 1, np.int64)
    value = 1
    for exponent in range(PRIME - 1):
        table[exponent] = value
        value = value * base % PRIME
    return table[exponents % (PRIME - 1)]


def _inverse(value: int) -> int:
    return pow(value, -1, PRIME)


class ReedSolomon:
    """Code words of `length` symbols, the last `parity` of which are parity.

    Args:
        length: symbols of a code word, at most 996.
        parity: parity symbols; half as many wrong symbols are corrected.
    """

    def __init__(self, length: int, parity: int) -> None:
        self.length, self.parity = length, parity
        self.data = length - parity

    @cached_property
    def _checks(self) -> np.ndarray:
        """Powers of the roots, int64 [parity, length]: a word's syndromes are the product."""
        return _powers(GENERATOR, np.outer(np.arange(1, self.parity + 1), np.arange(self.length)))

    @cached_property
    def _encoder(self) -> np.ndarray:
        """Matrix [parity, data] from data symbols to parity symbols: both parts of the syndromes cancel."""
        left, right = self._checks[:, : self.data], self._checks[:, self.data :]
        return -_solve(right, left) % PRIME

    def encode(self, data: np.ndarray) -> np.ndarray:
        """The code word int64 [length] of data symbols 0..996, int64 [data]."""
        return np.concatenate([data, self._encoder @ data % PRIME])

    def decode(self, word: np.ndarray) -> tuple[np.ndarray, int]:
        """The data symbols of a word int64 [length] with at most parity // 2 wrong symbols, and how many were wrong.

        Raises:
            TooManyErrors: if no code word is that near.
        """
        word = np.asarray(word, np.int64)
        corrected = word % PRIME
        wrong = int((word >= PRIME).sum())
        syndromes = self._checks @ corrected % PRIME
        if syndromes.any():
            locator = _locator(syndromes.tolist())
            corrected, found = self._corrected(corrected, syndromes, locator)
            wrong = max(wrong, found)
        return corrected[: self.data], wrong

    def _corrected(self, word: np.ndarray, syndromes: np.ndarray, locator: list[int]) -> tuple[np.ndarray, int]:
        errors = len(locator) - 1
        if errors > self.parity // 2:
            raise TooManyErrors
        inverses = _powers(GENERATOR, -np.arange(self.length))
        places = np.flatnonzero(_evaluate(locator, inverses) == 0)
        if len(places) != errors:
            raise TooManyErrors
        # Forney with the first root a^1: the error at x = a^place is -omega(1/x) / locator'(1/x).
        omega = [
            sum(locator[j] * int(syndromes[i - j]) for j in range(min(i, errors) + 1)) % PRIME
            for i in range(self.parity)
        ]
        slope = [i * value % PRIME for i, value in enumerate(locator)][1:]
        at = inverses[places]
        values = -_evaluate(omega[:errors], at) * np.array([_inverse(int(v)) for v in _evaluate(slope, at)])
        repaired = word.copy()
        repaired[places] = (repaired[places] - values) % PRIME
        if (self._checks @ repaired % PRIME).any():
            raise TooManyErrors
        return repaired, errors


def _evaluate(polynomial: list[int], points: np.ndarray) -> np.ndarray:
    """Values of sum polynomial[i] x^i at the points, modulo 997."""
    value = np.zeros_like(points)
    for coefficient in reversed(polynomial):
        value = (value * points + coefficient) % PRIME
    return value


def _locator(syndromes: list[int]) -> list[int]:
    """Berlekamp and Massey: the shortest recurrence that the syndromes follow, as a polynomial with constant 1."""
    current, previous = [1], [1]
    length, shift, last = 0, 1, 1
    for place, syndrome in enumerate(syndromes):
        terms = range(1, min(length, len(current) - 1) + 1)
        discrepancy = (syndrome + sum(current[i] * syndromes[place - i] for i in terms)) % PRIME
        if discrepancy == 0:
            shift += 1
            continue
        scale = discrepancy * _inverse(last) % PRIME
        padded = current + [0] * (len(previous) + shift - len(current))
        updated = padded[:]
        for i, value in enumerate(previous):
            updated[i + shift] = (updated[i + shift] - scale * value) % PRIME
        if 2 * length <= place:
            length, previous, last, shift = place + 1 - length, current, discrepancy, 1
        else:
            shift += 1
        current = updated
    while len(current) > 1 and current[-1] == 0:
        current.pop()
    if len(current) - 1 != length:
        raise TooManyErrors
    return current


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """X of matrix @ X = right modulo 997, by Gauss and Jordan; the matrix is regular."""
    size = len(matrix)
    rows = np.concatenate([matrix, right], 1) % PRIME
    for column in range(size):
        pivot = column + int(np.flatnonzero(rows[column:, column])[0])
        rows[[column, pivot]] = rows[[pivot, column]]
        rows[column] = rows[column] * _inverse(int(rows[column, column])) % PRIME
        others = np.arange(size) != column
        rows[others] = (rows[others] - rows[others, column][:, None] * rows[column]) % PRIME
    return rows[:, size:]
