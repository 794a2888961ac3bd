"""What training asks of a fine path: likelihood beside the objective, on crops first, then after its own dreams.

Layouts: B windows, T frames, N video tokens on a grid of G x G, C channels, c channels and H x W pixels of a picture.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.generation.config import LAST_FRAMES, FineConfig
from sensorium.generation.fine_path import Crop, FinePath, Mixture, on_grid
from sensorium.generation.harm import harmed
from sensorium.generation.paths import Paths
from sensorium.generation.refiner import felt_maps
from sensorium.randomness import Draw

_UNIT = 0.25  # of a picture's values, about their deviation: errors are in this unit
_LIKELIHOOD = 0.7  # share of the likelihood in the loss
_OFF = 0.125  # difference, blurred, by which a dream has left the truth
_BLUR = 5  # rows and columns of pixels
_FELT = 4.0  # weight that is added where the body is felt: it is small, and what is steered
_UNSURE = 0.03  # deviation of the place that the second pass is given, of half the picture
_STILL = 0.02  # mean squared change of a token by which crops where nothing moves are drawn, too


def draw_crops(config: FineConfig, clean: Tensor, draw: Draw) -> Tensor:
    """First row and column, in coarse tokens, of a crop of each frame: drawn where it changed.

    Args:
        config: its section.
        clean: video tokens of windows, standardised, [B, T, N, C].
        draw: of the windows.

    Returns:
        int64 [B, T, 2]; of the first frame, before which nothing is known, as if all had changed alike.
    """
    rows, frames, count = clean.shape[:3]
    side = math.isqrt(count)
    change = F.pad(clean.diff(dim=1).square().mean(-1), (0, 0, 1, 0)) + _STILL
    grid = change.reshape(rows * frames, 1, side, side)
    moving = F.avg_pool2d(grid, config.crop, stride=config.pool).flatten(1)
    chances = (moving / moving.sum(1, keepdim=True)).cumsum(1)
    drawn = (chances < draw.uniform("crop", frames).reshape(-1, 1)).sum(1).clamp(max=moving.shape[1] - 1)
    across = (side - config.crop) // config.pool + 1
    return torch.stack([drawn // across, drawn % across], dim=-1).reshape(rows, frames, 2)


def crop_of(config: FineConfig, places: Tensor) -> Crop:
    """The crops of frames at places [B, T, 2]."""
    top, left = (places.reshape(-1, 2) * config.pool).unbind(1)
    return Crop(top, left, config.crop)


def video_loss(
    fine: FinePath, mixture: Mixture, prediction: Tensor, target: Tensor, clean: Tensor, weight: Tensor
) -> Tensor:
    """Squared error of the objective in pictures, and likelihood of the true picture, of each frame [B, T].

    Args:
        fine: the path.
        mixture: what was predicted, before the noised frames are looked at.
        prediction, target: standardised tokens, [B, T, M, C].
        clean: the true frames, [B, T, M, C].
        weight: of the squared error, [B, T].
    """
    difference = (prediction - target) @ fine.to_pixels.T
    squared = weight * difference.square().mean((2, 3)) / _UNIT**2
    spread = fine.config.spread
    nats = mixture.surprise(fine.show(on_grid(clean.flatten(0, 1))), spread).mean((1, 2)).view_as(weight)
    return (1 - _LIKELIHOOD) * squared + _LIKELIHOOD * nats * (spread / _UNIT) ** 2


def guided(fine: FinePath, dreamed: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """A dreamed frame, with the truth where it has left it, and where that is, bool [B, N].

    What is left to mend is what a dream does to detail: where it is far off, the way back to the truth is a mean, and
    that is what it would learn.

    Args:
        fine: the path.
        dreamed, truth: standardised video tokens, [B, N, C].
    """
    off = fine.show(on_grid(dreamed)) - fine.show(on_grid(truth))
    blurred = F.avg_pool2d(F.pad(off, [_BLUR // 2] * 4, mode="replicate"), _BLUR, stride=1).abs().amax(1, keepdim=True)
    left = (F.max_pool2d((blurred > _OFF).float(), fine.pixels) > 0).flatten(1)
    return torch.where(left[..., None], truth, dreamed), left


def hearing_loss(paths: Paths, clean: Tensor, read: Tensor) -> Tensor:
    """How surprising true sound is once the true picture is known, of each frame with enough before it, [R].

    Args:
        paths: which draw onsets.
        clean: true frames, standardised, all streams, [B, T, N, C].
        read: the same as context is read, with its share of noise.
    """
    assert paths.onsets is not None
    recent = read[:, :-1].unfold(1, LAST_FRAMES, 1).movedim(-1, 2).flatten(0, 1)
    now, before = (paths.split(part.flatten(0, 1)) for part in (clean[:, LAST_FRAMES:], clean[:, LAST_FRAMES - 1 : -1]))
    heard = paths.hear(recent, now["video"], now.get("body"))
    return paths.onsets.surprise(heard, now["audio"], before["audio"])


def refining_loss(fine: FinePath, video: Tensor, felt: Tensor | None, scene: Tensor, draw: Draw) -> Tensor:
    """How surprising the true frames are to the second pass, which sees them harmed, of each window [B].

    Args:
        fine: the path, which has a second pass.
        video: true frames, standardised, [B, T, N, C].
        felt: the body sense, [B, T, M, C]; None without one.
        scene: an earlier frame, standardised, [B, N, C].
        draw: of the windows.
    """
    refiner = fine.refiner
    assert refiner is not None
    rows, count = len(video), refiner.config.frames
    chosen = draw.integers("refined", video.shape[1], count)
    each = torch.arange(rows, device=video.device)[:, None]
    truth = fine.show(on_grid(video[each, chosen].flatten(0, 1)))
    places = sure = None
    if fine.body is not None and felt is not None:
        sure = fine.body.place(felt[each, chosen])
        places = sure + _UNSURE * draw.uniform("unsure", count, 1) * draw.normal("unsure of", count, 2)
    earlier = fine.show(on_grid(scene))
    harm = harmed(truth.unflatten(0, (rows, count)), sure, earlier, draw)
    nats = refiner.surprise(truth, harm, earlier, None if places is None else places.flatten(0, 1))
    if sure is not None:
        nats = nats * (1 + _FELT * felt_maps(sure.flatten(0, 1), nats.shape[-1])[:, 1])
    return nats.mean((1, 2)).view(rows, count).mean(1)


def mending_loss(
    fine: FinePath, dreamed: Tensor, own: Tensor, truth: Tensor, felt: Tensor | None, scene: Tensor
) -> Tensor:
    """How surprising the true frames are to the second pass after frames that were dreamed, of each frame [R].

    Args:
        fine: the path, which has a second pass.
        dreamed, truth: standardised video tokens, [R, N, C].
        own: where the dream has not left the truth, bool [R, N]: elsewhere nothing is asked.
        felt: what is felt there, [R, M, C]; None without a body sense.
        scene: an earlier frame, standardised, [R, N, C].
    """
    refiner = fine.refiner
    assert refiner is not None
    frames, wanted, earlier = (fine.show(on_grid(part)) for part in (dreamed, truth, scene))
    places = None if fine.body is None or felt is None else fine.body.place(felt)
    nats = refiner.surprise(wanted, frames, earlier, places)
    asked = F.interpolate(on_grid(own[..., None].float()), scale_factor=float(fine.pixels))[:, 0]
    if places is not None:
        asked = asked * (1 + _FELT * felt_maps(places, nats.shape[-1])[:, 1])
    return (nats * asked).mean((1, 2))
