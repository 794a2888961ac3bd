"""Features of pictures that nobody had to learn, of pictures whose features are known."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium.evaluation.baselines.picture_features import (
    CLIPPED,
    PICTURE_FEATURES,
    colour_histogram,
    colours_used,
    oriented_gradients,
    plain_numbers,
)


def stripes(axis: int) -> np.ndarray:
    """Brightness that rises and falls along one axis, [1, 3, 32, 32]."""
    wave = 0.5 + 0.4 * np.sin(np.arange(32) * np.pi / 4)
    picture = np.broadcast_to(wave[:, None] if axis == 0 else wave[None], (3, 32, 32))
    return picture[None].astype(np.float32)


@pytest.mark.parametrize(("axis", "direction"), [(1, 0), (0, 4)])
def test_gradients_of_stripes_have_one_direction(axis: int, direction: int) -> None:
    """All votes lie in one direction; the four cells of an inner block are equal, so each entry is 1/2."""
    found = oriented_gradients(stripes(axis)).reshape(9, 9, 4)
    assert np.allclose(np.delete(found, direction, 1), 0, atol=1e-6)
    assert np.allclose(np.linalg.norm(found.reshape(9, -1), axis=1), 1, atol=1e-4)
    assert np.allclose(found[4, direction], 0.5, atol=1e-3)


def test_gradients_do_not_depend_on_brightness_or_contrast() -> None:
    picture = np.random.default_rng(0).random((2, 3, 16, 16), np.float32)
    assert np.allclose(oriented_gradients(0.3 + 0.5 * picture), oriented_gradients(picture), atol=1e-3)
    assert not oriented_gradients(np.full((1, 3, 16, 16), 0.5, np.float32)).any()
    assert oriented_gradients(picture).max() < 1
    assert CLIPPED < 0.25


def test_a_histogram_holds_the_roots_of_the_shares_of_colours() -> None:
    picture = np.zeros((1, 3, 8, 8), np.float32)
    picture[0, 0, :, :2] = 1  # a quarter is red, the rest black
    found = colour_histogram(picture)[0]
    assert found[0] == pytest.approx(np.sqrt(0.75))
    assert found[3 * 16] == pytest.approx(0.5)
    assert (found > 0).sum() == 2


def test_plain_numbers_of_a_picture_of_three_colours() -> None:
    """Half grey, a quarter red, a quarter blue, in three bands."""
    picture = np.full((1, 3, 8, 8), 0.5, np.float32)
    picture[0, :, :, 4:] = 0
    picture[0, 0, :, 4:6], picture[0, 2, :, 6:] = 1, 1
    used, entropy, grey, grey_std, mean, std, share, hues, steps, edges = plain_numbers(picture)[0]
    assert (used, hues, share, mean, std) == (3, 2, 0.5, 0.5, 0.5)
    assert entropy == pytest.approx(1.5)
    brightness = np.repeat([0.5, 0.299, 0.114], [4, 2, 2])
    assert (grey, grey_std) == pytest.approx((brightness.mean(), brightness.std()), rel=1e-5)
    jumps = np.diff(brightness)
    assert steps == pytest.approx(np.square(jumps).mean(), rel=1e-5)
    assert edges == pytest.approx(2 / 7)
    assert colours_used(picture).tolist() == [[3.0]]


@pytest.mark.parametrize("size", [16, 36, 64])
def test_every_feature_is_finite_and_of_one_width(size: int) -> None:
    pictures = np.random.default_rng(0).random((3, 3, size, size), np.float32)
    pictures[0] = 0
    for feature in PICTURE_FEATURES.values():
        found = feature(pictures)
        assert found.shape[0] == 3
        assert found.ndim == 2
        assert np.isfinite(found).all()
