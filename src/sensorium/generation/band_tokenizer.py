"""Sound tokenizer of fixed bands: levels in fixed places, which a mean does not blur, decoded without learning.

A token holds the levels of K / N neighbouring bands, the level of its part of the frame, the onset flag, and zeros.
The flag is the same in all tokens of a frame, so that no channel means something else in another token. Levels are dB,
less their mean over the training recordings, in units of `SPAN` standard deviations.
Layouts: B sounds, T frames, S = T * F samples, N tokens a frame, C channels of a token, K bands.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.generation.band_synthesis import BandSynthesis, Sounding
from sensorium.generation.sound_bands import QUIETEST, SoundBands
from sensorium.generation.tokenizer_config import AudioTokenizerConfig
from sensorium.models.streaming import Cached, Overlap

SPAN = 8  # standard deviations of a level that a token reaches
SMALLEST_STD = 1.0  # dB, of a level that hardly varies
RISE = 6.0  # dB above the frame before, in a frame that is louder than the mean training frame: an onset


@dataclass(frozen=True)
class BandLevels:
    """What the tokens say: mean squares of bands [B, T, K] and of parts [B, T, N], and onsets, bool [B, T]."""

    bands: Tensor
    parts: Tensor
    onset: Tensor


class BandTokenizer(nn.Module):
    """Levels of fixed bands of each frame, and of its N parts, and whether something begins to sound.

    It has no weights, only statistics of the training recordings (`describe`).

    Args:
        config: the section of the sound tokenizer.
        samples: samples of a frame.
    """

    past = 1  # the flag compares with the frame before
    mean: Tensor
    std: Tensor
    loudness: Tensor
    power: Tensor

    def __init__(self, config: AudioTokenizerConfig, samples: int) -> None:
        super().__init__()
        self.samples, self.tokens, self.channels = samples, config.tokens, config.channels
        self.bands = SoundBands(config.bands, samples)
        self.synthesis = BandSynthesis(self.bands, config.tokens)
        numbers = config.bands + config.tokens
        self.register_buffer("mean", torch.full((numbers,), -60.0))
        self.register_buffer("std", torch.full((numbers,), 10.0))
        self.register_buffer("loudness", torch.tensor(-60.0))
        self.register_buffer("power", torch.tensor(1e-3))

    @property
    def flag(self) -> int:
        """Channel of the onset flag; the one before it is the level of the token's part of the frame."""
        return self.bands.count // self.tokens + 1

    def describe(self, mean: Tensor, std: Tensor, loudness: Tensor, power: Tensor) -> None:
        """Set the statistics of the training recordings.

        Args:
            mean, std: of all levels, dB [K + N].
            loudness: mean level of a frame, dB.
            power: mean square of the samples.
        """
        self.mean.copy_(mean)
        self.std.copy_(std.clamp_min(SMALLEST_STD))
        self.loudness.copy_(loudness)
        self.power.copy_(power)

    def measure(self, sounds: Tensor) -> BandLevels:
        """The levels of sounds [B, S]. Before the first frame it was as loud as there."""
        frames = sounds.float().unflatten(1, (-1, self.samples))
        parts = frames.unflatten(2, (self.tokens, -1)).square().mean(-1) + QUIETEST
        loudness = decibels(parts.mean(-1))
        before = torch.cat([loudness[:, :1], loudness[:, :-1]], dim=1)
        onset = (loudness - before > RISE) & (loudness > self.loudness)
        return BandLevels(self.bands.energies(frames), parts, onset)

    def pack(self, levels: BandLevels) -> Tensor:
        """Levels -> tokens [B, T, N, C] in [-1, 1]."""
        scaled = (torch.cat([decibels(levels.bands), decibels(levels.parts)], dim=-1) - self.mean) / (SPAN * self.std)
        bands, parts = scaled.clamp(-1, 1).split([self.bands.count, self.tokens], dim=-1)
        flags = levels.onset.to(scaled)[..., None, None].expand(-1, -1, self.tokens, 1)
        numbers = torch.cat([bands.unflatten(-1, (self.tokens, -1)), parts[..., None], flags], dim=-1)
        return F.pad(numbers, (0, self.channels - numbers.shape[-1]))

    def unpack(self, tokens: Tensor) -> BandLevels:
        """The inverse of `pack`; tokens of a dream may lie outside of [-1, 1] or disagree about the flag."""
        each = self.bands.count // self.tokens
        tokens = tokens.float().clamp(-1, 1)
        scaled = torch.cat([tokens[..., :each].flatten(2), tokens[..., each]], dim=-1)
        bands, parts = energy(scaled * SPAN * self.std + self.mean).split([self.bands.count, self.tokens], dim=-1)
        return BandLevels(bands, parts, tokens[..., each + 1].mean(-1) > 0.5)

    def encode(self, sounds: Tensor) -> Tensor:
        """Sounds [B, S] in [-1, 1] of whole frames -> tokens [B, T, N, C] in [-1, 1]."""
        return self.pack(self.measure(sounds))

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens [B, T, N, C] -> sounds float32 [B, S]."""
        return self.play(tokens, Sounding()).flatten(1)

    def play(self, tokens: Tensor, memory: Sounding) -> Tensor:
        """The next frames [B, T, samples], of tokens [B, T, N, C]."""
        levels = self.unpack(tokens)
        return self.synthesis(levels.bands, levels.parts, levels.onset, memory)

    @property
    def encoding(self) -> Overlap:
        """`encode` as a stream: sounds [B, T, samples] -> tokens [B, T, N, C]."""
        return Overlap(lambda sounds: self.encode(sounds.flatten(1)), self.past)

    @property
    def decoding(self) -> Cached[Sounding]:
        """`decode` as a stream: tokens [B, T, N, C] -> sounds [B, T, samples]."""
        return Cached(Sounding, self.play)


def decibels(energies: Tensor) -> Tensor:
    """Mean squares -> dB of full scale."""
    return 10 * energies.log10()


def energy(levels: Tensor) -> Tensor:
    """The inverse of `decibels`."""
    return 10 ** (levels / 10)
