"""Numbers that were taken for success elsewhere. They are reported, and they judge nothing.

They ask whether an output is loud enough, follows neither song, and whether masks are far from each other: a
cross-fade, noise and silence pass, and the right answer fails the last of them, for it must follow the drums of A.
"""

from __future__ import annotations

import numpy as np

from sensorium.music.evaluation.transfer_scores import correlation

PARTS = 250  # of an envelope
DIVERSE = 0.05  # variance over time that counts as diverse


def of_outputs(outputs: np.ndarray, songs: np.ndarray) -> dict[str, float]:
    """Means over pairs.

    Args:
        outputs: [n, S].
        songs: both mixtures, [n, 2, S].

    Returns:
        rms_ratio: loudness relative to the root mean square of both songs; correlation_a, correlation_b: of the waves;
        anti_modulation_quadratic, anti_modulation_log: of the envelopes with those of both songs.
    """
    loudness = np.sqrt((songs**2).mean((1, 2)))
    waves = np.stack([correlation(outputs, songs[:, song]) for song in (0, 1)])
    envelopes = np.stack([correlation(_envelope(outputs), _envelope(songs[:, song])) for song in (0, 1)])
    return {
        "rms_ratio": float((np.sqrt((outputs**2).mean(1)) / loudness).mean()),
        "correlation_a": float(waves[0].mean()),
        "correlation_b": float(waves[1].mean()),
        "anti_modulation_quadratic": float((envelopes**2).sum(0).mean()),
        "anti_modulation_log": float(-np.log(1 - np.minimum(np.abs(envelopes), 0.999)).sum(0).mean()),
    }


def of_masks(taken: np.ndarray) -> dict[str, float]:
    """Numbers of what is taken from both songs, [n, 2, bins, frames] in [0, 1]."""
    first, second = taken[:, 0], taken[:, 1]
    overlap = float((first * second).mean())
    return {
        "complementarity": 1 - overlap,
        "overlap": overlap,
        "coverage": float(((first + second - 1) ** 2).mean()),
        "balance": float((first.mean() - 0.5) ** 2 + (second.mean() - 0.5) ** 2),
        "temporal_diversity": float(sum(max(0.0, DIVERSE - each.var(-1).mean()) for each in (first, second))),
    }


def _envelope(sounds: np.ndarray) -> np.ndarray:
    length = sounds.shape[1] // PARTS
    return np.asarray(np.abs(sounds[:, : PARTS * length]).reshape(len(sounds), PARTS, length).max(-1))
