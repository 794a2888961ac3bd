"""When something will be heard, by ridge regressions from what moves and from what was heard; and a steady hiss.

Layouts: n windows, T frames, of which the first are the context; strengths are those of `evaluation.onsets`, dB.
"""

from __future__ import annotations

import numpy as np

from sensorium.evaluation.onsets import are_onsets
from sensorium.evaluation.readout import Readout

CELLS = 4  # a side, in which motion is counted
REACH = 3  # frames before and after a frame whose motion is read
_FAINT_MOTION, _FAINT_SOUND = 1e-3, 0.1  # added before logarithms


def motion(pictures: np.ndarray) -> np.ndarray:
    """Logarithm of the mean change of each cell since the frame before, [n, T, CELLS^2]; none before the first.

    Args:
        pictures: float32 [n, T, 3, H, W] in [0, 1]; rows and columns that fill no cell are left out.
    """
    count, frames, _, height, width = pictures.shape
    change = np.zeros((count, frames, height, width), np.float32)
    change[:, 1:] = np.abs(np.diff(pictures, axis=1)).mean(2)
    high, wide = height // CELLS, width // CELLS
    cut = change[:, :, : high * CELLS, : wide * CELLS].reshape(count, frames, CELLS, high, CELLS, wide)
    return np.log(cut.mean((3, 5)).reshape(count, frames, -1) + _FAINT_MOTION)


class FilmToOnsets:
    """Ridge from the motion around a frame, and the onsets of the context, to whether there is an onset in it.

    Args:
        pictures: of training windows, [n, T, 3, H, W].
        strength: of their sound, [n, T].
        given: frames of context.
    """

    def __init__(self, pictures: np.ndarray, strength: np.ndarray, given: int) -> None:
        self._given = given
        rows, onsets = self._rows(pictures, strength[:, :given]), are_onsets(strength[:, given:])
        self._readout = Readout(rows, onsets.reshape(-1, 1).astype(float))

    def __call__(self, pictures: np.ndarray, heard: np.ndarray) -> np.ndarray:
        """Scores of the frames after the context, [n, T - given].

        Args:
            pictures: [n, T, 3, H, W].
            heard: strengths of the context, [n, given].
        """
        return self._readout(self._rows(pictures, heard)).reshape(len(pictures), -1)

    def _rows(self, pictures: np.ndarray, heard: np.ndarray) -> np.ndarray:
        moved, frames = motion(pictures), pictures.shape[1]
        around = np.arange(self._given, frames)[:, None] + np.arange(-REACH, REACH + 1)
        seen = moved[:, np.clip(around, 0, frames - 1)].reshape(len(moved), frames - self._given, -1)
        context = np.repeat(np.log(heard + _FAINT_SOUND)[:, None], seen.shape[1], 1)
        return np.concatenate([seen, context], 2).reshape(len(moved) * seen.shape[1], -1)


class ContextToOnsets:
    """Ridge from the motion and the onsets of the context, and all actions, to what is heard after it.

    Args:
        pictures: context of training windows, [n, given, 3, H, W].
        heard: strengths of their context, [n, given].
        actions: of whole windows, [n, T, ...], or None.
        targets: what is to be predicted of each, [n, D].
    """

    def __init__(
        self, pictures: np.ndarray, heard: np.ndarray, actions: np.ndarray | None, targets: np.ndarray
    ) -> None:
        rows = self._rows(pictures, heard, actions)
        self._readout = Readout(rows, targets)
        self.errors = targets - self._readout(rows)  # [n, D]

    def __call__(self, pictures: np.ndarray, heard: np.ndarray, actions: np.ndarray | None) -> np.ndarray:
        """Targets of other windows, [n, D]."""
        return self._readout(self._rows(pictures, heard, actions))

    def dressed(self, predicted: np.ndarray, column: int) -> np.ndarray:
        """An ensemble of one target: what was predicted [n, D] and every error in training, [training windows, n]."""
        ensemble: np.ndarray = predicted[:, column] + self.errors[:, [column]]
        return ensemble

    @staticmethod
    def _rows(pictures: np.ndarray, heard: np.ndarray, actions: np.ndarray | None) -> np.ndarray:
        parts = [motion(pictures), np.log(heard + _FAINT_SOUND), *([] if actions is None else [actions])]
        return np.concatenate([part.reshape(len(part), -1) for part in parts], 1)


def hiss(waves: np.ndarray, given: int, horizon: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    """The context of sounds [n, S], then noise as loud as the context on average: [n, (given + horizon) * samples]."""
    context = waves[:, : given * samples]
    size = np.sqrt((context**2).mean(1, keepdims=True))
    noise = size * rng.standard_normal((len(waves), horizon * samples))
    return np.concatenate([context, noise], 1).astype(np.float32)
