"""Scores: from weighted samples, or from truth and prediction, to a number.

A statistic takes samples [n, ...] and their weights [n], so that it can be resampled; the other functions make the
samples, one row a window, frame or recording.
Layouts: n samples, H frames of a horizon, D variables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor
from torch.nn import functional as F

SSIM_WINDOW, SSIM_STD = 11, 1.5  # pixels


def mean(samples: np.ndarray, weights: np.ndarray) -> float:
    """Weighted mean of samples [n]."""
    return float(np.dot(samples, weights) / weights.sum())


def median(samples: np.ndarray, weights: np.ndarray) -> float:
    """Weighted median of samples [n]: the mid-point where half of the weight lies on either side."""
    order = np.argsort(samples, kind="stable")
    ordered, mass = samples[order], np.cumsum(weights[order])
    half = 0.5 * mass[-1]
    lower, upper = np.searchsorted(mass, half, side="left"), np.searchsorted(mass, half, side="right")
    return float(0.5 * (ordered[lower] + ordered[min(upper, len(ordered) - 1)]))


def root_mean(samples: np.ndarray, weights: np.ndarray) -> float:
    """Root of the weighted mean of squares [n]."""
    return float(np.sqrt(np.dot(samples, weights) / weights.sum()))


def balanced_accuracy(samples: np.ndarray, weights: np.ndarray) -> float:
    """Mean over classes of the share that was right; samples [n, 2] hold (right, number of the class)."""
    right, labels = samples[:, 0], samples[:, 1].astype(np.int64)
    total, hits = np.bincount(labels, weights), np.bincount(labels, weights * right)
    drawn = total > 0
    return float(np.mean(hits[drawn] / total[drawn]))


def psnr(samples: np.ndarray, weights: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of mean squared errors on a 0..1 scale.

    Args:
        samples: [n], or [n, H] for a horizon of H frames, whose H ratios are averaged.
        weights: [n].
    """
    errors = np.tensordot(weights, samples, axes=(0, 0)) / weights.sum()
    return float(np.mean(-10 * np.log10(np.maximum(errors, 1e-12))))


def r_squared(samples: np.ndarray, weights: np.ndarray) -> float:
    """Mean coefficient of determination over D variables; a variable that predicts worse than its mean is below 0.

    Args:
        samples: [n, D, 2], truth and prediction; NaN where the truth is not defined.
        weights: [n].
    """
    defined = np.isfinite(samples).all(-1)
    weight = defined * weights[:, None]
    truth, predicted = np.where(defined[..., None], samples, 0).transpose(2, 0, 1)
    centre = (weight * truth).sum(0) / np.maximum(weight.sum(0), 1e-12)
    total = (weight * (truth - centre) ** 2).sum(0)
    residual = (weight * (truth - predicted) ** 2).sum(0)
    varies = total > 1e-12
    return float(np.mean(1 - residual[varies] / total[varies]))


def sums_of_squares(samples: np.ndarray) -> np.ndarray:
    """Sums over each row from which `determination` gets what `r_squared` gives: [n, D, 4].

    Args:
        samples: [n, D, 2], truth and prediction; NaN where the truth is not defined.
    """
    defined = np.isfinite(samples).all(-1)
    truth, predicted = np.where(defined[..., None], samples, 0).transpose(2, 0, 1)
    return np.stack([defined, truth, truth**2, (truth - predicted) ** 2], -1)


def determination(sums: np.ndarray, weights: np.ndarray) -> float:
    """Mean coefficient of determination over D variables, from `sums_of_squares` [n, D, 4]."""
    count, truth, square, residual = np.tensordot(weights, sums, axes=(0, 0)).T
    total = square - truth**2 / np.maximum(count, 1e-12)
    varies = total > 1e-9 * np.maximum(square, 1e-3)
    return float(np.mean(1 - residual[varies] / total[varies]))


def r_squared_each(samples: np.ndarray) -> np.ndarray:
    """R^2 of each of D variables, samples [n, D, 2]; 0 for a variable that does not vary."""
    scores = []
    for column in range(samples.shape[1]):
        defined = np.isfinite(samples[:, column]).all(-1)
        varies = defined.any() and np.ptp(samples[defined, column, 0]) > 1e-6
        scores.append(r_squared(samples[:, column : column + 1], np.ones(len(samples))) if varies else 0.0)
    return np.array(scores)


def rank_moments(first: np.ndarray, second: np.ndarray, *, within_columns: bool = False) -> np.ndarray:
    """Sums over each row from which `correlation` gets Spearman's rank correlation of two arrays, float64 [n, 6].

    Args:
        first, second: [n, ...] each.
        within_columns: rank among the n rows, column by column; otherwise among all values.
    """
    if within_columns:
        x, y = (rankdata(values, axis=0).reshape(len(values), -1) / len(values) for values in (first, second))
    else:
        x, y = (rankdata(values).reshape(len(values), -1) / values.size for values in (first, second))
    return np.stack([np.ones_like(x).sum(1), x.sum(1), y.sum(1), (x * x).sum(1), (y * y).sum(1), (x * y).sum(1)], 1)


def correlation(samples: np.ndarray, weights: np.ndarray) -> float:
    """Pearson's correlation from sums [n, 6]; 0 where one side does not vary."""
    count, x, y, xx, yy, xy = weights @ samples
    spread = (xx - x * x / count) * (yy - y * y / count)
    return float((xy - x * y / count) / np.sqrt(spread)) if spread > 1e-9 * count**2 else 0.0


def crps(ensemble: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of an ensemble [M, ...] for each number of the truth [...]; M >= 2.

    Fair (Ferro 2014): its expectation does not depend on M. Less is better.
    """
    members = len(ensemble)
    ordered = np.sort(ensemble, axis=0)
    # the sum over pairs of |X - X'| is a weighted sum of the ordered values
    weight = 2 * np.arange(members) - members + 1
    between = 2 * np.tensordot(weight, ordered, axes=(0, 0)) / (members * (members - 1))
    return np.abs(ensemble - truth).mean(0) - 0.5 * between


def products(predicted: np.ndarray, true: np.ndarray, dtype: Any = None) -> np.ndarray:
    """Squares of predicted and true changes [n, H, ...] and their product, summed to [n, H, 3].

    Args:
        predicted, true: changes.
        dtype: to sum in; float64 for many float32 numbers such as pixels. None: that of the changes.
    """
    axes = f"nh{'cyx'[: predicted.ndim - 2]}"
    pairs = ((predicted, predicted), (true, true), (predicted, true))
    return np.stack([np.einsum(f"{axes},{axes}->nh", a, b, dtype=dtype) for a, b in pairs], -1)


def cosine(samples: np.ndarray, weights: np.ndarray) -> float:
    """Mean over the horizon of the cosine between changes, from products [n, H, 3]; 0 where nothing changes."""
    predicted, true, both = np.tensordot(weights, samples, axes=(0, 0)).T
    length = np.sqrt(predicted * true)
    return float(np.mean(np.where(length > 1e-12, both / np.maximum(length, 1e-12), 0.0)))


def explained(total: np.ndarray) -> float:
    """Share of the squares of true changes that the predicted ones explain, from products summed over all rows, [3]."""
    predicted, true, both = total
    return float((2 * both - predicted) / max(true, 1e-12))


def squared_error(truth: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean squared error of each image, float64 [n]."""
    return ((truth - other) ** 2).mean((1, 2, 3), dtype=np.float64)


def ssim(truth: np.ndarray, other: np.ndarray) -> np.ndarray:
    """SSIM of each image, float64 [n]; images float [n, 3, H, W] in [0, 1].

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    2004: an 11 x 11 Gaussian window of standard deviation 1.5 on each colour channel, averaged.
    """
    first, second = torch.from_numpy(truth), torch.from_numpy(np.ascontiguousarray(other))
    offset = torch.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    line = torch.exp(-0.5 * (offset / SSIM_STD) ** 2)
    line = line / line.sum()

    def blur(x: Tensor) -> Tensor:
        kernel = line.expand(x.shape[1], 1, 1, SSIM_WINDOW)
        return F.conv2d(F.conv2d(x, kernel, groups=x.shape[1]), kernel.transpose(2, 3), groups=x.shape[1])

    scores = []
    for a, b in zip(first.split(256), second.split(256), strict=True):
        mean_a, mean_b = blur(a), blur(b)
        variance_a, variance_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
        covariance = blur(a * b) - mean_a * mean_b
        contrast = (2 * covariance + 0.03**2) / (variance_a + variance_b + 0.03**2)
        scores.append((contrast * (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)).mean((1, 2, 3)))
    return torch.cat(scores).double().numpy()
