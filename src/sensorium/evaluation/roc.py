"""The area under the ROC curve of scores of single frames, as samples that a bootstrap of windows can weigh.

Layouts: n windows, H frames.
"""

from __future__ import annotations

import numpy as np


def pairs(scores: np.ndarray, cases: np.ndarray) -> np.ndarray:
    """What `area` needs to know of each window, float64 [n, n + 2].

    Entry (i, k) counts the pairs of a case in window i and another frame in window k whose scores are in the right
    order, ties half; the last two columns count cases and other frames. So a draw of windows costs a matrix product
    instead of a sort.

    Args:
        scores: [n, H], the higher the likelier a case.
        cases: bool [n, H].
    """
    count = len(scores)
    window = np.broadcast_to(np.arange(count)[:, None], cases.shape)
    others = scores[~cases]
    order = np.argsort(others, kind="stable")
    of = np.eye(count)[window[~cases][order]]  # [others, n]
    below = np.concatenate([np.zeros((1, count)), of.cumsum(0)])  # others among the first k, by window
    less, at_most = (np.searchsorted(others[order], scores[cases], side) for side in ("left", "right"))
    right = np.zeros((count, count))
    np.add.at(right, window[cases], (below[less] + below[at_most]) / 2)
    return np.concatenate([right, cases.sum(1)[:, None], (~cases).sum(1)[:, None]], 1)


def area(samples: np.ndarray, weights: np.ndarray) -> float:
    """The area (Fawcett 2006) from samples of `pairs` and weights [n]; 0.5 without cases or without others."""
    cases, others = weights @ samples[:, -2:]
    return float(weights @ samples[:, :-2] @ weights / (cases * others)) if cases > 0 and others > 0 else 0.5
