"""Features of sounds that nobody had to learn, and how features are scaled."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from sensorium.evaluation.baselines.features import Features, scaled
from sensorium.evaluation.baselines.sound_features import (
    band_statistics,
    cepstra,
    principal_components,
    sound_features,
)


def test_cepstra_are_cosines_of_the_loudest_column() -> None:
    """By the sum that defines the orthonormal DCT-II."""
    spectra = np.random.default_rng(0).normal(-1, 0.3, (3, 32, 8))
    spectra[:, :, 5] += 2
    found = cepstra(spectra)
    band = np.arange(32)
    for number in (0, 1, 7):
        scale = np.sqrt((1 if number == 0 else 2) / 32)
        wave = scale * np.cos(np.pi * number * (2 * band + 1) / 64)
        assert np.allclose(found[:, number], spectra[:, :, 5] @ wave)


def test_statistics_of_bands() -> None:
    spectra = np.array([[[0.0, 2.0], [1.0, 1.0]]])
    assert band_statistics(spectra).tolist() == [[1, 1, 2, 1, 1, 0]]


def test_components_are_those_of_the_known_rows() -> None:
    """As scikit-learn's, whatever the rows to judge."""
    rng = np.random.default_rng(0)
    known, judged = rng.normal(size=(80, 4, 5)) * np.arange(1, 6), rng.normal(size=(30, 4, 5))
    exact = PCA(20, svd_solver="full").fit(known.reshape(80, -1))
    for found, rows in zip(principal_components(known, judged), (known, judged), strict=True):
        assert np.allclose(np.abs(found), np.abs(exact.transform(rows.reshape(len(rows), -1))))


def test_scaling_is_that_of_the_known_rows() -> None:
    """Each number by itself, as scikit-learn's, or all by one factor; a number that never varies stays zero."""
    rng = np.random.default_rng(0)
    known, judged = (rng.normal(3, 1, (40, 5)) * [1, 2, 3, 4, 0] for _ in range(2))
    exact = StandardScaler().fit(known)
    for found, rows in zip(scaled(known, judged), (known, judged), strict=True):
        assert np.allclose(found, exact.transform(rows))
    first, second = Features(known, judged, each=False).scaled()
    assert np.mean(first**2) == pytest.approx(1)
    assert np.allclose(first[:, 3].std() / first[:, 0].std(), known[:, 3].std() / known[:, 0].std())
    factor = np.sqrt((known.std(0) ** 2).mean())
    assert np.allclose(second * factor + known.mean(0), judged)


def test_features_are_fitted_on_the_known_sounds() -> None:
    """What is judged does not change how the known ones look."""
    rng = np.random.default_rng(0)
    known, judged = rng.normal(size=(50, 32, 4)), rng.normal(size=(20, 32, 4))
    one, other = sound_features(known, judged), sound_features(known, 5 + 3 * judged)
    for name, features in one.items():
        assert np.allclose(features.scaled()[0], other[name].scaled()[0]), name
        assert features.judged.shape[0] == 20
