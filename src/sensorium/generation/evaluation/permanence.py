"""What should last in a dream: bodies, colours, and the look of a recording.

Layouts: n windows, H frames of a dream, K bodies, S x S pixels; pictures float32 in [0, 1].
"""

from __future__ import annotations

import numpy as np
import torch

PATCH = 8  # pixels of a patch's side
LEVELS = 4  # of each colour channel in a histogram
DRAWN = 32  # pixels of a picture's side, for which FEWEST is meant
FEWEST = 5  # pixels that a body shows at least, where it is looked for
KEPT = 0.5  # share of its pixels that a body keeps
TOLERANCE = 0.25  # of a colour: Euclidean distance in RGB, each channel from 0 to 1


def coloured_pixels(pictures: np.ndarray, bodies: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How many pixels have the colour of each body, int64 [n, H, K]: it is the nearest colour, and near.

    Args:
        pictures: [n, H, 3, S, S].
        bodies: their colours, [n, K, 3]; NaN where there is none.
        others: colours of what is no body, [n, M, 3].
    """
    known = np.nan_to_num(np.concatenate([bodies, others], 1), nan=np.inf).astype(np.float32)
    counts = np.zeros((*pictures.shape[:2], bodies.shape[1]), np.int64)
    for number, frames in enumerate(pictures):
        distance = ((frames[:, None] - known[number][None, :, :, None, None]) ** 2).sum(2)  # [H, K + M, S, S]
        closest, close = distance.argmin(1), distance.min(1) < TOLERANCE**2
        for body in range(bodies.shape[1]):
            counts[number, :, body] = ((closest == body) & close).sum((1, 2))
    return counts


def bodies_kept(counts: np.ndarray, true: np.ndarray, size: int) -> np.ndarray:
    """Share of the bodies that have at least half of the pixels they should have, float64 [n, H].

    Bodies that hardly show in the true frame, for the hand hides them, are not looked for; where none is, the share
    is 1.

    Args:
        counts, true: coloured pixels in a dream and in the true frames, [n, H, K].
        size: S.
    """
    asked = true >= FEWEST * (size / DRAWN) ** 2
    kept = asked & (counts >= KEPT * true)
    shares: np.ndarray = np.where(asked.any(-1), kept.sum(-1) / np.maximum(asked.sum(-1), 1), 1.0)
    return shares


def histogram_distance(pictures: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Total variation distance of the colour histograms of frames, float64 [n, H]; pictures [n, H, 3, S, S]."""
    histograms = [_histogram(frames) for frames in (pictures, truth)]
    distance: np.ndarray = 0.5 * np.abs(histograms[0] - histograms[1]).sum(-1)
    return distance


def _histogram(pictures: np.ndarray) -> np.ndarray:
    """Shares of the pixels in each cell of colours, [n, H, LEVELS^3]."""
    levels = np.minimum((pictures * LEVELS).astype(np.int64), LEVELS - 1)
    cells = (levels * np.array([LEVELS**2, LEVELS, 1])[:, None, None]).sum(2).reshape(*pictures.shape[:2], -1)
    shares = [np.bincount(frame, minlength=LEVELS**3) / len(frame) for frame in cells.reshape(-1, cells.shape[-1])]
    return np.stack(shares).reshape(*pictures.shape[:2], -1)


class Look:
    """How far the patches of pictures are from those of training pictures.

    Args:
        training: [n, 3, S, S].
        device: where distances are computed.
    """

    def __init__(self, training: np.ndarray, device: torch.device) -> None:
        self._known, self._device = _patches(training).to(device), device

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Distance of each patch to its nearest training patch, the mean over a picture: [n, H, 3, S, S] -> [n, H]."""
        asked = _patches(pictures.reshape(-1, *pictures.shape[2:])).to(self._device)
        nearest = torch.cat([torch.cdist(part, self._known).amin(1) for part in asked.split(2048)])
        far: np.ndarray = nearest.cpu().double().numpy().reshape(*pictures.shape[:2], -1).mean(-1)
        return far


def _patches(pictures: np.ndarray) -> torch.Tensor:
    """Patches side by side, [n, 3, S, S] -> [n * (S / PATCH)^2, 3 * PATCH^2]; what does not fill one is left out."""
    folded = torch.nn.functional.unfold(torch.from_numpy(np.ascontiguousarray(pictures)), PATCH, stride=PATCH)
    return folded.transpose(1, 2).flatten(0, 1)
