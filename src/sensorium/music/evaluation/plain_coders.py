"""Two coders that learn nothing but statistics: numbers of a transform, rounded, at the length of an ideal static code.

mdct   coefficients of the cosine transform, companded (their magnitudes to the power 3/4, as in MP3) and rounded
klt    principal components of its frames, rounded evenly: all have the same error (reverse water-filling)

Both know how often each number occurs at each place, from training songs; a number costs the logarithm of that (an
ideal entropy code of order 0). The step is the smallest whose bits exceed a limit by as little as can be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from sensorium.music.config import RATE
from sensorium.music.evaluation.peer_codecs import Coded
from sensorium.music.mdct import Mdct

HOP = 320
COMPANDED = 0.75
LARGEST = 400  # magnitude of a rounded number; larger ones are clipped, and at the smallest step there are none
SMOOTHING = 0.002  # added to every count, so that what training never had can be coded
SMALLEST = 0.01  # step: more than 100 kbit/s
ROUNDS = 14  # of bisection


@dataclass(frozen=True)
class PlainCoder:
    """A transform of frames [F, HOP] to numbers, and back."""

    forward: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]


def frames_of_sounds(sounds: np.ndarray) -> np.ndarray:
    """Sounds [n, S] -> coefficients [n, T + 1, HOP]; zeros fill the last frame."""
    padded = np.pad(sounds, ((0, 0), (0, -sounds.shape[1] % HOP)))
    return np.asarray(Mdct(HOP)(torch.from_numpy(padded)).numpy())


def mdct_coder() -> PlainCoder:
    """Companded coefficients."""
    return PlainCoder(
        lambda frames: np.sign(frames) * np.abs(frames) ** COMPANDED,
        lambda numbers: np.sign(numbers) * np.abs(numbers) ** (1 / COMPANDED),
    )


def klt_coder(training: np.ndarray) -> PlainCoder:
    """Principal components of the frames [F, HOP] of training songs."""
    _, vectors = np.linalg.eigh(training.T.astype(np.float64) @ training)
    basis = vectors[:, ::-1].astype(np.float32)
    return PlainCoder(lambda frames: frames @ basis, lambda numbers: numbers @ basis.T)


def by_plain_coder(sounds: np.ndarray, training: np.ndarray, coder: PlainCoder, kbps: float) -> Coded:
    """Sounds [n, S] at hardly more than so many bits.

    Args:
        sounds: at RATE.
        training: frames [F, HOP] of training songs, from which the code is made.
        coder: the transform.
        kbps: the limit, which is reached or exceeded.
    """
    frames = frames_of_sounds(sounds)
    known, numbers = coder.forward(training), coder.forward(frames.reshape(-1, HOP))
    seconds = sounds.size / RATE
    low, high = np.log(SMALLEST), np.log(1e2)  # of the step: at `low` the bits are enough
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        enough = _bits(known, numbers, np.exp(middle)) / seconds / 1000 >= kbps
        low, high = (middle, high) if enough else (low, middle)
    step = float(np.exp(low))
    decoded = coder.inverse(step * _rounded(numbers, step)).astype(np.float32).reshape(frames.shape)
    found = Mdct(HOP).inverse(torch.from_numpy(decoded)).numpy()[:, : sounds.shape[1]]
    return Coded(found, _bits(known, numbers, step) / seconds / 1000)


def _rounded(numbers: np.ndarray, step: float) -> np.ndarray:
    return np.clip(np.rint(numbers / step), -LARGEST, LARGEST)


def _bits(known: np.ndarray, numbers: np.ndarray, step: float) -> float:
    """Length of numbers [F, HOP] in a code made for other numbers, at a step."""
    places, size = np.arange(HOP), 2 * LARGEST + 1

    def cells(values: np.ndarray) -> np.ndarray:
        return ((_rounded(values, step) + LARGEST).astype(np.int64) + size * places).ravel()

    counts = np.bincount(cells(known), minlength=HOP * size).reshape(HOP, size) + SMOOTHING
    lengths = -np.log2(counts / counts.sum(1, keepdims=True)).ravel()
    return float(lengths[cells(numbers)].sum())
