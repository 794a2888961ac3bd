"""Features of sounds that nobody had to learn, from log-mel spectrograms float [n, bands, columns].

Features are float64 [n, width].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.fft import dct
from sklearn.decomposition import PCA

from sensorium.evaluation.baselines.features import Features

CEPSTRA, FEW_CEPSTRA = 24, 13
COMPONENTS = 64


def sound_features(known: np.ndarray, judged: np.ndarray) -> dict[str, Features]:
    """All of them, by name, of the sounds to fit on and of those to judge by.

    Each is taken whitened or as it is, by what served the playroom's training recordings better; the spectrum is taken
    both ways.
    """

    def of(feature: Callable[[np.ndarray], np.ndarray], each: bool) -> Features:
        return Features(feature(known), feature(judged), each)

    spectrum = principal_components(known, judged)
    return {
        "cepstra": of(lambda part: cepstra(part)[:, :CEPSTRA], each=True),
        "cepstra without loudness": of(lambda part: cepstra(part)[:, 1 : FEW_CEPSTRA + 1], each=False),
        "mean, maximum and std of bands": of(band_statistics, each=True),
        "maximum of bands": of(lambda part: part.max(2).astype(np.float64), each=False),
        "spectrum, whitened": Features(*spectrum),
        "spectrum": Features(*spectrum, each=False),
    }


def cepstra(spectra: np.ndarray) -> np.ndarray:
    """Cepstral coefficients (orthonormal DCT-II over the bands) of the loudest column, [n, bands]."""
    power = (10.0 ** (2 * spectra.astype(np.float64))).sum(1)  # the spectrogram is half the decimal logarithm
    loudest = np.take_along_axis(spectra, power.argmax(1)[:, None, None], 2)[..., 0]
    return dct(loudest.astype(np.float64), norm="ortho", axis=1)


def band_statistics(spectra: np.ndarray) -> np.ndarray:
    """Mean, largest value and standard deviation of each band over the columns, [n, 3 * bands]."""
    spectra = spectra.astype(np.float64)
    return np.concatenate([spectra.mean(2), spectra.max(2), spectra.std(2)], 1)


def principal_components(known: np.ndarray, judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leading principal components of the known rows [n, ...], and of both sets of rows their coordinates in them."""
    flat, others = (rows.reshape(len(rows), -1) for rows in (known, judged))
    axes = PCA(min(COMPONENTS, *flat.shape), svd_solver="randomized", random_state=0).fit(flat)
    return axes.transform(flat), axes.transform(others)
