"""What a context has seen, in few bits: states of counters, their log odds, and the squashing function, all integers.

A state stands for how often the decision at a node was 0 and 1 in a context. Counters of the corpus have 512 states:
exact pairs of counts up to a sum of 7; beyond that the log odds in steps of 1/4 nat and the sum in octaves. Counters of
the page that is being written have 64 states, pairs of counts up to 7, in which an observation makes the opposite ones
fade (the indirect contexts of Mahoney, "Adaptive weighing of context models for lossless data compression", 2005).

Log odds are integers in units of 1/256 nat. What decodes uses tables that are stored or written down here, and never
calls exp or log, whose last digits differ between machines.
"""

from __future__ import annotations

import numpy as np

UNIT = 256  # steps of a nat
BOUND = 12 * UNIT - 1  # of log odds
ONE = 1 << 16  # probabilities are integers above 0 and below this
STEP = UNIT // 4
# 65536 / (1 + exp(-x)) at x = 0, 1/4, ..., 12 nat; straight lines between them.
_KNOTS = (
    *(32768, 36843, 40793, 44511, 47911, 50941, 53581, 55834, 57724, 59287, 60565, 61598, 62428, 63090, 63615, 64030),
    *(64357, 64614, 64816, 64974, 65097, 65194, 65269, 65328, 65374, 65410, 65438, 65459, 65476, 65489, 65500, 65508),
    *(65514, 65519, 65523, 65526, 65528, 65530, 65531, 65532, 65533, 65534, 65534, 65535, 65535, 65535, 65535, 65535),
    65535,
)

EXACT = 7  # largest sum of counts that is kept as it is
STATES = 512  # of a counter of the corpus; 0: never seen
OCTAVES = 6
_LEVELS = 79  # of log odds beyond EXACT: -39 / 4 to 39 / 4 nat
_FIRST = 1 + sum(total + 1 for total in range(1, EXACT + 1))  # state from which log odds go in steps
CONFIDENCES = 1 + 2 * EXACT + OCTAVES
PAGE_COUNT = 7
PAGE_STATES = (PAGE_COUNT + 1) ** 2
SPREAD = 0.4  # is added to both counts (Krichevsky and Trofimov, 1981, add 0.5)


def squash_table(terms: int) -> list[int]:
    """Probability of a 1, in 65536ths, of a sum of log odds: entry z is that of z, entry -z that of -z.

    Args:
        terms: how many log odds are added, each between -BOUND and BOUND. The sum is cut to that range as well.
    """
    rising = []
    for odds in range(BOUND + 1):
        knot, rest = divmod(odds, STEP)
        rising.append(_KNOTS[knot] + (_KNOTS[knot + 1] - _KNOTS[knot]) * rest // STEP)
    rising += rising[-1:] * BOUND * (terms - 1)
    return rising + [ONE - value for value in reversed(rising[1:])]  # a list's index may be negative


def states_of(zeros: np.ndarray, ones: np.ndarray) -> np.ndarray:
    """The state uint16 of each pair of counts; 0 where both are 0."""
    total = zeros + ones
    exact = total * (total + 1) // 2 + ones  # pairs in order of their sum, then of the ones
    level = np.clip(np.rint(4 * _odds(zeros, ones)), -(_LEVELS // 2), _LEVELS // 2).astype(np.int64) + _LEVELS // 2
    octave = np.clip(np.log2(np.maximum(total, 1)).astype(np.int64) - 3, 0, OCTAVES - 1)
    return np.where(total <= EXACT, exact, _FIRST + octave * _LEVELS + level).astype(np.uint16)


def odds_of_states() -> tuple[np.ndarray, np.ndarray]:
    """Log odds in nats, float64 [512], and confidence 0..20, int64 [512], of each state."""
    odds, confidence = np.zeros(STATES), np.zeros(STATES, np.int64)
    state = 1
    for total in range(1, EXACT + 1):
        for ones in range(total + 1):
            odds[state] = _odds(np.array(total - ones), np.array(ones))
            confidence[state] = 2 * total - (ones in (0, total))
            state += 1
    for octave in range(OCTAVES):
        span = slice(_FIRST + octave * _LEVELS, _FIRST + (octave + 1) * _LEVELS)
        odds[span] = (np.arange(_LEVELS) - _LEVELS // 2) / 4
        confidence[span] = 1 + 2 * EXACT + octave
    return odds, confidence


def page_odds() -> np.ndarray:
    """Log odds in nats of each state of the page's counters, float64 [64]."""
    zeros, ones = np.divmod(np.arange(PAGE_STATES), PAGE_COUNT + 1)
    return np.where(zeros + ones > 0, _odds(zeros, ones), 0)


def page_steps() -> tuple[list[int], list[int]]:
    """The state after each state of the page's counters, once a 0 and once a 1 was observed."""

    def after(state: int, bit: int) -> int:
        counts = list(divmod(state, PAGE_COUNT + 1))
        counts[bit] = min(counts[bit] + 1, PAGE_COUNT)
        if counts[1 - bit] > 2:
            counts[1 - bit] = 1 + counts[1 - bit] // 2
        return counts[0] * (PAGE_COUNT + 1) + counts[1]

    return [after(state, 0) for state in range(PAGE_STATES)], [after(state, 1) for state in range(PAGE_STATES)]


def _odds(zeros: np.ndarray, ones: np.ndarray) -> np.ndarray:
    return np.log((ones + SPREAD) / (zeros + SPREAD))
