"""Films continued without learned representations: frames held, mixed with a mean picture, or repeated.

Layouts: n windows, T = given + H frames, of which the first `given` are the context and H are to be predicted; S is
the shape of a picture, for example [3, H, W], or of anything else that a frame may be described by. Frames of uint8
[..., H, W, 3] are recorded ones and become pictures of float32 [..., 3, H, W] in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sensorium.data.recording import RecordingSet, Split
from sensorium.data.sample_formats import WHITE, to_images
from sensorium.evaluation.harness import WindowPool
from sensorium.evaluation.sample import Sample

RECENT = 6  # frames of a context that predict what comes after it; earlier ones add little and cost as much
MOST = 1680  # windows to fit on
MOST_BYTES = 1 << 28  # that their frames may take


@dataclass(frozen=True)
class Films:
    """Windows to fit on or to predict.

    Attributes:
        frames: [n, T, S], or recorded frames uint8 [n, T, H, W, 3].
        actions: [n, T, ...], actions[:, t] led to frame t; None in a world that nobody steers.
        recordings: names of the recordings that they are of, for `fitted_on`.
    """

    frames: np.ndarray
    actions: np.ndarray | None
    recordings: frozenset[str]

    @classmethod
    def of(cls, sample: Sample, first: int = 0) -> Films:
        """The recorded frames of windows, from frame `first` on."""
        actions = sample.get("action")
        steered = None if actions is None else actions[:, first:]
        return cls(sample["video"][:, first:], steered, frozenset(sample.names))

    @classmethod
    def drawn(cls, recordings: RecordingSet, split: Split, frames: int, seed: int, most: int = MOST) -> Films:
        """Up to `most` windows of `frames` frames of a split, fewer where they would take much memory."""
        fields = ("video", "action") if recordings.has("action") else ("video",)
        count = fitting_windows(recordings, frames, most)
        return cls.of(WindowPool(recordings, split, fields, frames).sample(count, np.random.default_rng(seed)))

    def __len__(self) -> int:
        return len(self.frames)

    def pictures(self, first: int, last: int) -> np.ndarray:
        """Frames `first` to `last`, float32 [n, last - first, S]."""
        return pictures(self.frames[:, first:last])

    def mean(self) -> np.ndarray:
        """Mean picture, float32 [S]."""
        mean = self.frames.mean((0, 1), dtype=np.float64)
        recorded = self.frames.dtype == np.uint8
        return (np.moveaxis(mean, -1, 0) / WHITE if recorded else mean).astype(np.float32)


def fitting_windows(recordings: RecordingSet, frames: int, most: int = MOST) -> int:
    """How many windows of `frames` frames to fit on: up to `most`, fewer where pictures are large."""
    picture = 3 * int(recordings.details["size"]) ** 2
    return max(2, min(most, MOST_BYTES // (frames * picture)))


def pictures(frames: np.ndarray) -> np.ndarray:
    """Recorded frames uint8 [..., H, W, 3] -> float32 [..., 3, H, W] in [0, 1]; anything else as float32."""
    if frames.dtype != np.uint8:
        return frames.astype(np.float32, copy=False)
    return to_images(torch.from_numpy(np.ascontiguousarray(frames))).numpy()


def mean_picture(recordings: RecordingSet, split: Split = "training", every: int = 4) -> np.ndarray:
    """Mean of every `every`-th frame of a split, float32 [3, H, W] in [0, 1]."""
    means, counts = [], []
    for name in recordings.names(split):
        frames = recordings.field(name, "video")[::every]
        means.append(frames.mean(0, dtype=np.float64))
        counts.append(len(frames))
    mean = np.average(means, axis=0, weights=counts) / WHITE
    return np.moveaxis(mean, -1, 0).astype(np.float32)


def held(context: np.ndarray, horizon: int) -> np.ndarray:
    """The last frame of a context [n, given, S], held still: [n, horizon, S]."""
    return np.repeat(context[:, -1:], horizon, 1)


def half_and_half(context: np.ndarray, mean: np.ndarray, horizon: int) -> np.ndarray:
    """Half the last frame of a context [n, given, S] and half the mean picture [S]: [n, horizon, S]."""
    return 0.5 * held(context, horizon) + 0.5 * mean


def to_and_fro(context: np.ndarray, horizon: int) -> np.ndarray:
    """A context [n, given, S] played backwards from its last frame, then forwards, and so on: [n, horizon, S]."""
    given = context.shape[1]
    if given == 1:
        return held(context, horizon)
    place = (given + np.arange(horizon)) % (2 * (given - 1))
    return context[:, np.where(place < given, place, 2 * (given - 1) - place)]


def replayed(training: Films, count: int, given: int, rng: np.random.Generator) -> np.ndarray:
    """What follows the contexts of random training windows: [count, H, S]."""
    drawn = rng.choice(len(training), count, replace=count > len(training))
    return pictures(training.frames[drawn, given:])


class Fade:
    """From the last frame to the mean picture: mean + a (last - mean) + b (mean of the context - mean).

    The weights a and b of each frame ahead are those of least squared error over the training windows.

    Args:
        training: windows of given + H frames.
        given: frames of their context.

    Attributes:
        mean: picture, [S].
        weights: a and b of each frame ahead, float64 [H, 2].
    """

    def __init__(self, training: Films, given: int) -> None:
        self.mean = training.mean()
        parts = np.stack([part.reshape(-1) for part in self._parts(training.pictures(0, given))])
        wanted = [
            parts @ (training.pictures(t, t + 1)[:, 0] - self.mean).reshape(-1)
            for t in range(given, training.frames.shape[1])
        ]
        moments = (parts @ parts.T).astype(np.float64)
        # lstsq shares the weight where last frame and mean of the context are the same
        self.weights = np.linalg.lstsq(moments, np.stack(wanted, 1), rcond=1e-7)[0].T

    def _parts(self, context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return context[:, -1] - self.mean, context.mean(1) - self.mean

    def frame(self, context: np.ndarray, ahead: int) -> np.ndarray:
        """The frame `ahead` (0: the first) after a context [n, given, S]: float32 [n, S]."""
        last, usual = self._parts(context)
        first, second = self.weights[ahead].astype(np.float32)
        return self.mean + first * last + second * usual

    def __call__(self, context: np.ndarray) -> np.ndarray:
        """Context [n, given, S] -> float32 [n, H, S]."""
        return np.stack([self.frame(context, ahead) for ahead in range(len(self.weights))], 1)


def dressed(forecast: np.ndarray, errors: np.ndarray, members: int, rng: np.random.Generator) -> np.ndarray:
    """An ensemble: a forecast [n, H, S] with errors that it made on other recordings, [members, n, H, S] in [0, 1].

    Args:
        forecast: what is expected.
        errors: of other windows, truth less forecast, [k, H, S].
        members: of the ensemble.
        rng: draws a window's errors for each member and row, all of its frames together.
    """
    drawn = rng.integers(0, len(errors), (members, len(forecast)))
    return np.clip(forecast + errors[drawn], 0, 1)
