"""The codec: sound -> latents -> codes -> latents -> sound, whatever network its section names.

Layouts: B sounds, S samples, T latents: ceil(S / hop), so that the last one may reach beyond the sound.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.models.load import Loadable
from sensorium.models.quantisers.quantiser import Quantised
from sensorium.music.codec_config import CodecConfig
from sensorium.music.codec_quantiser import LatentQuantiser
from sensorium.music.mdct_codec import MdctCodec
from sensorium.music.strided_codec import StridedCodec


class MusicCodec(Loadable):
    """The codec that its section names.

    Args:
        config: its section.
        shapes: {"rate": samples a second of its sounds}.

    Attributes:
        rate: samples a second.
        hop: samples of a latent.
        context: latents to either side that a latent, and a sample, depend on.
    """

    Config = CodecConfig
    kind = "music_codec"

    def __init__(self, config: CodecConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        self.rate, self.hop = config.preset.rate, config.preset.hop
        if shapes["rate"] != self.rate:
            raise ValueError(f"kind {config.kind} is for {self.rate} samples a second, not for {shapes['rate']}")
        self.network = MdctCodec(config) if config.kind == "mdct" else StridedCodec(config)
        self.quantiser = LatentQuantiser(config.quantiser)
        self.context = self.network.context

    def latents_of(self, samples: int) -> int:
        """How many there are of so many samples."""
        return -(-samples // self.hop)

    def encode(self, sounds: Tensor) -> Tensor:
        """Sounds [B, S] in [-1, 1] -> latents [B, 128, T]."""
        samples = sounds.shape[1]
        padded = F.pad(sounds, (0, self.latents_of(samples) * self.hop - samples))
        return self.network.encode(padded).transpose(1, 2)

    def quantise(self, latents: Tensor) -> Quantised:
        """Latents [B, 128, T] -> those of their codes, the codes int64 [B, T, n], the quantiser's loss."""
        found = self.quantiser(latents.transpose(1, 2))
        return Quantised(found.vectors.transpose(1, 2), found.codes, found.loss, found.bits)

    def latents_from(self, codes: Tensor) -> Tensor:
        """Codes int64 [B, T, n] -> latents [B, 128, T]."""
        return self.quantiser.decode(codes).transpose(1, 2)

    def decode(self, latents: Tensor, samples: int | None = None) -> Tensor:
        """Latents [B, 128, T] -> sounds float32 [B, S]; by default S = T * hop."""
        return self.network.decode(latents.transpose(1, 2))[:, :samples]

    def forward(self, sounds: Tensor) -> tuple[Tensor, Quantised]:
        """Sounds [B, S] -> (what is left of them [B, S], how they were quantised)."""
        found = self.quantise(self.encode(sounds))
        return self.decode(found.vectors, sounds.shape[1]), found

    @torch.no_grad()
    def codes(self, sounds: Tensor) -> Tensor:
        """Sounds [B, S] -> codes int64 [B, T, n]."""
        return self.quantise(self.encode(sounds)).codes
