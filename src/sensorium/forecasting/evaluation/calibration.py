"""Do the variances of forecasts cover their errors? Intervals, likelihoods and ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from sensorium.evaluation.scores import correlation, rank_moments
from sensorium.forecasting.evaluation.forecasts import Forecasts
from sensorium.forecasting.evaluation.place_readout import PlaceReadout

SHARES = (0.5, 0.9)


@dataclass(frozen=True)
class Spreads:
    """Squared errors of forecast positions and the variances that should cover them.

    Attributes:
        square: [n, H, K, 2].
        variance: of the forecasts, with the readout's own error, [n, H, K, 2].
        constant: of each frame ahead, measured on validation recordings, [H, K, 2].
    """

    square: np.ndarray
    variance: np.ndarray
    constant: np.ndarray

    @classmethod
    def of(
        cls, readout: PlaceReadout, judged: Forecasts, checked: Forecasts, truth: np.ndarray, checked_truth: np.ndarray
    ) -> Spreads:
        """From true positions [n, H, K, 2] of test and of validation windows."""
        own = ((readout.positions(checked.future) - checked_truth) ** 2).mean((0, 1))  # of the readout, [K, 2]
        variance = own + readout.linear.variance(judged.variance).reshape(truth.shape)
        constant = ((readout.positions(checked.mean) - checked_truth) ** 2).mean(0)
        return cls((readout.positions(judged.mean) - truth) ** 2, variance, constant)


def calibration(judged: Forecasts, variances: np.ndarray, spreads: Spreads) -> dict[str, Any]:
    """Coverage of intervals and likelihood of positions."""
    ranks = ranked(np.sqrt(spreads.variance.sum(-1)), np.sqrt(spreads.square.sum(-1)))
    constant = negative_log_likelihood(spreads.square, spreads.constant)
    return {
        "world state": coverage(judged.square_error, judged.variance),
        "world state, constant variance": coverage(judged.square_error, variances),
        "positions": coverage(spreads.square, spreads.variance),
        "positions, constant variance": coverage(spreads.square, spreads.constant),
        "likelihood of positions": float(negative_log_likelihood(spreads.square, spreads.variance).mean()),
        "likelihood of positions, constant variance": float(constant.mean()),
        "correlation within each frame ahead, positions": correlation(ranks, np.ones(len(spreads.square))),
    }


def ranked(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`scores.rank_moments` within each frame ahead."""
    return rank_moments(first, second, within_columns=True)


def negative_log_likelihood(square: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Negative log likelihood of squared errors [n, ...] under Gaussians, the mean of each row, float64 [n]."""
    variance = np.broadcast_to(variance, square.shape).astype(np.float64)
    each = 0.5 * (np.log(2 * np.pi * variance) + square / variance)
    return each.reshape(len(each), -1).mean(1)


def coverage(square: np.ndarray, variance: np.ndarray) -> dict[str, float]:
    """Share of squared errors within the intervals of Gaussians, for each of SHARES."""
    return {f"{share:.0%}": float((square <= norm.ppf(0.5 + share / 2) ** 2 * variance).mean()) for share in SHARES}
