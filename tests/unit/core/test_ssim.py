"""SSIM beside scikit-image's, which follows the paper of Wang et al. (2004) as well."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from sensorium.evaluation.scores import ssim

FLOAT32_ERROR = 1e-5  # of ours, which takes differences of squares; scikit-image computes with 64 bits here


def oracle(truth: np.ndarray, other: np.ndarray) -> np.ndarray:
    """SSIM of each frame [n, 3, H, W] with an 11 x 11 Gaussian window of standard deviation 1.5."""
    scores = [
        structural_similarity(
            first.astype(np.float64),
            second.astype(np.float64),
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for first, second in zip(truth, other, strict=True)
    ]
    return np.array(scores)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Smooth pictures with an edge, rounded to 8 bits as recorded frames are."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:1:32j, 0:1:40j]
    phase = rng.uniform(0, 2 * np.pi, (30, 3, 1, 1))
    waves = 0.5 + 0.3 * np.sin(7 * x + 3 * y + phase) + 0.2 * (x > rng.uniform(0.2, 0.8, (30, 1, 1, 1)))
    return (np.round(255 * np.clip(waves, 0, 1)) / 255).astype(np.float32)


@pytest.mark.parametrize("noise", [0.01, 0.03, 0.3])
def test_ssim_agrees_with_scikit_image(frames, noise):
    rng = np.random.default_rng(1)
    noisy = np.clip(frames + noise * rng.standard_normal(frames.shape), 0, 1).astype(np.float32)
    expected = oracle(frames, noisy)
    np.testing.assert_allclose(ssim(frames, noisy), expected, rtol=0, atol=FLOAT32_ERROR)
    assert expected.std() > 10 * FLOAT32_ERROR  # so that the agreement says something


def test_ssim_agrees_where_a_picture_is_plain_shifted_or_unrelated(frames):
    others = {
        "plain": np.full_like(frames, 0.5),
        "darker": 0.5 * frames,
        "negative": 1 - frames,
        "another": np.roll(frames, 1, axis=0),
        "shifted": np.roll(frames, 2, axis=3),
    }
    for name, other in others.items():
        np.testing.assert_allclose(ssim(frames, other), oracle(frames, other), rtol=0, atol=FLOAT32_ERROR, err_msg=name)
    np.testing.assert_allclose(ssim(frames, frames), 1, rtol=0, atol=FLOAT32_ERROR)


def test_ssim_of_many_frames_is_that_of_each(frames):
    """More frames than are computed at once."""
    many, others = np.tile(frames, (10, 1, 1, 1)), np.tile(1 - frames, (10, 1, 1, 1))
    np.testing.assert_allclose(ssim(many, others), np.tile(ssim(frames, 1 - frames), 10), atol=1e-6)
