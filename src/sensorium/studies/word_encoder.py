"""The encoder of whole words: one picture of a word to one embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

GROUPS = 4


class WordEncoder(nn.Module):
    """Patches [B, bands, columns] -> embeddings [B, dim].

    It sees each patch twice: without its mean, and without the mean of every band, which removes the gain
    of the microphone and the timbre of the voice. The last grid is flattened, so that the order of sounds matters.
    """

    def __init__(self, width: int, dim: int, bands: int, columns: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 2
        for grown, stride in ((width, 2), (2 * width, 2), (4 * width, 2), (4 * width, 1)):
            layers += [nn.Conv2d(channels, grown, 3, stride=stride, padding=1), nn.GroupNorm(GROUPS, grown), nn.SiLU()]
            channels = grown
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(channels * -(-bands // 8) * -(-columns // 8), dim)

    def forward(self, patches: Tensor) -> Tensor:
        """Embed each word by itself."""
        both = torch.stack([patches - patches.mean((1, 2), keepdim=True), patches - patches.mean(2, keepdim=True)], 1)
        return self.head(self.layers(both).flatten(1))
