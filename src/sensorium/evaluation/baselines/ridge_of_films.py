"""Films continued by a ridge regression from principal components of the context, and from the actions.

What it predicts is the difference between the frames and the fade. Layouts as in `pictures`: n windows, T = given + H
frames, pictures of shape S with D numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.utils.extmath import randomized_svd

from sensorium.evaluation.baselines.pictures import Fade, Films

COMPONENTS = 64  # of each frame of the context
EXAMPLES = 1500  # frames from which the components are computed
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)  # a training window; the best on validation is taken for each frame ahead


class _Rows:
    """Principal components of the frames of a context, and standardised actions: float64 [n, K] around 0."""

    def __init__(self, training: Films, mean: np.ndarray, given: int) -> None:
        self._mean, self._given = mean.reshape(-1), given
        flat = self._flat(training)
        examples = flat[:: max(1, len(flat) // EXAMPLES), -1]
        self._axes = randomized_svd(examples, min(COMPONENTS, *examples.shape), n_iter=2, random_state=0)[2]
        components = (flat @ self._axes.T).reshape(len(flat), -1)
        self._centre = components.mean(0)
        if training.actions is not None:
            moves = self._moves(training)
            self._usual, self._spread = moves.mean(0), np.maximum(moves.std(0), 1e-6)

    def _flat(self, films: Films) -> np.ndarray:
        return films.pictures(0, self._given).reshape(len(films), self._given, -1) - self._mean

    @staticmethod
    def _moves(films: Films) -> np.ndarray:
        assert films.actions is not None
        moves = films.actions
        if np.issubdtype(moves.dtype, np.integer):  # keys, which have no order
            moves = moves[..., None] == np.arange(int(moves.max()) + 1)
        return moves.reshape(len(films), -1).astype(np.float64)

    def __call__(self, films: Films) -> np.ndarray:
        rows = (self._flat(films) @ self._axes.T).reshape(len(films), -1) - self._centre
        if films.actions is None:
            return rows.astype(np.float64)
        return np.concatenate([rows, (self._moves(films) - self._usual) / self._spread], 1)


def continued(fade: Fade, training: Films, validation: Films, films: Sequence[Films], given: int) -> list[np.ndarray]:
    """The frames after the contexts of films, float32 [n, H, S] of each.

    Args:
        fade: fitted on `training`.
        training: windows of given + H frames.
        validation: likewise, to choose the penalty of each frame ahead on.
        films: windows to predict; of their frames only the context is read.
        given: frames of a context.
    """
    rows, horizon = _Rows(training, fade.mean, given), len(fade.weights)
    known = rows(training)
    values, axes = np.linalg.eigh(known.T @ known)
    turned = (known @ axes).astype(np.float32)
    checked, *judged = ((rows(part) @ axes).astype(np.float32) for part in (validation, *films))
    contexts = [part.pictures(0, given) for part in (training, validation, *films)]
    predicted: list[list[np.ndarray]] = [[] for _ in films]
    for ahead in range(horizon):
        faded = [fade.frame(context, ahead) for context in contexts]
        left = _frame(training, given + ahead) - faded[0]
        usual = left.mean(0)
        moment = turned.T @ (left - usual).reshape(len(left), -1)
        wanted = (_frame(validation, given + ahead) - faded[1] - usual).reshape(len(validation), -1)
        maps = [(moment / (values + penalty * len(training))[:, None]).astype(np.float32) for penalty in PENALTIES]
        best = maps[int(np.argmin([np.square(wanted - checked @ each).mean() for each in maps]))]
        for part, fading, place in zip(judged, faded[2:], predicted, strict=True):
            place.append(fading + usual + (part @ best).reshape(fading.shape))
    return [np.stack(part, 1) for part in predicted]


def _frame(films: Films, number: int) -> np.ndarray:
    return films.pictures(number, number + 1)[:, 0]
