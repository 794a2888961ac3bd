"""Priors against what they claim: invariance to light, tuning to orientation, cues that follow rendered depth."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import binomtest, spearmanr
from torch import Tensor

from sensorium.perception.config import AudioEncoderConfig, AudioPriors, VisionEncoderConfig, VisionPriors
from sensorium.perception.encoders import AudioEncoder, LogMel, VisionEncoder
from sensorium.perception.priors import GaborEnergy, OpponentColour, SightPriors, depth_cues, onset_flux

ALL = VisionPriors(colour=True, edges=True, depth=True)


def srgb(linear: Tensor) -> Tensor:
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp_min(1e-9) ** (1 / 2.4) - 0.055)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_more_light_changes_no_opponent_map() -> None:
    scene = 0.15 + 0.3 * torch.rand(4, 3, 16, 16, generator=generator(0))
    colour = OpponentColour()
    dim, bright = colour(srgb(scene)), colour(srgb(2 * scene))
    spread = dim.std((0, 2, 3), keepdim=True)
    assert ((bright - dim).abs() / spread).mean() < 0.05
    raw = (srgb(2 * scene) - srgb(scene)).abs().mean() / srgb(scene).std()
    assert raw > 1  # the picture itself changed a lot


def test_opponents_oppose() -> None:
    colour = OpponentColour()
    patches = {"grey": (0.5, 0.5, 0.5), "red": (0.8, 0.2, 0.2), "green": (0.2, 0.8, 0.2), "blue": (0.2, 0.2, 0.8)}
    maps = {
        name: colour(torch.tensor(rgb)[None, :, None, None].expand(1, 3, 4, 4))[0, :, 0, 0]
        for name, rgb in patches.items()
    }
    assert maps["grey"][1:].abs().max() < 1e-4
    assert maps["red"][2] > 0.3 > -0.1 > maps["green"][2]
    assert maps["blue"][1] < -1 < maps["green"][1]


@pytest.mark.parametrize("degrees", [0, 45, 90, 135])
@pytest.mark.parametrize(("wavelength", "scale"), [(4, 0), (8, 1)])
def test_energy_is_tuned_and_blind_to_phase(degrees: int, wavelength: int, scale: int) -> None:
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    across = x * math.cos(math.radians(degrees)) + y * math.sin(math.radians(degrees))
    phases = torch.linspace(0, 2 * math.pi, 9)[:-1]
    gratings = torch.stack([torch.cos(2 * math.pi * across / wavelength + phase) for phase in phases])[:, None]
    energy = GaborEnergy()(gratings)[:, :, 20:28, 20:28].mean((2, 3))
    assert (energy.argmax(1) == 4 * scale + degrees // 45).all()
    best = energy[:, 4 * scale + degrees // 45]
    assert best.std() / best.mean() < 0.05
    assert best.mean() > 3 * energy[:, 4 * scale + (degrees // 45 + 2) % 4].mean()


def scene(seed: int, size: int = 48) -> tuple[Tensor, Tensor]:
    """A textured floor that recedes to a horizon, and a box that stands on it: image [3, H, W] and depth [H, W].

    A pixel on row y below the horizon at h lies at depth 1 / (y - h); a box of depth d is 1 / d as large. Beyond the
    horizon nothing is rendered (depth is NaN).
    """
    draw = generator(seed)
    horizon, depth, light = size * 0.25, torch.full((size, size), float("nan")), torch.full((size, size), 0.9)
    texture = torch.rand(64, 64, generator=draw)
    rows, columns = torch.meshgrid(torch.arange(float(size)), torch.arange(float(size)), indexing="ij")
    floor = rows > horizon + 3
    far = 1 / (rows - horizon).clamp_min(1)
    across, along = (columns - size / 2) * far * 9, far * size * 3
    light[floor] = 0.3 + 0.3 * texture[along.long() % 64, across.long() % 64][floor]
    depth[floor] = far[floor]
    feet = (horizon + 6 + (size - horizon - 8) * torch.rand(2, generator=draw)).sort().values
    for foot in feet:  # the farther box first
        reach = float(foot - horizon) * 0.35
        middle = size * (0.2 + 0.6 * float(torch.rand(1, generator=draw)))
        box = (rows <= foot) & (rows > foot - 1.6 * reach) & ((columns - middle).abs() < reach)
        light[box], depth[box] = 0.05 + 0.1 * float(torch.rand(1, generator=draw)), 1 / float(foot - horizon)
    return light.expand(3, -1, -1), depth


def test_each_depth_cue_follows_rendered_depth() -> None:
    scenes = [scene(seed) for seed in range(20, 40)]
    images = torch.stack([image for image, _ in scenes])
    energy = GaborEnergy()(OpponentColour()(images)[:, :1])
    cues = depth_cues(energy)
    assert cues.abs().max() <= 1
    for name, number in (("fineness", 0), ("foot", 1), ("smallness", 2)):
        found = []
        for row, (_, depth) in enumerate(scenes):
            known = depth.isfinite()
            found.append(float(spearmanr(cues[row, number][known], depth[known]).statistic))
        positive = sum(value > 0 for value in found)
        assert binomtest(positive, len(found), alternative="greater").pvalue < 0.01, (name, found)


def test_depth_cues_read_the_content() -> None:
    image, _ = scene(0)
    priors = SightPriors(VisionPriors(depth=True))
    upright, inverted = priors(torch.stack([image, image.flip(1)]))
    assert (upright[3:] - inverted[3:]).abs().mean() > 0.1


def test_switches_add_their_maps_and_nothing_else() -> None:
    images = torch.rand(2, 3, 32, 32, generator=generator(1))
    none = SightPriors(VisionPriors())
    assert torch.equal(none(images), images * 4 - 2)
    for switches, channels in (({"colour": True}, 3), ({"edges": True}, 11), ({"depth": True}, 6)):
        priors = SightPriors(VisionPriors(**switches))
        assert priors.channels == channels == priors(images).shape[1]
        assert not list(priors.parameters())
        assert not priors.state_dict()
    maps = SightPriors(ALL)(images)
    assert maps.shape == (2, 14, 32, 32)
    assert 0.1 < maps.std() < 4
    assert maps.isfinite().all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert SightPriors(ALL)(images.bfloat16()).dtype == torch.float32
    assert SightPriors(ALL)(torch.zeros(1, 3, 16, 16)).isfinite().all()


def test_encoders_take_their_priors() -> None:
    torch.manual_seed(0)
    encoder = VisionEncoder(VisionEncoderConfig(width=8, dim=24, priors=ALL), {"size": 24})
    assert encoder(torch.rand(2, 3, 24, 24)).shape == (2, 24)
    hearing = AudioEncoderConfig(width=8, dim=24, priors=AudioPriors(onset=True))
    assert AudioEncoder(hearing, {"sample_rate": 16000, "samples_per_frame": 1000})(torch.randn(2, 3000)).shape == (
        2,
        3,
        24,
    )


def impacts(times: list[float], loudness: float = 0.3) -> Tensor:
    """Decaying tones that start at `times`, two seconds at 16 kHz, on faint noise."""
    clock = torch.arange(32000) / 16000
    sound = 1e-3 * torch.randn(32000, generator=generator(2))
    for number, start in enumerate(times):
        age = (clock - start).clamp_min(0)
        ring = torch.exp(-age * 25) * torch.sin(2 * math.pi * (600 + 350 * number) * age)
        sound += loudness * ring
    return sound


def test_onsets_are_found_where_they_are() -> None:
    times = [0.21, 0.48, 0.83, 1.02, 1.37, 1.71]
    spectrogram = LogMel(64, 16000, 1000)
    flux = onset_flux(spectrogram(impacts(times)[None]))[0].mean(0)
    peaks = [
        column
        for column in range(1, len(flux) - 1)
        if flux[column] > 0.08 and flux[column] >= flux[column - 1] and flux[column] > flux[column + 1]
    ]
    found = [(column + 1) * spectrogram.hop / 16000 for column in peaks]  # a column ends where its samples end
    hits = sum(any(abs(each - time) <= 0.02 + spectrogram.hop / 32000 for each in found) for time in times)
    assert 2 * hits / (len(times) + len(found)) > 0.9, (found, times)


def test_onset_keeps_loudness_and_forgets_decay() -> None:
    spectrogram = LogMel(64, 16000, 1000)
    soft, loud = (onset_flux(spectrogram(impacts([0.5], level)[None]))[0] for level in (0.03, 0.3))
    assert loud.max() > soft.max() + 0.5
    columns = spectrogram(impacts([0.5])[None])
    flux = onset_flux(columns)[0]
    assert flux.min() == 0
    assert flux[:, 0].abs().max() == 0
    torch.testing.assert_close(flux[:, 5], (columns[0, :, 5] - columns[0, :, 4]).clamp_min(0))
