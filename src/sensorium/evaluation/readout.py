"""Linear readouts: ridge regressions from what a network makes of rows to what is true of them.

A readout is fitted on some recordings and called with rows of others. There are two, by what chooses the strength of
the ridge:

Readout          leave-one-out, for each variable by itself; for truth that is defined in some rows only
JointReadout     cross-validation that leaves whole recordings out, and how much each of several senses counts with it;
                 for rows of few recordings, and for senses of very different widths
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

COMPONENTS = 96
STRENGTHS = tuple(10.0**power for power in np.arange(-2, 3.5, 0.5))
LEAVE_ONE_OUT = tuple(10.0**power for power in range(-1, 5))  # strengths for standardised rows
UNSCALED = LEAVE_ONE_OUT[1:]  # strengths for rows as they are
FAINT = 0.2  # what a sense may count instead of 1
FOLDS = 4
BOUND = 5.0  # standard deviations from the mean beyond which a value is cut off


class Readout:
    """Linear maps to D variables, the strength of each chosen by leave-one-out.

    Args:
        rows: float [n, width].
        truth: float64 [n, D]; NaN where a variable is not defined.
        standardise: bring each number of a row to mean 0 and standard deviation 1 first. Without it `variance` is
            known, too.
    """

    def __init__(self, rows: np.ndarray, truth: np.ndarray, *, standardise: bool = True) -> None:
        self._width = truth.shape[1]
        if standardise:
            self._scaler: StandardScaler | None = StandardScaler().fit(rows)
            self._maps = list(_by_definedness(self._scaler.transform(rows), truth))
        else:
            self._scaler, ridges = None, []
            for variable in truth.T:
                defined = np.isfinite(variable)
                ridges.append(RidgeCV(UNSCALED).fit(rows[defined].astype(np.float64), variable[defined]))
            self._weights = np.stack([ridge.coef_ for ridge in ridges], 1)  # [width, D]
            self._offsets = np.array([ridge.intercept_ for ridge in ridges])

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """[..., width] -> [..., D]; with `standardise` [n, width] only, and 0 for a variable that was never defined."""
        if self._scaler is None:
            read: np.ndarray = rows @ self._weights + self._offsets
            return read
        scaled, predicted = self._scaler.transform(rows), np.zeros((len(rows), self._width))
        for columns, ridge in self._maps:
            predicted[:, columns] = ridge.predict(scaled).reshape(len(rows), -1)
        return predicted

    def variance(self, variance: np.ndarray) -> np.ndarray:
        """Variances of rows [..., width] -> variances of what is read, without the readout's own error [..., D]."""
        if self._scaler is not None:
            raise ValueError("variances are known of readouts that do not standardise")
        read: np.ndarray = variance @ self._weights**2
        return read


def _by_definedness(rows: np.ndarray, truth: np.ndarray) -> list[tuple[np.ndarray, RidgeCV]]:
    """Columns of the truth and their ridge: variables that are defined in the same rows share one decomposition."""
    maps = []
    known, of = np.unique(np.isfinite(truth), axis=1, return_inverse=True)
    for number, defined in enumerate(known.T):
        columns = of.ravel() == number
        if defined.sum() > 1:
            ridge = RidgeCV(LEAVE_ONE_OUT, alpha_per_target=True).fit(rows[defined], truth[np.ix_(defined, columns)])
            maps.append((columns, ridge))
    return maps


def paired(rows: np.ndarray, truth: np.ndarray, test: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Truth and readout of test rows, as `scores.r_squared` takes them: float [m, D, 2].

    Args:
        rows, truth: to fit on, [n, width] and [n, D].
        test, wanted: to read, and their truth, [m, width] and [m, D]; NaN where it is not defined.
    """
    predicted = np.empty_like(wanted)  # of the same memory layout, which the last digits of a sum depend on
    predicted[:] = Readout(rows, truth)(test)
    return np.stack([wanted, predicted], -1)


class JointReadout:
    """Readouts of several senses together.

    Each sense is standardised, reduced to its leading principal components and brought to a total variance of one, so
    that a sense counts the same however many numbers it has.

    Args:
        training: sense -> float [n, width], of the rows to fit on.
        test: sense -> float [m, width], of the rows to read.
    """

    def __init__(self, training: Mapping[str, np.ndarray], test: Mapping[str, np.ndarray]) -> None:
        self.training, self.test = {}, {}
        for sense, values in training.items():
            scaler = StandardScaler().fit(values)
            fitted, judged = (np.clip(scaler.transform(rows), -BOUND, BOUND) for rows in (values, test[sense]))
            if fitted.shape[1] > COMPONENTS:
                axes = PCA(COMPONENTS, svd_solver="randomized", random_state=0).fit(fitted)
                fitted, judged = axes.transform(fitted), axes.transform(judged)
            scale = max(float(np.sqrt(fitted.var(0).sum())), 1e-9)
            self.training[sense], self.test[sense] = fitted / scale, judged / scale

    def __call__(
        self, senses: Sequence[str], truth: Mapping[str, np.ndarray], groups: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Read values of the test rows from the named senses.

        Args:
            senses: those that may be used.
            truth: of the training rows, float [n, D] each.
            groups: recording of each training row, [n]; none is in two folds.

        Returns:
            values of the test rows, float [m, D]; strength and counts are chosen for each entry of `truth`.
        """
        columns = np.concatenate(list(truth.values()), 1)
        scale = 1 / np.maximum(columns.var(0), 1e-12)
        ends = np.cumsum([values.shape[1] for values in truth.values()])
        parts = {name: slice(end - truth[name].shape[1], end) for name, end in zip(truth, ends, strict=True)}
        fold = np.unique(groups, return_inverse=True)[1] % FOLDS
        best = dict.fromkeys(truth, np.inf)
        read: dict[str, np.ndarray] = {}
        for counts in product((1.0, FAINT), repeat=len(senses)):
            if max(counts) < 1:
                continue  # the same but for the strength
            rows, test = (
                np.concatenate([count * part[name] for name, count in zip(senses, counts, strict=True)], 1)
                for part in (self.training, self.test)
            )
            errors = np.zeros((len(STRENGTHS), len(scale)))
            for left_out in range(FOLDS):
                kept = fold != left_out
                for number, values in enumerate(ridge_path(rows[kept], columns[kept], rows[~kept])):
                    errors[number] += ((values - columns[~kept]) ** 2).sum(0) * scale
            answers = ridge_path(rows, columns, test)
            for name, part in parts.items():
                error = errors[:, part].sum(1)
                if error.min() < best[name]:
                    best[name], read[name] = error.min(), answers[int(error.argmin())][:, part]
        return read


def ridge_path(rows: np.ndarray, wanted: np.ndarray, test: np.ndarray) -> list[np.ndarray]:
    """A ridge regression's values for test rows by each of STRENGTHS, in units of the mean variance of rows."""
    centre, mean = rows.mean(0), wanted.mean(0)
    variances, axes = np.linalg.eigh((rows - centre).T @ (rows - centre) / len(rows))
    moment = axes.T @ ((rows - centre).T @ (wanted - mean)) / len(rows)
    turned = (test - centre) @ axes
    scale = float(variances.mean())
    return [mean + turned @ (moment / (variances + strength * scale)[:, None]) for strength in STRENGTHS]


def nearest(rows: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Number of the class mean [K, width] that each row [..., width] is nearest to, int [...]."""
    distance = (means**2).sum(1) - 2 * rows @ means.T  # the rows' own length changes no order
    return distance.argmin(-1)


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """int [n] -> float [n, classes]."""
    return (labels[:, None] == np.arange(classes)).astype(float)
