"""The codes that a tokenizer is judged beside: JPEG and WebP keep within their bytes, components add up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from sensorium.evaluation.baselines import codecs


@pytest.fixture
def pictures() -> np.ndarray:
    """Smooth pictures with an edge, float32 [6, 3, 32, 32]."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32] / 32
    waves = rng.uniform(1, 4, (6, 3, 2, 1, 1))
    smooth = 0.5 + 0.3 * np.sin(waves[:, :, 0] * rows) * np.cos(waves[:, :, 1] * columns)
    smooth[:, :, 10:20, 8:22] = rng.uniform(0, 1, (6, 3, 1, 1))
    return np.clip(smooth + 0.02 * rng.normal(size=smooth.shape), 0, 1).astype(np.float32)


def error(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.square(first - second).mean())


@pytest.mark.parametrize(("code", "exact"), [(codecs.jpeg, 1e-4), (codecs.webp, 2e-3)])
def test_more_bytes_give_better_pictures(
    pictures: np.ndarray, code: Callable[[np.ndarray, int], np.ndarray], exact: float
) -> None:
    errors = [error(pictures, code(pictures, size)) for size in (60, 200, 500, 4000)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 2 * errors[2]
    assert errors[-1] < exact


@pytest.mark.parametrize("code", [partial(codecs._jpeg, sampling="4:4:4"), codecs._webp])
def test_the_bytes_are_kept_and_no_better_quality_would_keep_them(pictures: np.ndarray, code: codecs.Encode) -> None:
    asked: dict[int, tuple[bytes, int]] = {}

    def noting(frame: np.ndarray, quality: int) -> tuple[bytes, int]:
        asked[quality] = code(frame, quality)
        return asked[quality]

    frame = np.rint(255 * pictures[0].transpose(1, 2, 0)).astype(np.uint8)
    chosen = codecs._best_fit(frame, 300, noting)
    kept = max(quality for quality, (_, size) in asked.items() if size <= 300)
    assert 1 < kept < 100
    assert asked[kept][1] > 200
    assert all(size > 300 for quality, (_, size) in asked.items() if quality > kept)
    assert np.array_equal(chosen, np.asarray(Image.open(BytesIO(asked[kept][0]))))


@pytest.mark.parametrize("code", [partial(codecs._jpeg, sampling="4:4:4"), codecs._webp])
def test_headers_are_not_counted(code: codecs.Encode) -> None:
    """A grey picture has next to no data, whatever its tables take."""
    stream, size = code(np.full((32, 32, 3), 128, np.uint8), 75)
    assert 0 < size < 40 < len(stream)


def test_components_in_eight_bits_err_by_their_steps() -> None:
    """More of them than are needed, so that rounding is all that is lost: a twelfth of a squared step each."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(3 * 8 * 8, 4)))[0].T
    flat = 0.5 + 0.2 * rng.normal(size=(300, 4)) @ basis
    frames = flat.reshape(-1, 3, 8, 8)
    ((name, back),) = codecs.quantised_components(frames[:200], frames[200:], 6).items()
    assert name == "6 principal components, 8 bits each"
    assert error(frames[200:], back) == pytest.approx(4 * (8 * 0.2 / 256) ** 2 / 12 / 192, rel=0.3)
    assert codecs.quantised_components(frames[:5], frames[200:], 6) == {}


def test_components_of_pictures_that_have_no_more() -> None:
    rng = np.random.default_rng(0)
    basis = rng.random((4, 3 * 8 * 8))
    flat = rng.dirichlet(np.ones(4), 40) @ basis
    frames = flat.reshape(-1, 3, 8, 8).astype(np.float32)
    ((name, back),) = codecs.principal_components(frames[:30], frames[30:], 3).items()  # on a plane of 3 dimensions
    assert name == "3 principal components"
    assert error(frames[30:], back) < 1e-9
    assert codecs.principal_components(frames[:30], frames[30:], 30) == {}
