"""Augmentations of images and sounds: whole batches at once, on the device, random by `Draw` alone.

Layouts: B batch, H height, W width, S samples of sound, K frames of a spectrum, Q frequencies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.config import AudioAugmentation, VisionAugmentation
from sensorium.randomness import Draw

SPECTRUM = 256  # samples of the vocoder's window; short, for impacts must stay sharp
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
QUIETEST_NOISE = 20.0  # decibels between the loudest and the quietest background noise


def augment_images(images: Tensor, config: VisionAugmentation, draw: Draw, view: str) -> Tensor:
    """One random view of each image.

    Args:
        images: float [B, 3, H, W] in [0, 1].
        config: strengths.
        draw: random numbers of these B rows.
        view: names the view, so that two views of one step differ.

    Returns:
        float [B, 3, H, W] in [0, 1].
    """
    area = config.crop + (1 - config.crop) * draw.uniform(f"{view}.area")
    side = area.sqrt()
    mirror = 1 - 2 * (draw.uniform(f"{view}.flip") < config.flip).float()
    place = (2 * draw.uniform(f"{view}.place", 2) - 1) * (1 - side)[:, None]
    images = crop_and_flip(images, side, place, mirror)
    change = 1 + config.jitter * (2 * draw.uniform(f"{view}.jitter", 3) - 1)
    saturation = torch.where(draw.uniform(f"{view}.gray") < config.grayscale, torch.zeros_like(side), change[:, 2])
    return jitter(images, change[:, 0], change[:, 1], saturation)


def crop_and_flip(images: Tensor, side: Tensor, place: Tensor, mirror: Tensor) -> Tensor:
    """Cut a square of relative side `side` [B] centred at `place` [B, 2] (x, y in [-1, 1]) and resize it to H, W.

    `mirror` [B] is -1 where the result is flipped left to right, else 1.
    """
    zero = torch.zeros_like(side)
    rows = torch.stack([side * mirror, zero, place[:, 0], zero, side, place[:, 1]], dim=1)
    grid = F.affine_grid(rows.reshape(-1, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def jitter(images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Scale brightness, then contrast around the mean grey, then saturation around grey; each factor is [B]."""
    luma = torch.tensor(LUMA, device=images.device)[:, None, None]
    images = images * brightness[:, None, None, None]
    mean = (images * luma).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    images = mean + (images - mean) * contrast[:, None, None, None]
    gray = (images * luma).sum(1, keepdim=True)
    return (gray + (images - gray) * saturation[:, None, None, None]).clamp(0, 1)


def augment_sounds(sounds: Tensor, config: AudioAugmentation, draw: Draw, view: str) -> Tensor:
    """One random view of each sound: tempo, pitch, time, loudness and background noise.

    Args:
        sounds: float [B, S] in [-1, 1].
        config: strengths.
        draw: random numbers of these B rows.
        view: names the view, so that two views of one step differ.

    Returns:
        float [B, S]; loud results may leave [-1, 1], for clipping would be one more distortion.
    """
    length = sounds.shape[1]
    change = 2 * draw.uniform(f"{view}.change", 4) - 1
    if config.pitch or config.stretch:
        sounds = change_pitch_and_tempo(sounds, config.pitch * change[:, 0], 1 + config.stretch * change[:, 1])
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
    """Delay each sound [B, S] by `delay` int64 [B] samples (negative: earlier), silence where it has no past."""
    source = torch.arange(sounds.shape[1], device=sounds.device)[None] - delay[:, None]
    inside = (source >= 0) & (source < sounds.shape[1])
    return sounds.gather(1, source.clamp(0, sounds.shape[1] - 1)) * inside


def change_pitch_and_tempo(sounds: Tensor, semitones: Tensor, tempo: Tensor) -> Tensor:
    """Raise pitch and tempo of each sound, independently of each other.

    A phase vocoder (Flanagan & Golden 1966) plays at tempo / pitch without changing pitch, then resampling by
    the pitch ratio changes both. Between neighbouring analysis frames the phase turns as it did in the source;
    analysis and synthesis hop are equal, so the turn is the product of two unit phasors, and needs no unwrapping.

    Args:
        sounds: float [B, S].
        semitones: [B]; 12 doubles every frequency.
        tempo: [B]; 2 plays twice as fast.

    Returns:
        float [B, S]: the first S samples, silence where the source has ended.
    """
    length, hop = sounds.shape[1], SPECTRUM // 2
    pitch = 2 ** (semitones / 12)
    window = torch.hann_window(SPECTRUM, device=sounds.device)
    spectrum = torch.stft(sounds, SPECTRUM, hop, window=window, return_complex=True, pad_mode="constant")  # [B, Q, K]
    frames = spectrum.shape[2]
    count = math.ceil(length * float(2 ** (semitones.abs().max() / 12)) / hop) + 2
    position = torch.arange(count, device=sounds.device) * (tempo / pitch)[:, None]  # [B, count], in source frames
    spectrum = F.pad(spectrum, (0, 2))
    before = position.floor().long().clamp(max=frames)
    fraction = (position - before).clamp(0, 1)[:, None]
    magnitude = spectrum.abs()
    phasor = spectrum / magnitude.clamp_min(1e-9)
    phasor = torch.where(magnitude > 1e-9, phasor, torch.ones_like(phasor))
    turn = phasor[:, :, 1:] * phasor[:, :, :-1].conj()

    def pick(values: Tensor, index: Tensor) -> Tensor:
        return values.gather(2, index[:, None].expand(-1, values.shape[1], -1))

    loudness = pick(magnitude, before) * (1 - fraction) + pick(magnitude, before + 1) * fraction
    turns = torch.cat([phasor[:, :, :1], pick(turn, before)[:, :, :-1]], dim=2)
    phase = torch.cumprod(turns, dim=2)
    stretched = torch.istft(loudness * phase, SPECTRUM, hop, window=window, length=(count - 1) * hop)
    return interpolate(stretched, torch.arange(length, device=sounds.device) * pitch[:, None])


def interpolate(sounds: Tensor, place: Tensor) -> Tensor:
    """Read sounds [B, S] at fractional samples `place` [B, N] by Catmull-Rom cubics; silence beyond the end."""
    inside = place < sounds.shape[1]
    before = place.floor().long()
    x = (place - before).to(sounds.dtype)
    padded = F.pad(sounds, (1, 3))

    def at(offset: int) -> Tensor:
        return padded.gather(1, (before + offset).clamp(0, padded.shape[1] - 1))

    a, b, c, d = at(0), at(1), at(2), at(3)  # padded by one: these are samples n-1, n, n+1, n+2
    value = b + 0.5 * x * (c - a + x * (2 * a - 5 * b + 4 * c - d + x * (3 * (b - c) + d - a)))
    return value * inside
