"""Ridge regression, the baseline of whatever a linear map can do, and Gaussians around it.

The penalty is chosen on the rows that are fitted, by cross-validation that leaves whole recordings out, because rows of
one recording are alike. Each map knows the recordings that it was fitted on, for `statistics.measure`.
Layouts: n rows, W numbers a row, D numbers that are predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from sensorium.artifacts import ArtifactError

PENALTIES = tuple(10.0**power for power in range(-4, 5))  # relative to the mean variance of the rows' numbers
FOLDS = 4
_SMALLEST = 1e-12
_LEAST = 1e-2  # the smallest square that a logarithm is taken of, of the mean square


@dataclass(frozen=True)
class Ridge:
    """A linear map with its penalty.

    Attributes:
        weights: [W, D].
        offset: [D].
        penalty: as chosen, in units of PENALTIES.
        left_out: what was predicted of each row by maps that were fitted on other recordings, [n, D].
        fitted_on: recordings of the rows.
    """

    weights: np.ndarray
    offset: np.ndarray
    penalty: float
    left_out: np.ndarray
    fitted_on: frozenset[str]

    @classmethod
    def fit(
        cls, rows: np.ndarray, wanted: np.ndarray, groups: np.ndarray, penalties: Sequence[float] = PENALTIES
    ) -> Ridge:
        """Fit on rows [n, W] and what they should give [n, D]; `groups` [n] names the recording of each row.

        The penalty has the smallest squared error over all D numbers, each in units of its variance.

        Raises:
            ArtifactError: if all rows are of one recording.
        """
        names, member = np.unique(groups, return_inverse=True)
        fold = member % min(FOLDS, len(names))
        if fold.max() < 1:
            raise ArtifactError(f"a penalty is chosen over at least 2 recordings, found {len(names)}")
        folds = [fold == number for number in range(fold.max() + 1)]
        centre = rows.mean(0, dtype=np.float64), wanted.mean(0, dtype=np.float64)
        rows, wanted = rows - centre[0], wanted - centre[1]  # sums of squares keep their digits
        parts = [_Moments.of(rows[out], wanted[out]) for out in folds]
        whole = _Moments(*(np.sum(sums, axis=0) for sums in zip(*map(astuple, parts), strict=True)))
        paths = [whole.less(part).path(penalties) for part in parts]
        scale = 1 / np.maximum(whole.square / whole.count, _SMALLEST)
        errors = [
            sum(float(part.square_error(*path[index]) @ scale) for part, path in zip(parts, paths, strict=True))
            for index in range(len(penalties))
        ]
        best = int(np.argmin(errors))
        left_out = np.empty_like(wanted)
        for out, path in zip(folds, paths, strict=True):
            left_out[out] = rows[out] @ path[best][0] + path[best][1] + centre[1]
        ((weights, offset),) = whole.path(penalties[best : best + 1])
        offset = centre[1] + offset - centre[0] @ weights
        return cls(weights, offset, penalties[best], left_out, frozenset(names.tolist()))

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """[..., W] -> [..., D]."""
        answer: np.ndarray = rows @ self.weights + self.offset
        return answer


@dataclass(frozen=True)
class _Moments:
    """Sums over rows x [W] and wanted y [D], of which a ridge regression and its squared error are functions."""

    count: np.ndarray  # []
    x: np.ndarray  # [W]
    y: np.ndarray  # [D]
    xx: np.ndarray  # [W, W]
    xy: np.ndarray  # [W, D]
    square: np.ndarray  # of y, [D]

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> _Moments:
        return cls(np.array(len(x)), x.sum(0), y.sum(0), x.T @ x, x.T @ y, np.square(y).sum(0))

    def less(self, part: _Moments) -> _Moments:
        return _Moments(*(whole - out for whole, out in zip(astuple(self), astuple(part), strict=True)))

    def path(self, penalties: Sequence[float]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights [W, D] and offset [D] for each penalty, from one decomposition of the rows' covariance."""
        centre, mean = self.x / self.count, self.y / self.count
        variances, axes = np.linalg.eigh(self.xx / self.count - np.outer(centre, centre))
        moments = axes.T @ (self.xy / self.count - np.outer(centre, mean))
        variances = np.maximum(variances, 0)
        scale = max(float(variances.mean()), _SMALLEST)
        maps = [axes @ (moments / (variances + penalty * scale)[:, None]) for penalty in penalties]
        return [(weights, mean - centre @ weights) for weights in maps]

    def square_error(self, weights: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Sum over the rows of (y - x weights - offset)^2, [D]."""
        moment = self.xy - np.outer(self.x, offset)
        within = np.einsum("wd,wd->d", weights, self.xx @ weights - 2 * moment)
        error: np.ndarray = self.square - 2 * offset * self.y + self.count * offset**2 + within
        return error


@dataclass(frozen=True)
class RidgeVariance:
    """Variances around a map: the logarithm of its squared error, by a ridge regression from the logarithms of squares.

    Harvey, "Estimating regression models with multiplicative heteroscedasticity", 1976. The errors are those of rows
    whose recording was left out.

    Attributes:
        log_square: the regression.
        least: squares are raised by this share of their mean before the logarithm, [W].
        scale: brings the mean of error^2 / variance to one on the fitted rows, [D].
    """

    log_square: Ridge
    least: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, squares: np.ndarray, square_errors: np.ndarray, groups: np.ndarray) -> RidgeVariance:
        """From squares [n, W] that are known beforehand and squared errors [n, D] of the same rows."""
        least = np.maximum(_LEAST * squares.mean(0), _SMALLEST)
        errors = np.log(square_errors + np.maximum(_LEAST * square_errors.mean(0), _SMALLEST))
        log_square = Ridge.fit(np.log(squares + least), errors, groups)
        scale = (square_errors / np.exp(log_square.left_out)).mean(0)
        return cls(log_square, least, scale)

    def __call__(self, squares: np.ndarray) -> np.ndarray:
        """[..., W] -> variances [..., D]."""
        variance: np.ndarray = self.scale * np.exp(self.log_square(np.log(squares + self.least)))
        return variance
