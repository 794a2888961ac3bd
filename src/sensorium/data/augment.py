"""Augmentations of images and sounds, on whole batches and on the device; all randomness comes from a `Draw`.

Layouts: B batch, H height, W width, S samples of sound.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.config import AudioAugmentation, VisionAugmentation
from sensorium.data.vocoder import change_voice
from sensorium.randomness import Draw

KNOTS = 4  # per side of the displacement field that bends an image
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
QUIETEST_NOISE = 20.0  # decibels that the quietest background noise lies below the loudest


def augment_images(images: Tensor, config: VisionAugmentation, draw: Draw, view: str) -> Tensor:
    """One random view of each image.

    Args:
        images: float [B, 3, H, W] in [0, 1].
        config: strengths.
        draw: random numbers of these B rows.
        view: name of the view, by which the two views of one step differ.

    Returns:
        float [B, 3, H, W] in [0, 1].
    """
    area = config.crop + (1 - config.crop) * draw.uniform(f"{view}.area")
    side = area.sqrt()
    mirror = 1 - 2 * (draw.uniform(f"{view}.flip") < config.flip).float()
    place = (2 * draw.uniform(f"{view}.place", 2) - 1) * (1 - side)[:, None]
    if config.rotation or config.shear or config.bend:
        images = distort(images, config, draw, view)
    images = crop_and_flip(images, side, place, mirror)
    change = 1 + config.jitter * (2 * draw.uniform(f"{view}.jitter", 3) - 1)
    saturation = torch.where(draw.uniform(f"{view}.gray") < config.grayscale, torch.zeros_like(side), change[:, 2])
    return jitter(images, change[:, 0], change[:, 1], saturation)


def crop_and_flip(images: Tensor, side: Tensor, place: Tensor, mirror: Tensor) -> Tensor:
    """Crop a square of relative side `side` [B], centred at `place` [B, 2] (x, y in [-1, 1]), and resize it to H, W.

    `mirror` [B] is -1 for images that are flipped left to right, else 1.
    """
    height, width = images.shape[2:]
    x = place[:, :1] + (side * mirror)[:, None] * pixel_centres(width, images.device)
    y = place[:, 1:] + side[:, None] * pixel_centres(height, images.device)
    grid = torch.stack([x[:, None].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], dim=-1)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def pixel_centres(count: int, device: torch.device) -> Tensor:
    """Coordinates of the pixels of a row in an image that spans -1 to 1, [count]."""
    return (2 * torch.arange(count, device=device) + 1) / count - 1


def distort(images: Tensor, config: VisionAugmentation, draw: Draw, view: str) -> Tensor:
    """Rotate, shear and bend each image around its centre, smoothly and at random."""
    change = 2 * draw.uniform(f"{view}.distort", 2) - 1
    angle, shear = math.radians(config.rotation) * change[:, 0], config.shear * change[:, 1]
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    rows = torch.stack([cosine, cosine * shear - sine, zero, sine, sine * shear + cosine, zero], dim=1)
    grid = F.affine_grid(rows.reshape(-1, 2, 3), list(images.shape), align_corners=False)
    if config.bend:
        knots = config.bend * draw.normal(f"{view}.bend", 2, KNOTS, KNOTS)
        bent = F.interpolate(knots, images.shape[2:], mode="bicubic", align_corners=True)
        grid = grid + bent.permute(0, 2, 3, 1)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def jitter(images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Scale brightness, then contrast around the mean grey, then saturation around grey; each factor is [B].

    All three are one affine map of an image's colours x: b c (s x + (1 - s) grey(x)) + b (1 - c) mean(grey(x)).
    """
    luma = torch.tensor(LUMA).to(images.device, non_blocking=True)[:, None, None]
    brightness, contrast, saturation = (factor[:, None, None, None] for factor in (brightness, contrast, saturation))
    grey, gain = (images * luma).sum(1, keepdim=True), brightness * contrast
    common = gain * (1 - saturation) * grey + brightness * (1 - contrast) * grey.mean((2, 3), keepdim=True)
    return torch.addcmul(common, images, gain * saturation).clamp_(0, 1)


def augment_sounds(sounds: Tensor, config: AudioAugmentation, draw: Draw, view: str) -> Tensor:
    """One random view of each sound: tempo, pitch, formants, time, loudness and background noise.

    Args:
        sounds: float [B, S] in [-1, 1].
        config: strengths.
        draw: random numbers of these B rows.
        view: name of the view, by which the two views of one step differ.

    Returns:
        float [B, S]; loud sounds may exceed [-1, 1], because clipping would distort them.
    """
    length = sounds.shape[1]
    change = 2 * draw.on_cpu().uniform(f"{view}.change", 4) - 1  # the vocoder must know the highest pitch
    if config.pitch or config.stretch or config.formant:
        formants = config.formant * (2 * draw.on_cpu().uniform(f"{view}.formant") - 1) if config.formant else None
        sounds = change_voice(sounds, config.pitch * change[:, 0], 1 + config.stretch * change[:, 1], formants)
    change = change.to(sounds.device, non_blocking=True)
    sounds = shift_time(sounds, (config.shift * length * change[:, 2]).round().long())
    sounds = sounds * decibels(config.gain * change[:, 3])[:, None]
    ratio = config.noise + QUIETEST_NOISE * draw.uniform(f"{view}.ratio")
    return add_noise(sounds, draw.normal(f"{view}.noise", length), ratio)


def decibels(level: Tensor) -> Tensor:
    """Amplitude factor of a level in decibels."""
    return 10 ** (level / 20)


def add_noise(sounds: Tensor, noise: Tensor, ratio: Tensor) -> Tensor:
    """Add noise [B, S] (of unit power) at a signal-to-noise ratio [B] in decibels; silence stays silent."""
    level = sounds.square().mean(1).sqrt() * decibels(-ratio)
    return sounds + noise * level[:, None]


def shift_time(sounds: Tensor, delay: Tensor) -> Tensor:
    """Delay each sound [B, S] by `delay` int64 [B] samples (negative: advance it); fill with silence."""
    source = torch.arange(sounds.shape[1], device=sounds.device)[None] - delay[:, None]
    inside = (source >= 0) & (source < sounds.shape[1])
    return sounds.gather(1, source.clamp(0, sounds.shape[1] - 1)) * inside
