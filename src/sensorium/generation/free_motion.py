"""What the body sense does where nothing hinders it: a linear map for each number, found without labels.

Layouts: T frames, P numbers of the body sense, A numbers of an action.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

_ROUNDS = 20
_WIDE, _NARROW = 1.0, 0.03  # deviation within which rows count, first and last, of the usual change of a number
_RIDGE = 1e-6  # of the weight of all rows


class Unhindered(NamedTuple):
    """A map from a number and the action to the number's next value, and the bounds of that.

    Attributes:
        step: the map; its inputs are the number, the action, and 1, [P, A + 2].
        low, high: least and largest value that was felt, [P].
    """

    step: np.ndarray
    low: np.ndarray
    high: np.ndarray


def find_motion(recordings: Iterable[tuple[np.ndarray, np.ndarray]]) -> Unhindered:
    """The map that holds most nearly for most of the steps.

    Steps that something hinders would pull a least-squares map to a slower motion. So it is fitted again to the steps
    that it nearly predicts, ever more nearly (least squares weighed as Welsch does, Holland and Welsch 1977, with a
    width that narrows). A number sees no other number, so that what is wrong with one in a dream stays there.

    Args:
        recordings: the body sense [T, P] and the actions that led to each frame [T, A], of each.
    """
    senses, actions = zip(*recordings, strict=True)
    before = np.concatenate([body[:-1] for body in senses]).astype(np.float64)
    after = np.concatenate([body[1:] for body in senses]).astype(np.float64)
    moves = np.concatenate([action[1:] for action in actions]).astype(np.float64)
    shared = np.concatenate([moves, np.ones((len(moves), 1))], 1)
    every = np.concatenate(senses)
    step = [_fitted(np.concatenate([before[:, [p]], shared], 1), after[:, p]) for p in range(before.shape[1])]
    return Unhindered(np.stack(step), every.min(0), every.max(0))


def _fitted(inputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The map of one number, from inputs [n, A + 2] to its next values [n]."""
    unit, weight = np.sqrt(np.square(wanted - inputs[:, 0]).mean()) + 1e-9, np.ones(len(wanted))
    for number in range(_ROUNDS):
        rows = inputs * weight[:, None]
        penalty = _RIDGE * (weight.sum() + 1) * np.eye(inputs.shape[1])
        fitted = np.linalg.solve(rows.T @ inputs + penalty, rows.T @ wanted)
        width = unit * _WIDE * (_NARROW / _WIDE) ** (number / (_ROUNDS - 1))
        weight = np.exp(-np.square((wanted - inputs @ fitted) / width) / 2)
    return fitted
