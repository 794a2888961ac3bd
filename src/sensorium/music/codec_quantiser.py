"""Latents to codes and back, by the quantisers of puzzle codes behind one interface.

FSQ rounds each of some numbers by itself, so a latent has as many codes as numbers; RVQ has a code for each stage.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sensorium.models.precision import in_float32
from sensorium.models.quantisers.codebook import VectorQuantiser
from sensorium.models.quantisers.quantiser import Quantised
from sensorium.models.quantisers.residual import ResidualQuantiser
from sensorium.models.quantisers.scalar import ScalarQuantiser
from sensorium.music.codec_config import LATENTS, CodecQuantiserConfig

REST = 0.7  # how large the words of a stage are at the start, relative to those of the stage before


class LatentQuantiser(nn.Module):
    """Latents [..., LATENTS] to codes int64 [..., n], each from 0 to K - 1, and back.

    Args:
        config: its section. With kind none there are no codes, and latents pass.

    Attributes:
        kind: of its section.
        codes: n.
        base: K.
    """

    def __init__(self, config: CodecQuantiserConfig) -> None:
        super().__init__()
        self.kind, self.codes, self.base = config.kind, config.codes, config.base
        if self.kind == "none":
            return
        width = config.channels if self.kind == "fsq" else config.dim
        self.into, self.out = nn.Linear(LATENTS, width), nn.Linear(width, LATENTS)
        if self.kind == "fsq":
            self.rounding = ScalarQuantiser([config.levels])
        else:
            stages = [VectorQuantiser(width, config.words) for _ in range(config.stages)]
            for number, stage in enumerate(stages):
                nn.init.normal_(stage.codebook, std=REST**number)
            self.residual = ResidualQuantiser(stages)

    @in_float32
    def forward(self, latents: Tensor) -> Quantised:
        """Latents that went through their codes, the codes, and the loss of the kind."""
        if self.kind == "none":
            codes = torch.zeros(*latents.shape[:-1], 0, dtype=torch.int64, device=latents.device)
            return Quantised(latents, codes, latents.new_zeros(()), 0.0)
        vectors = self.into(latents)
        if self.kind == "fsq":
            found = self.rounding(vectors[..., None])
            return Quantised(self.out(found.vectors[..., 0]), found.codes, found.loss, found.bits * vectors.shape[-1])
        found = self.residual(vectors)
        return Quantised(self.out(found.vectors), found.codes, found.loss, found.bits)

    @in_float32
    def decode(self, codes: Tensor) -> Tensor:
        """Codes int64 [..., n] -> latents float32 [..., LATENTS].

        Raises:
            ValueError: with kind none, which has no codes.
        """
        if self.kind == "none":
            raise ValueError("this codec has no quantiser, so there are no codes; train one with fsq or rvq")
        if self.kind == "fsq":
            return self.out(self.rounding.decode(codes)[..., 0])
        return self.out(self.residual.decode(codes))
