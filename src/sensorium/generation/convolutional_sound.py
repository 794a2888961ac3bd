"""Convolutional sound tokenizer: the sound of each frame to a few bounded continuous tokens, and back, causally.

Layouts: B sounds, T frames, S = T * samples_per_frame samples, N tokens a frame, C channels of a token, W channels
of a hidden layer, L columns of `hop` samples. A column of the hidden layers depends on the samples up to its end, and
a decoded sample on the columns up to its own. So a stream can be encoded and decoded frame by frame, if each frame is
preceded by the `past` frames before it; the result is that of the whole sound.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.config.sound import hop_of
from sensorium.generation.tokenizer_config import AudioTokenizerConfig
from sensorium.models.streaming import Overlap

_TYPICAL = 0.02  # root mean square of a column from an untrained decoder
_QUIETEST = 1e-4  # root mean square below which columns count as equally quiet


class ConvolutionalSound(nn.Module):
    """Autoencoder of sound with a bounded bottleneck (tanh); it treats a column's loudness and its shape separately.

    Args:
        config: the section of the sound tokenizer.
        samples_per_frame: samples of one frame.

    Attributes:
        tokens: N.
        channels: C.
        samples_per_frame: samples of one frame.
        past: frames before a frame that its tokens, or its sound, depend on.

    Raises:
        ConfigurationError: if a token's share of a frame cannot be divided into columns.
    """

    def __init__(self, config: AudioTokenizerConfig, samples_per_frame: int) -> None:
        super().__init__()
        self.samples_per_frame = samples_per_frame
        self.tokens, self.channels = config.tokens, config.channels
        self.hop = hop_of(self.tokens, self.samples_per_frame)
        self.columns = self.samples_per_frame // self.tokens // self.hop  # of one token
        width = config.width
        self.shape = nn.Linear(2 * self.hop, width)
        self.loudness = nn.Linear(1, width)
        dilations = [2**layer for layer in range(config.layers)]
        self.encoder = nn.Sequential(
            *(CausalResidual(width, config.kernel, dilation) for dilation in dilations),
            ChannelNorm(width),
            nn.Conv1d(width, 2 * width, self.columns, stride=self.columns),
            nn.SiLU(),
            nn.Conv1d(2 * width, self.channels, 1),
            nn.Tanh(),
        )
        self.spread = nn.Conv1d(self.channels, width * self.columns, 1)
        self.decoder = nn.Sequential(
            *(CausalResidual(width, config.kernel, dilation) for dilation in dilations), ChannelNorm(width)
        )
        self.wave = nn.Linear(width, 2 * self.hop)
        self.gain = nn.Linear(width, 1)
        nn.init.zeros_(self.gain.weight)
        nn.init.constant_(self.gain.bias, math.log(_TYPICAL))
        reach = (config.kernel - 1) * sum(dilations) + 1  # + 1: the wave of a column overlaps the next column
        self.past = math.ceil(reach / (self.tokens * self.columns))

    def encode(self, sounds: Tensor) -> Tensor:
        """Sounds [B, S] in [-1, 1] of whole frames -> tokens [B, T, N, C] in (-1, 1)."""
        columns = F.pad(sounds.float(), (self.hop, 0)).unfold(1, 2 * self.hop, self.hop)  # [B, L, 2 hop]
        loudness = (columns.square().mean(-1, keepdim=True) + _QUIETEST**2).sqrt()
        hidden = self.shape(columns / loudness) + self.loudness((loudness / _TYPICAL).log())
        return self.encoder(hidden.transpose(1, 2)).transpose(1, 2).unflatten(1, (-1, self.tokens))

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens [B, T, N, C] -> sounds float32 [B, S], close to [-1, 1]: clamp before playing them."""
        spread = self.spread(tokens.flatten(1, 2).transpose(1, 2))
        hidden = spread.unflatten(1, (-1, self.columns)).transpose(2, 3).flatten(2)  # [B, W, L]
        hidden = self.decoder(hidden).transpose(1, 2)  # [B, L, W]
        waves = self.wave(hidden).float() * self.gain(hidden).float().exp()
        own, tail = waves.split(self.hop, dim=-1)
        return (own + F.pad(tail[:, :-1], (0, 0, 1, 0))).flatten(1)

    @property
    def encoding(self) -> Overlap:
        """`encode` as a stream: sounds [B, T, samples_per_frame] -> tokens [B, T, N, C]."""
        return Overlap(lambda sounds: self.encode(sounds.flatten(1)), self.past)

    @property
    def decoding(self) -> Overlap:
        """`decode` as a stream: tokens [B, T, N, C] -> sounds [B, T, samples_per_frame]."""
        return Overlap(lambda tokens: self.decode(tokens).unflatten(1, (-1, self.samples_per_frame)), self.past)


class ChannelNorm(nn.Module):
    """Divides each column by its root mean square, [B, W, L] -> same; a mean over time would not be causal."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised in float32."""
        return x * torch.rsqrt(x.float().square().mean(1, keepdim=True) + 1e-4).to(x.dtype) * self.scale


class CausalResidual(nn.Module):
    """x + a dilated convolution over a column and earlier ones; [B, W, L] -> same. Starts as the identity."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.history = (kernel - 1) * dilation
        self.norm = ChannelNorm(width)
        self.convolution = nn.Conv1d(width, width, kernel, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x."""
        return x + self.mix(F.silu(self.convolution(F.pad(self.norm(x), (self.history, 0)))))
