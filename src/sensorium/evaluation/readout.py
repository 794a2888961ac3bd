"""Linear read-outs of several senses at once, fitted on some recordings and judged on others.

Each sense is standardised, reduced to its leading principal components and brought to a total variance of one, so that
a sense counts the same however many numbers it has. A ridge regression reads them; its strength, and how much each
sense counts, are chosen by cross-validation that leaves whole recordings out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

COMPONENTS = 96
STRENGTHS = tuple(10.0**power for power in np.arange(-2, 3.5, 0.5))
FAINT = 0.2  # what a sense may count instead of 1
FOLDS = 4
BOUND = 5.0  # deviations from the mean beyond which a value is cut off


class Senses:
    """What senses say of the rows that a read-out learns from, and of those that it is judged on.

    Args:
        training: sense -> float [n, width].
        test: sense -> float [m, width].
    """

    def __init__(self, training: Mapping[str, np.ndarray], test: Mapping[str, np.ndarray]) -> None:
        self.training, self.test = {}, {}
        for sense, values in training.items():
            scaler = StandardScaler().fit(values)
            learned, judged = (np.clip(scaler.transform(rows), -BOUND, BOUND) for rows in (values, test[sense]))
            if learned.shape[1] > COMPONENTS:
                axes = PCA(COMPONENTS, svd_solver="randomized", random_state=0).fit(learned)
                learned, judged = axes.transform(learned), axes.transform(judged)
            scale = max(float(np.sqrt(learned.var(0).sum())), 1e-9)
            self.training[sense], self.test[sense] = learned / scale, judged / scale

    def read(self, names: Sequence[str], wanted: Mapping[str, np.ndarray], groups: np.ndarray) -> dict[str, np.ndarray]:
        """Read wanted values from the named senses.

        Args:
            names: senses that may be used.
            wanted: values of the training rows, float [n, D] each.
            groups: recording of each training row, [n]; none is in two folds.

        Returns:
            values of the test rows, float [m, D]; strength and counts are chosen for each entry of `wanted`.
        """
        columns = np.concatenate(list(wanted.values()), 1)
        scale = 1 / np.maximum(columns.var(0), 1e-12)
        ends = np.cumsum([values.shape[1] for values in wanted.values()])
        parts = {name: slice(end - wanted[name].shape[1], end) for name, end in zip(wanted, ends, strict=True)}
        fold = np.unique(groups, return_inverse=True)[1] % FOLDS
        best = dict.fromkeys(wanted, np.inf)
        told: dict[str, np.ndarray] = {}
        for counts in product((1.0, FAINT), repeat=len(names)):
            if max(counts) < 1:
                continue  # the same but for the strength
            rows, test = (
                np.concatenate([count * part[name] for name, count in zip(names, counts, strict=True)], 1)
                for part in (self.training, self.test)
            )
            errors = np.zeros((len(STRENGTHS), len(scale)))
            for left_out in range(FOLDS):
                kept = fold != left_out
                for number, read in enumerate(ridge_path(rows[kept], columns[kept], rows[~kept])):
                    errors[number] += ((read - columns[~kept]) ** 2).sum(0) * scale
            answers = ridge_path(rows, columns, test)
            for name, part in parts.items():
                error = errors[:, part].sum(1)
                if error.min() < best[name]:
                    best[name], told[name] = error.min(), answers[int(error.argmin())][:, part]
        return told


def ridge_path(rows: np.ndarray, wanted: np.ndarray, test: np.ndarray) -> list[np.ndarray]:
    """A ridge regression's values for test rows by each of STRENGTHS, in units of the mean variance of rows."""
    centre, mean = rows.mean(0), wanted.mean(0)
    variances, axes = np.linalg.eigh((rows - centre).T @ (rows - centre) / len(rows))
    moment = axes.T @ ((rows - centre).T @ (wanted - mean)) / len(rows)
    turned = (test - centre) @ axes
    scale = float(variances.mean())
    return [mean + turned @ (moment / (variances + strength * scale)[:, None]) for strength in STRENGTHS]


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """int [n] -> float [n, classes]."""
    return (labels[:, None] == np.arange(classes)).astype(float)
