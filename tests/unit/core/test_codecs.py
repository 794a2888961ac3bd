"""The codes that a tokenizer is judged beside: JPEG keeps within its bytes and uses them, components add up."""

from __future__ import annotations

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


def test_more_bytes_give_better_pictures(pictures: np.ndarray) -> None:
    errors = [error(pictures, codecs.jpeg(pictures, size)) for size in (60, 200, 500, 4000)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 4 * errors[2]
    assert errors[-1] < 1e-4


def test_the_bytes_are_kept_and_no_better_quality_would_keep_them(
    pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    encode = codecs._encode

    def noting(frame: np.ndarray, quality: int, sampling: str) -> bytes:
        stream = encode(frame, quality, sampling)
        asked.append((quality, codecs._data_bytes(stream)))
        return stream

    monkeypatch.setattr(codecs, "_encode", noting)
    codecs._best_fit(np.rint(255 * pictures[0].transpose(1, 2, 0)).astype(np.uint8), 300, "4:4:4")
    quality, size = asked[-1]
    assert 1 < quality < 100
    assert 200 < size <= 300
    assert all(other > 300 for better, other in asked if better > quality)


def test_headers_are_not_counted() -> None:
    """A grey picture has next to no data, whatever its tables take."""
    buffer = BytesIO()
    Image.new("RGB", (32, 32), (128, 128, 128)).save(buffer, "JPEG", optimize=True)
    assert 0 < codecs._data_bytes(buffer.getvalue()) < 40 < len(buffer.getvalue())


def test_components_of_pictures_that_have_no_more() -> None:
    rng = np.random.default_rng(0)
    basis = rng.random((4, 3 * 8 * 8))
    flat = rng.dirichlet(np.ones(4), 40) @ basis
    frames = flat.reshape(-1, 3, 8, 8).astype(np.float32)
    ((name, back),) = codecs.principal_components(frames[:30], frames[30:], 3).items()  # on a plane of 3 dimensions
    assert name == "3 principal components"
    assert error(frames[30:], back) < 1e-9
    assert codecs.principal_components(frames[:30], frames[30:], 30) == {}
