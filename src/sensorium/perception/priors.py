"""Priors of the senses: fixed maps of images and spectrograms, without parameters.

Layouts: B batch, C channels, H height, W width, M bands, N columns. Everything is computed in float32.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.models.precision import in_float32
from sensorium.perception.config import VisionPriors

ORIENTATIONS = 4
SCALES = 2  # the second sees the image at half its size
CUES = 3
DARK = 0.01  # added to cone responses: below it a camera sees its own noise
# Linear sRGB to long, middle and short cones: the primaries of IEC 61966-2-1, then Hunt-Pointer-Estevez.
XYZ_OF_RGB = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
LMS_OF_XYZ = ((0.38971, 0.68898, -0.07868), (-0.22981, 1.18340, 0.04641), (0.0, 0.0, 1.0))
# Axes of logarithmic cone responses: light, blue against yellow, red against green (Ruderman et al. 1998).
OPPONENT = ((1, 1, 1), (1, 1, -2), (1, -1, 0))


class SightPriors(nn.Module):
    """Images float [B, 3, H, W] in [0, 1] -> maps [B, channels, H, W] of about unit size."""

    def __init__(self, config: VisionPriors) -> None:
        super().__init__()
        self.config = config
        self.colour = OpponentColour()
        self.energy = GaborEnergy()
        self.channels = 3 + config.edges * SCALES * ORIENTATIONS + config.depth * CUES

    @in_float32
    def forward(self, images: Tensor) -> Tensor:
        """Colour first, then edges, then depth, as far as they are switched on."""
        if not (self.config.colour or self.config.edges or self.config.depth):
            return images * 4 - 2
        opponent = self.colour(images)
        maps = [opponent if self.config.colour else images * 4 - 2]
        if self.config.edges or self.config.depth:
            energy = self.energy(opponent[:, :1])
            maps += [4 * energy] * self.config.edges + [depth_cues(energy)] * self.config.depth
        return torch.cat(maps, dim=1)


class OpponentColour(nn.Module):
    """Light, blue-yellow and red-green of logarithmic cone responses.

    More light multiplies all cones alike: it shifts the first map by a constant, which is removed with the mean, and
    leaves the other two unchanged.
    """

    cones: Tensor
    axes: Tensor

    def __init__(self) -> None:
        super().__init__()
        cones = torch.tensor(LMS_OF_XYZ, dtype=torch.float64) @ torch.tensor(XYZ_OF_RGB, dtype=torch.float64)
        cones = cones / cones.sum(1, keepdim=True)  # white excites all cones equally, so grey has no colour
        axes = F.normalize(torch.tensor(OPPONENT, dtype=torch.float64), dim=1) * torch.tensor([[1.0], [4.0], [16.0]])
        self.register_buffer("cones", cones.float(), persistent=False)
        self.register_buffer("axes", axes.float(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1], sRGB -> [B, 3, H, W]; light has mean 0 in each image, grey is 0 in the others."""
        linear = torch.where(images <= 0.04045, images / 12.92, ((images.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)
        logarithm = (torch.einsum("lc,bchw->blhw", self.cones, linear) + DARK).log()
        maps = torch.einsum("ol,blhw->bohw", self.axes, logarithm)
        return torch.cat([maps[:, :1] - maps[:, :1].mean((2, 3), keepdim=True), maps[:, 1:]], dim=1)


class GaborEnergy(nn.Module):
    """Energy of quadrature pairs of Gabor filters (Adelson and Bergen 1985): an edge or a line, wherever its phase.

    Wavelength 4 pixels, at the whole and at half the image's size. Orientation k is that of lines which stand at
    k * 180 / ORIENTATIONS degrees to the vertical.
    """

    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        reach = torch.arange(-4, 5, dtype=torch.float64)
        y, x = torch.meshgrid(reach, reach, indexing="ij")
        filters = []
        for number in range(ORIENTATIONS):
            angle = math.pi * number / ORIENTATIONS
            across = x * math.cos(angle) + y * math.sin(angle)
            window = torch.exp(-(x**2 + y**2) / (2 * 1.6**2))
            for phase in (0.0, -math.pi / 2):
                wave = torch.cos(2 * math.pi * across / 4 + phase)
                wave = wave - (wave * window).sum() / window.sum()  # blind to even light
                filters.append(wave * window / window.sum())
        self.register_buffer("filters", torch.stack(filters)[:, None].float(), persistent=False)

    def forward(self, light: Tensor) -> Tensor:
        """[B, 1, H, W] -> amplitudes [B, SCALES * ORIENTATIONS, H, W], fine scale first."""
        maps = []
        for scale in range(SCALES):
            small = F.avg_pool2d(light, 2**scale) if scale else light
            pairs = F.conv2d(F.pad(small, (4, 4, 4, 4), mode="replicate"), self.filters)
            energy = (pairs.unflatten(1, (ORIENTATIONS, 2)).square().sum(2) + 1e-6).sqrt()
            maps.append(F.interpolate(energy, light.shape[2:], mode="bilinear") if scale else energy)
        return torch.cat(maps, dim=1)


def depth_cues(energy: Tensor) -> Tensor:
    """Three maps of what is seen, each higher where a thing is likely farther, from Gabor amplitudes.

    Fineness: texture is finer afar. Foot: the height in the field of view of the first edge below, on which a thing
    stands. Smallness: the same thing is narrower afar, so edges to its left and right are nearer to each other.

    Args:
        energy: [B, SCALES * ORIENTATIONS, H, W].

    Returns:
        [B, 3, H, W], each in [-1, 1].
    """
    fine, coarse = energy.chunk(SCALES, dim=1)
    fineness = 2 * smooth(fine.mean(1, keepdim=True)) / smooth((fine + coarse).mean(1, keepdim=True)) - 1
    upright, level = fine[:, :1], coarse[:, ORIENTATIONS // 2 : ORIENTATIONS // 2 + 1]
    rows, columns = energy.shape[2:]
    height = torch.linspace(1, -1, rows, device=energy.device)[:, None].expand(rows, columns)
    foot = last_seen(edge_chance(level).flip(2), height.flip(0)).flip(2)
    stops = edge_chance(upright).transpose(2, 3)
    place = torch.linspace(-1, 1, columns, device=energy.device)[:, None].expand(columns, rows)
    left = last_seen(stops, place)
    right = last_seen(stops.flip(2), place.flip(0)).flip(2)
    smallness = 1 - (right - left).transpose(2, 3)
    return torch.cat([fineness, foot, smallness.clamp(-1, 1)], dim=1)


def smooth(maps: Tensor) -> Tensor:
    """Mean of the 9 x 9 pixels around each."""
    return F.avg_pool2d(F.pad(maps, (4, 4, 4, 4), mode="replicate"), 9, stride=1)


def edge_chance(energy: Tensor) -> Tensor:
    """From amplitudes to [0, 1]: an edge well above its image's mean amplitude is certain."""
    relative = energy / (energy.mean((2, 3), keepdim=True) + 1e-3)
    return ((relative - 1) / 2).clamp(0, 1)


def last_seen(chance: Tensor, value: Tensor) -> Tensor:
    """Scan rows from the first to the last: the value [H, W] of the last row that had an edge, softly, [B, 1, H, W]."""
    seen = value[:1].expand_as(chance[:, :, :1])
    rows = []
    for row in range(chance.shape[2]):
        here = chance[:, :, row : row + 1]
        seen = seen + here * (value[row] - seen)
        rows.append(seen)
    return torch.cat(rows, dim=2)


def onset_flux(spectrogram: Tensor) -> Tensor:
    """How much louder each band became since the column before: [B, M, N] -> [B, M, N], 0 where it became softer.

    In the spectrogram's own unit (20 dB) and not scaled to its largest value, so a loud onset stays a loud one. The
    first column has no past and no onset.
    """
    return F.relu(spectrogram - F.pad(spectrogram, (1, 0), mode="replicate")[..., :-1])
