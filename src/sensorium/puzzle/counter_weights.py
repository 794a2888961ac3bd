"""What each counter adds to the log odds of a decision, fitted on texts that were not counted.

A logistic regression: for each of five sets (the longest context that the corpus knows) a factor for the log odds of
the node, a factor for those of a state of each context and confidence, and the log odds of each state of the page's
counters. The loss is convex; a small quadratic term holds what no page shows at where it began.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from sensorium.puzzle.contexts import HASHED, ORDERS
from sensorium.puzzle.evidence import (
    BOUND,
    CONFIDENCES,
    PAGE_STATES,
    SPREAD,
    UNIT,
    odds_of_states,
    page_odds,
)
from sensorium.puzzle.primed_model import PAGE_ORDERS, SETS

STIFFNESS = 1e-6  # of the quadratic term, in nats a decision
_NODE, _CONTEXT, _PAGE = SETS, SETS * HASHED * CONFIDENCES, SETS * PAGE_ORDERS * PAGE_STATES

Tables = tuple[np.ndarray, np.ndarray, np.ndarray]


def fit(
    node_counts: np.ndarray, nodes: np.ndarray, bits: np.ndarray, states: np.ndarray, page: np.ndarray, rounds: int
) -> Tables:
    """Fit the tables of `PrimedModel`.

    Args:
        node_counts: int [2, nodes of the tree].
        nodes: of each decision, int [n].
        bits: what was decided, [n].
        states: of the contexts, int [5, n].
        page: states of the page's counters, int [3, n].
        rounds: at most, of L-BFGS.

    Returns:
        Log odds in 256ths of a nat: of the nodes int16 [sets, nodes], of the contexts' states int16 [sets, 5, 512], and
        of the page's int16 [sets, 3, 64].
    """
    zeros, ones = node_counts
    node_odds = np.log((ones + SPREAD) / (zeros + SPREAD))
    odds, confidence = odds_of_states()
    known = _longest(states)
    terms = [(known, node_odds[nodes], SETS, slice(0, _NODE))]
    for context, state in enumerate(states):
        place = (known * HASHED + context) * CONFIDENCES + confidence[state]
        terms.append((place, odds[state], _CONTEXT, slice(_NODE, _NODE + _CONTEXT)))
    for order, state in enumerate(page):
        place = (known * PAGE_ORDERS + order) * PAGE_STATES + state
        terms.append((place, np.ones(1), _PAGE, slice(_NODE + _CONTEXT, None)))
    start = np.concatenate([np.full(_NODE + _CONTEXT, 0.3), np.tile(0.15 * page_odds(), SETS * PAGE_ORDERS)])
    sign = np.where(bits > 0, 1.0, -1.0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total = np.zeros(len(sign))
        for place, value, _, span in terms:
            total += weights[span][place] * value
        margin = sign * total
        slope = -sign / (1 + np.exp(np.minimum(margin, 500))) / len(sign)
        gradient = 2 * STIFFNESS * (weights - start)
        for place, value, size, span in terms:
            gradient[span] += np.bincount(place, slope * value, size)
        return float(np.logaddexp(0, -margin).mean() + STIFFNESS * np.square(weights - start).sum()), gradient

    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": rounds}).x
    of_contexts = fitted[_NODE : _NODE + _CONTEXT].reshape(SETS, HASHED, CONFIDENCES)
    return (
        _integers(fitted[:_NODE, None] * node_odds),
        _integers(of_contexts[:, :, confidence] * odds),
        _integers(fitted[_NODE + _CONTEXT :].reshape(SETS, PAGE_ORDERS, PAGE_STATES)),
    )


def _longest(states: np.ndarray) -> np.ndarray:
    """Which set of tables is used: the longest order that the corpus knows, int64 [n]."""
    known = np.zeros(states.shape[1], np.int64)
    for order in range(ORDERS):
        known[states[order] > 0] = order + 1
    return known


def _integers(odds: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(odds * UNIT), -BOUND, BOUND).astype(np.int16)
