"""Stored integers and model floats: what a conversion gives, and that the way back gives the same integers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sensorium.data.sample_formats import to_audio, to_images, to_sounds, to_unit_range, to_video


def test_images_have_their_channel_first_and_white_is_one() -> None:
    video = torch.randint(0, 256, (2, 5, 4, 4, 3), dtype=torch.uint8)
    images = to_images(video)
    assert images.shape == (2, 5, 3, 4, 4)
    assert torch.equal(images[1, 2, 0, 3, 1] * 255, video[1, 2, 3, 1, 0].float())
    assert to_unit_range(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [0, 1]


def test_every_pixel_value_comes_back() -> None:
    video = torch.arange(256, dtype=torch.uint8).expand(3, -1).T.reshape(16, 16, 3)
    assert torch.equal(to_video(to_images(video)), video)


def test_every_sample_value_comes_back() -> None:
    audio = torch.arange(-32768, 32768).short()
    sounds = to_sounds(audio)
    assert (sounds.min(), sounds.max()) == (-1, 32767 / 32768)
    assert torch.equal(to_audio(sounds), audio)


def test_what_is_too_bright_or_too_loud_is_clipped() -> None:
    assert to_video(torch.tensor([-0.5, 0.5, 1.5]).reshape(3, 1, 1)).flatten().tolist() == [0, 128, 255]
    assert to_audio(torch.tensor([-1.5, 0.0, 1.0])).tolist() == [-32768, 0, 32767]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_is_that_of_numpy(dtype: type[np.floating]) -> None:
    sounds = np.random.default_rng(0).uniform(-1.1, 1.1, 10_000).astype(dtype)
    rounded = np.round(sounds * 32768).clip(-32768, 32767).astype(np.int16)
    np.testing.assert_array_equal(to_audio(torch.from_numpy(sounds)).numpy(), rounded)
