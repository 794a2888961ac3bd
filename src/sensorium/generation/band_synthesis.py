"""Sound from levels of fixed bands, without learning: tones where a band stands out, noise elsewhere.

A frame is a block of F samples and an overhang that fades into the next block. Tones go on with the phase that they
had, and begin anew at an onset. The noise of frame t is a fixed draw for t, so the same levels give the same sound.
At last each part of a frame gets the level that it should have, with a short ramp.
Layouts: B sounds, T frames, K bands, N parts of a frame, L = F + F / 8 samples of a block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.generation.sound_bands import QUIETEST, SoundBands, shares
from sensorium.models.precision import in_float32

TONE = 5.0  # dB by which a band stands out of its surroundings that is a tone
TONES = 12  # of a frame, at most: the loudest; the playroom has 2.7 on average
NOISES = 64  # draws of the noise; after so many frames they come again
NEAREST, FARTHEST = 2, 4  # bands on each side that are the surroundings of a band
RAMPS = 16, 32  # ramps of the envelope, and of its correction, are so many times shorter than a frame
_START = -math.pi / 2  # phase of a tone that begins: a sine


@dataclass
class Sounding:
    """What goes on sounding after a frame; a sequence begins with nothing.

    Attributes:
        frame: number of the next frame.
        tones: bool [B, K], bands that sounded as tones.
        phases: of the tones at the end of the frame, [B, K].
        overhang: of the block before, [B, F / 8].
        gain: of the last part, [B, 1].
    """

    frame: int = 0
    tones: Tensor | None = None
    phases: Tensor | None = None
    overhang: Tensor | None = None
    gain: Tensor | None = None


@dataclass(frozen=True)
class TonesAndNoise:
    """What the energies of frames are played as, [B, T, K] each.

    Attributes:
        noise: level of a bin, dB.
        amplitude, frequency: of the tones.
        tones: bool, bands that are tones.
    """

    noise: Tensor
    amplitude: Tensor
    frequency: Tensor
    tones: Tensor


class BandSynthesis(nn.Module):
    """Plays levels.

    Args:
        bands: whose energies are given.
        parts: N.
    """

    noises: Tensor
    spread: Tensor

    def __init__(self, bands: SoundBands, parts: int) -> None:
        super().__init__()
        self.bands, self.parts = bands, parts
        self.samples, self.fade = bands.samples, bands.samples // 8
        self.block = self.samples + self.fade + (self.samples + self.fade) % 2
        bins = self.block // 2 + 1
        angles = np.random.default_rng(0).uniform(0, 2 * np.pi, (NOISES, bins))
        drawn = np.stack([np.cos(angles), np.sin(angles)], -1)
        self.register_buffer("noises", torch.as_tensor(drawn, dtype=torch.float32), persistent=False)
        spread = shares(bands.count, bins)
        self.register_buffer("spread", torch.as_tensor(spread, dtype=torch.float32), persistent=False)

    @in_float32
    def forward(self, energies: Tensor, levels: Tensor, onset: Tensor, memory: Sounding) -> Tensor:
        """The next frames.

        Args:
            energies: mean square in each band, [B, T, K].
            levels: mean square of each part, [B, T, N].
            onset: bool [B, T].
            memory: of the frames before; it is changed in place.

        Returns:
            sounds float32 [B, T, F].
        """
        return self._corrected(self.shaped(energies, levels, onset, memory), levels, memory)

    @in_float32
    def shaped(self, energies: Tensor, levels: Tensor, onset: Tensor, memory: Sounding) -> Tensor:
        """As `forward`, but only the ratios of the parts' levels count, and how loud a frame is follows its bands."""
        found = self.divide(energies)
        blocks = self._noise(found.noise, memory.frame) + self._tones(found, onset, memory)
        blocks = blocks * self._envelope(levels)
        sounds = self._join(blocks, memory)
        memory.frame += energies.shape[1]
        return sounds

    def divide(self, energies: Tensor) -> TonesAndNoise:
        """Divide the energies into noise and tones.

        A tone shares its energy with the louder neighbour of its band, by its place between the two centres.
        """
        density, centres = self.bands.densities(energies), self.bands.centres
        padded = F.pad(density, (FARTHEST, FARTHEST), mode="replicate")
        shifts = [shift for shift in range(-FARTHEST, FARTHEST + 1) if abs(shift) >= NEAREST]
        count = density.shape[-1]
        around = torch.stack([padded[..., FARTHEST + s : FARTHEST + s + count] for s in shifts]).mean(0)
        left, right = F.pad(density[..., :-1], (1, 0), value=-200.0), F.pad(density[..., 1:], (0, 1), value=-200.0)
        tones = (density >= left) & (density > right) & (density - around > TONE)
        excess = (energies - 10 ** (around / 10) * self.bands.widths).clamp_min(0)
        below, above = F.pad(excess[..., :-1], (1, 0)), F.pad(excess[..., 1:], (0, 1))
        upwards = above >= below
        other = torch.where(upwards, above, below)
        neighbour = torch.where(upwards, F.pad(centres[1:], (0, 1), value=1.0), F.pad(centres[:-1], (1, 0)))
        share = other / (excess + other).clamp_min(QUIETEST)
        taken = tones | F.pad(tones[..., 1:], (0, 1)) | F.pad(tones[..., :-1], (1, 0))
        return TonesAndNoise(
            noise=torch.where(taken, torch.minimum(density, around), density),
            amplitude=torch.where(tones, (2 * (excess + below + above)).sqrt(), 0.0),
            frequency=centres + (neighbour - centres) * share,
            tones=tones,
        )

    def _noise(self, density: Tensor, first: int) -> Tensor:
        """Noise [B, T, L] whose bins have levels [B, T, K] in dB, interpolated between the bands."""
        frames = torch.arange(first, first + density.shape[1], device=density.device) % NOISES
        scale = self.block / math.sqrt(2) * math.sqrt((self.samples // 2) / (self.block // 2))
        size = 10 ** (density @ self.spread / 20) * scale
        return torch.fft.irfft(torch.view_as_complex(self.noises[frames] * size[..., None]), n=self.block)

    def _tones(self, found: TonesAndNoise, onset: Tensor, memory: Sounding) -> Tensor:
        """The sum of the loudest tones [B, T, L]."""
        turn = math.pi * self.samples * found.frequency
        starts, phases, sounded = [], memory.phases, memory.tones
        for t in range(turn.shape[1]):
            start = torch.full_like(turn[:, t], _START)
            if phases is not None and sounded is not None:
                start = torch.where(sounded & ~onset[:, t, None], phases, start)
            starts.append(start)
            phases, sounded = torch.remainder(start + turn[:, t], 2 * math.pi), found.tones[:, t]
        memory.phases, memory.tones = phases, sounded
        time = math.pi * torch.arange(self.block, device=turn.device)
        loudest, places = found.amplitude.topk(min(TONES, self.bands.count), dim=-1)
        start, frequency = (x.gather(-1, places)[..., None] for x in (torch.stack(starts, 1), found.frequency))
        sums = turn.new_zeros(*turn.shape[:2], self.block)
        for number, amplitude in enumerate(loudest[..., None].unbind(2)):
            sums = sums + amplitude * torch.cos(start[:, :, number] + frequency[:, :, number] * time)
        return sums

    def _envelope(self, levels: Tensor) -> Tensor:
        """Gain of each sample of a block [B, T, L] that gives its parts their levels; the last one holds on."""
        gains = (levels / levels.mean(-1, keepdim=True)).sqrt()
        length = self.samples // self.parts
        sounds = _ramped(torch.cat([gains[..., :1], gains], dim=-1), length, self.samples // RAMPS[0])
        return torch.cat([sounds, gains[..., -1:].expand(*gains.shape[:-1], self.block - self.samples)], dim=-1)

    def _join(self, blocks: Tensor, memory: Sounding) -> Tensor:
        """Blocks [B, T, L] -> frames [B, T, F], each beginning with the end of the one before."""
        sounds, ends = blocks[..., : self.samples], blocks[..., self.samples : self.samples + self.fade]
        angle = math.pi / 2 * (torch.arange(self.fade, device=blocks.device) + 0.5) / self.fade
        if memory.overhang is None:  # nothing sounded before, so there is nothing to fade from
            before = torch.cat([torch.zeros_like(ends[:, :1]), ends[:, :-1]], dim=1)
            rise = torch.cat([torch.ones_like(ends[:, :1]), angle.sin().expand_as(ends[:, 1:])], dim=1)
        else:
            before = torch.cat([memory.overhang[:, None], ends[:, :-1]], dim=1)
            rise = angle.sin().expand_as(ends)
        memory.overhang = ends[:, -1]
        start = sounds[..., : self.fade] * rise + before * angle.cos()
        return torch.cat([start, sounds[..., self.fade :]], dim=-1)

    def _corrected(self, sounds: Tensor, levels: Tensor, memory: Sounding) -> Tensor:
        """Frames [B, T, F] whose parts have the given levels [B, T, N]; what is too loud is so without a ramp."""
        found = sounds.unflatten(2, (self.parts, -1)).square().mean(-1)
        gains = (levels / found.clamp_min(QUIETEST)).sqrt().flatten(1)  # [B, T N]
        before = gains[:, :1] if memory.gain is None else memory.gain
        memory.gain = gains[:, -1:]
        length = self.samples // self.parts
        ramps = _ramped(torch.cat([before, gains], dim=1), length, self.samples // RAMPS[1])
        ramps = ramps.minimum(gains.repeat_interleave(length, dim=1))
        return sounds * ramps.unflatten(1, (-1, self.samples))


def _ramped(gains: Tensor, length: int, ramp: int) -> Tensor:
    """Gain of each sample [..., n length] of n parts; each begins with a ramp from the one before, [..., 1 + n]."""
    ramp = max(1, min(ramp, length))
    share = ((torch.arange(length, device=gains.device) + 1) / ramp).clamp(max=1)
    last, own = gains[..., :-1, None], gains[..., 1:, None]
    return (last + (own - last) * share).flatten(-2)
