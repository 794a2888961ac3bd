"""Taking mixtures apart by masks of their spectra, with a network or without one."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import median_filter
from torch import Tensor

from sensorium.music.spectrum import synthesise

REACH = 31  # frames, and bins, of the median filters
NOTHING = 1e-9  # keeps shares of silence finite


def combine(shares: Tensor, spectra: Tensor, samples: int) -> Tensor:
    """The drums of A with the harmony of B: sounds [n, samples].

    Args:
        shares: of drums in both mixtures, [n, 2, bins, frames].
        spectra: of both mixtures, of the same shape.
        samples: of a sound.
    """
    return synthesise(shares[:, 0] * spectra[:, 0] + (1 - shares[:, 1]) * spectra[:, 1], samples)


def median_shares(spectra: Tensor) -> Tensor:
    """Shares of drums by median filters: drums last short and are broad, notes last long and are narrow.

    Fitzgerald, "Harmonic/percussive separation using median filtering" (DAFx 2010), with its soft masks of power 2.
    """
    found = np.empty(spectra.shape, np.float32)
    for row, magnitude in enumerate(spectra.abs().numpy()):
        notes = median_filter(magnitude, (1, REACH)) ** 2
        drums = median_filter(magnitude, (REACH, 1)) ** 2
        found[row] = drums / (drums + notes + NOTHING)
    return torch.from_numpy(found)


def ratio_shares(drums: Tensor, harmony: Tensor) -> Tensor:
    """The ideal ratio mask, from the spectra of the stems: magnitudes, as if phases were equal."""
    return drums.abs() / (drums.abs() + harmony.abs() + NOTHING)


def phase_shares(drums: Tensor, harmony: Tensor) -> Tensor:
    """The phase-sensitive mask: the real shares in [0, 1] with the smallest error (Erdogan et al. 2015)."""
    mixture = drums + harmony
    return ((drums * mixture.conj()).real / (mixture.abs().square() + NOTHING)).clamp(0, 1)
