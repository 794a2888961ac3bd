"""Patches of a true frame that a second pass recalls."""

from __future__ import annotations

import torch

from sensorium.generation.recall import BUSY, SALIENT, TURNS, Recall, outstanding, patches

SIZE = 16


def spot(colour: tuple[float, float, float], column: int = 3, row: int = 8) -> torch.Tensor:
    """A grey picture [3, S, S] with a bar of two by four pixels."""
    picture = torch.full((3, SIZE, SIZE), 0.5)
    picture[:, row : row + 2, column : column + 4] = torch.tensor(colour)[:, None, None]
    return picture


def test_patches_are_of_what_stands_out_in_all_turns():
    """The bar is among the patches of each turn, and in other turns it lies otherwise."""
    found = patches(torch.stack([spot((1, 0, 0)), spot((0, 0, 1))]), 2)
    assert found.shape == (2, TURNS * min(SALIENT, SIZE**2), 3, 6, 6)
    red = found[0].unflatten(0, (TURNS, -1))
    assert red[:, :8, 0, 2:4, 2:4].amax((1, 2, 3)).min() > 0.8
    assert found[1, :8, 0].max() < 0.6
    lying = (red[0, :16, 0] > 0.75).any(1).sum(1).max()
    standing = (red[TURNS // 4, :16, 0] > 0.75).any(1).sum(1).max()
    assert lying > standing


def test_a_token_that_points_is_shown_as_the_patch():
    """With queries that fit the keys of a scene's patches, its colours are shown; elsewhere the frame stays."""
    torch.manual_seed(0)
    recall = Recall(4, 3, 2)
    scenes = torch.stack([spot((1, 0, 0)), spot((0, 0, 1))])
    frames = torch.stack([spot((0.8, 0.8, 0.8), column) for column in (2, 8, 4, 10)])
    features = torch.randn(4, 4, SIZE // 2, SIZE // 2)
    shown = recall(features, frames, scenes, 100.0).detach()
    changed = (shown - frames).abs().amax(1) > 1e-6
    assert changed.float().mean((1, 2)).max() <= BUSY
    assert (changed & (outstanding(frames)[:, 0] < 0.01)).float().mean() < 0.25
    red, blue = shown[:2][changed[:2][:, None].expand(-1, 3, -1, -1)], shown[2:]
    assert red.max() <= 1
    assert float((shown[:2, 0] - shown[:2, 2]).min()) >= -1e-5  # nothing is bluer than red
    assert float((blue[:, 2] - blue[:, 0]).min()) >= -1e-5


def test_what_is_recalled_is_learned():
    torch.manual_seed(0)
    recall = Recall(4, 3, 2)
    features = torch.randn(2, 4, SIZE // 2, SIZE // 2, requires_grad=True)
    scenes = torch.stack([spot((1, 0, 0)), spot((0, 0, 1))])
    recall(features, scenes, scenes).square().sum().backward()
    assert all(parameter.grad.any() for name, parameter in recall.named_parameters() if "bias" not in name)
    assert features.grad.any()
