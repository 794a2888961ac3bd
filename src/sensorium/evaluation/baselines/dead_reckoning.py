"""Dead reckoning: where what is steered will be, from where it is and from the actions, without any picture.

Layouts: n rows, T frames of a recording, h frames ahead, A numbers of an action, D of a place, W of a sense.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.preprocessing import StandardScaler

STRENGTHS = tuple(10.0**power for power in range(-1, 5))
EVERY = 8  # frames from a row that a map is fitted on to the next one
OUTERMOST = 1.0  # per cent of the places that lie beyond a bound
MARGIN = 0.01  # of the distance between the bounds: nearer to one, a step was stopped by it


class FreeMotion:
    """A step in proportion to the action, up to bounds: the motion of what nothing hinders.

    Args:
        places: [R, T, D].
        actions: [R, T, A]; action[t] led to place[t].
        free: whether nothing hindered the step that led to frame t, bool [R, T].
    """

    def __init__(self, places: np.ndarray, actions: np.ndarray, free: np.ndarray) -> None:
        self._low, self._high = np.percentile(places, [OUTERMOST, 100 - OUTERMOST], axis=(0, 1))
        margin = MARGIN * (self._high - self._low)
        inside = ((places > self._low + margin) & (places < self._high - margin)).all(-1)
        steps, unhindered = np.diff(places, axis=1), free[:, 1:] & inside[:, 1:]  # a bound shortens a step
        self._step = LinearRegression().fit(actions[:, 1:][unhindered], steps[unhindered])

    def __call__(self, place: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Places after each action, [n, D] and [n, h, A] -> [n, h, D]."""
        reached = []
        for action in actions.swapaxes(0, 1):
            place = np.clip(place + self._step.predict(action), self._low, self._high)
            reached.append(place)
        return np.stack(reached, 1)


class LinearMap:
    """A ridge regression for each number of frames ahead, from a sense now and the actions until then to the place.

    Its strength is chosen by leave-one-out. No place is out of the range of those in the recordings. Further ahead than
    the recordings reach it holds its last place.

    Args:
        sense: [R, T, W].
        actions: [R, T, A]; action[t] led to frame t.
        places: [R, T, D].
        now: first frame of a recording that may be the present.
        ahead: numbers of frames, ascending.
    """

    def __init__(
        self, sense: np.ndarray, actions: np.ndarray, places: np.ndarray, now: int, ahead: tuple[int, ...]
    ) -> None:
        self._maps, self.ahead = [], ahead
        self._low, self._high = places.min((0, 1)), places.max((0, 1))
        for frames in sorted({min(frames, places.shape[1] - 1 - now) for frames in ahead}):
            rows = [
                (_row(sense[:, start], actions[:, start + 1 : start + 1 + frames]), places[:, start + frames])
                for start in range(now, places.shape[1] - frames, EVERY)
            ]
            inputs, wanted = (np.concatenate(part) for part in zip(*rows, strict=True))
            scaler = StandardScaler().fit(inputs)
            self._maps.append((frames, scaler, RidgeCV(STRENGTHS).fit(scaler.transform(inputs), wanted)))

    def __call__(self, sense: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Places at each of `ahead`, [n, W] and [n, h, A] with the largest h -> [n, len(ahead), D]."""
        reached = {
            frames: np.clip(ridge.predict(scaler.transform(_row(sense, actions[:, :frames]))), self._low, self._high)
            for frames, scaler, ridge in self._maps
        }
        longest = max(reached)
        return np.stack([reached[min(frames, longest)] for frames in self.ahead], 1)


def _row(sense: np.ndarray, actions: np.ndarray) -> np.ndarray:
    return np.concatenate([sense, actions.reshape(len(actions), -1)], 1)
