"""A hand that follows its commands, drawn by linear maps: what a picture would be under other actions, for a start.

Layouts: n windows, H frames after a context, S the shape of a picture [3, size, size]; places are (x, y) from 0 to 1,
felt by the body sense; commands are actions.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import RidgeCV

STRENGTHS = tuple(10.0**power for power in range(-3, 4))
PENALTIES = (3.0, 10.0, 30.0, 100.0)  # frames at a place before its picture counts half
GRID = 32  # cells a side, at most, that places are distinguished by
ERRORS = 32  # training errors of the place over which a picture is averaged


class FollowedPlace:
    """Ridge regressions from what is felt last, and the commands since, to how far the hand has moved.

    Args:
        felt: body sense at the end of the context, float [n, B].
        commands: after the context, float [n, H, A].
        places: of the hand, at the end of the context and after it, float [n, 1 + H, 2].

    Attributes:
        errors: of the training windows, float [n, H, 2].
    """

    def __init__(self, felt: np.ndarray, commands: np.ndarray, places: np.ndarray) -> None:
        moved = places[:, 1:] - places[:, :1]
        self._maps = [
            RidgeCV(STRENGTHS).fit(_rows(felt, commands, ahead), moved[:, ahead]) for ahead in range(moved.shape[1])
        ]
        self.errors = places[:, 1:] - self(felt, commands, places[:, 0])

    def __call__(self, felt: np.ndarray, commands: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Places after the context, within the room: [n, H, 2]; `place` [n, 2] is that at its end."""
        moved = [each.predict(_rows(felt, commands, ahead)) for ahead, each in enumerate(self._maps)]
        return np.clip(place[:, None] + np.stack(moved, 1), 0, 1)


def _rows(felt: np.ndarray, commands: np.ndarray, ahead: int) -> np.ndarray:
    """What is felt, and the commands up to a frame: later ones have no effect on it."""
    return np.concatenate([felt, commands[:, : ahead + 1].reshape(len(felt), -1)], 1).astype(np.float64)


class PlacedPicture:
    """A ridge regression from the place of a hand, as weights of the four nearest cells of a grid, to the picture.

    Args:
        pictures: float [n, S].
        places: of the hand in them, float [n, 2].
        checked: pictures and places of other recordings, on which the penalty is chosen.
    """

    def __init__(self, pictures: np.ndarray, places: np.ndarray, checked: tuple[np.ndarray, np.ndarray]) -> None:
        self.cells, self._shape = min(GRID, pictures.shape[-1]), pictures.shape[1:]
        rows, wanted = self.weights(places), pictures.reshape(len(pictures), -1)
        mean = wanted.mean(0)
        variances, axes = np.linalg.eigh((rows.T @ rows).toarray())
        moment = axes.T @ (rows.T @ (wanted - mean))
        turned = self.weights(checked[1]) @ axes
        other = checked[0].reshape(len(checked[0]), -1) - mean
        maps = [moment / (np.maximum(variances, 0) + penalty)[:, None] for penalty in PENALTIES]
        self._map = axes @ maps[int(np.argmin([np.square(turned @ each - other).mean() for each in maps]))]

    def weights(self, places: np.ndarray) -> csr_matrix:
        """Places [n, 2] -> weights of the cells, sparse [n, cells^2]; those of a place add up to 1."""
        at = np.clip(places, 0, 1) * self.cells - 0.5  # in units of cells, from the middle of the first
        low = np.floor(at).astype(int)
        parts = []
        for x, y in ((0, 0), (0, 1), (1, 0), (1, 1)):
            corner = low + np.array([x, y])
            column, row = np.clip(corner, 0, self.cells - 1).T
            parts.append((np.prod(1 - np.abs(at - corner), 1), row * self.cells + column))
        values, columns = (np.concatenate(part) for part in zip(*parts, strict=True))
        rows = np.tile(np.arange(len(places)), 4)
        return csr_matrix((values, (rows, columns)), shape=(len(places), self.cells**2))

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Weights of the cells [n, cells^2] -> pictures less the mean picture, [n, S]."""
        return np.asarray(weights @ self._map, np.float32).reshape(-1, *self._shape)


class DrawnHand:
    """The picture that follows from commands as far as the hand goes, averaged over the errors of its place.

    Args:
        follow: fitted on training windows.
        picture: likewise.
    """

    def __init__(self, follow: FollowedPlace, picture: PlacedPicture) -> None:
        self._follow, self._picture = follow, picture
        self._errors = follow.errors[:: max(1, len(follow.errors) // ERRORS)][:ERRORS]

    def __call__(self, felt: np.ndarray, commands: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Pictures after the context less the mean picture, float32 [n, H, S]; arguments as for `FollowedPlace`."""
        places = self._follow(felt, commands, place)
        each = (self._picture.weights((places + error).reshape(-1, 2)) for error in self._errors)
        mean = sum(each) / len(self._errors)
        drawn = self._picture(mean)
        return drawn.reshape(*places.shape[:2], *drawn.shape[1:])
