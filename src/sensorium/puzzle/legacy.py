"""Presets of earlier work in their own sizes: 83,777 numbers for sounds, 349,187 for pictures, 76,896 for texts.

They are here to be compared with. Networks, codebook (ten words of 64 numbers, learned by gradients) and objective are
theirs. Their faults are not: the scale is fixed instead of the least and the largest value of a batch, pictures are
in [-1, 1] going in and coming out, a blank is no padding, perplexity is counted over the set, and norms run over an
example instead of a batch, which takes as many numbers (docs/puzzles.md).

Layouts: B examples, G = 30 rows and columns of cells, D = 64 numbers of a cell.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.models.precision import in_float32
from sensorium.models.quantisers.codebook import VectorQuantiser
from sensorium.models.quantisers.quantiser import Quantised
from sensorium.puzzle.config import CODES, SIDE, LegacyConfig
from sensorium.puzzle.grid_code import GridCode
from sensorium.puzzle.spectrogram import BANDS, COLUMNS, DecibelSpectrogram
from sensorium.training.learner import Batch

DIM = 64  # of a word
ENLARGED = 224  # pixels a side of pictures, as they were enlarged
CHARACTERS = 128  # of a text, and of the alphabet


class LegacyCode(GridCode):
    """The part that presets share.

    Args:
        config: its section.
        shapes: {}; of pictures {"size": height and width in pixels}.

    Attributes:
        encoder, decoder: networks, what is seen -> [B, D, G, G] -> as decoded.
    """

    Config = LegacyConfig
    encoder: nn.Module
    decoder: nn.Module

    def __init__(self, config: LegacyConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        self.quantiser = VectorQuantiser(DIM, CODES)

    def encode(self, seen: Tensor) -> Quantised:
        found: Quantised = self.quantiser(self.encoder(seen).movedim(1, -1))
        return found

    def decode(self, codes: Tensor) -> Tensor:
        return self.decode_words(self.quantiser.decode(codes))

    def decode_words(self, words: Tensor) -> Tensor:
        """Words [B, G, G, D] -> as decoded."""
        decoded: Tensor = self.decoder(words.movedim(-1, 1))
        return decoded

    def forward(self, seen: Tensor) -> tuple[Tensor, Quantised]:
        """What is seen -> (decoded, codes)."""
        quantised = self.encode(seen)
        return self.decode_words(quantised.vectors), quantised

    @abstractmethod
    def error(self, decoded: Tensor, seen: Tensor) -> Tensor:
        """Their error of reconstruction, a scalar."""


def _down(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.GroupNorm(1, outputs), nn.ReLU()]


def _up(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.GroupNorm(1, outputs), nn.ReLU()]


class LegacySound(LegacyCode):
    """The audio preset: 8 columns of moments are stretched to 30."""

    kind = "puzzle_sound_legacy"
    stream = "audio"

    def __init__(self, config: LegacyConfig, shapes: dict[str, Any]) -> None:
        super().__init__(config, shapes)
        self.spectrogram = DecibelSpectrogram()
        self.encoder = nn.Sequential(
            *_down(1, 32), *_down(32, DIM), nn.Upsample((SIDE, SIDE), mode="bilinear"), nn.Conv2d(DIM, DIM, 1)
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(DIM, DIM, 1),
            nn.GroupNorm(1, DIM),
            nn.ReLU(),
            *_up(DIM, 32),
            *_up(32, 16),
            nn.Upsample((BANDS, COLUMNS), mode="bilinear"),
            nn.Conv2d(16, 1, 1),
            nn.Sigmoid(),
        )

    def view(self, batch: Batch) -> Tensor:
        seen: Tensor = self.spectrogram(to_sounds(batch["audio"]))
        return seen

    def encode(self, seen: Tensor) -> Quantised:
        return super().encode(seen[:, None])

    def decode_words(self, words: Tensor) -> Tensor:
        return super().decode_words(words)[:, 0]

    @in_float32
    def error(self, decoded: Tensor, seen: Tensor) -> Tensor:
        return (decoded - seen).square().mean()


class LegacySight(LegacyCode):
    """The vision preset, for pictures of any size, which it enlarges to 224 x 224."""

    kind = "puzzle_sight_legacy"
    stream = "video"

    def __init__(self, config: LegacyConfig, shapes: dict[str, Any]) -> None:
        super().__init__(config, shapes)
        size = int(shapes["size"])
        self.encoder = nn.Sequential(
            nn.Upsample((ENLARGED, ENLARGED), mode="bilinear"),
            *_down(3, 32),
            *_down(32, 64),
            *_down(64, 128),
            nn.Upsample((SIDE, SIDE), mode="bilinear"),
            nn.Conv2d(128, DIM, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(DIM, 128, 1),
            nn.GroupNorm(1, 128),
            nn.ReLU(),
            *_up(128, 64),
            *_up(64, 32),
            nn.ConvTranspose2d(32, 3, 4, 2, 1),
            nn.Upsample((ENLARGED, ENLARGED), mode="bilinear"),
            nn.Tanh(),
            nn.AdaptiveAvgPool2d(size),
        )

    def view(self, batch: Batch) -> Tensor:
        return to_images(batch["video"])[:, -1]

    def encode(self, seen: Tensor) -> Quantised:
        return super().encode(2 * seen - 1)

    def decode_words(self, words: Tensor) -> Tensor:
        return (super().decode_words(words) + 1) / 2

    @in_float32
    def error(self, decoded: Tensor, seen: Tensor) -> Tensor:
        return (2 * (decoded - seen)).square().mean()


class LegacyText(LegacyCode):
    """The language preset: 128 characters on 30 symbols, each of which fills a row of the grid.

    What is seen is int64 [B, 128], 0 to 127; what is decoded are logits [B, 128, 128], the alphabet last.
    """

    kind = "puzzle_text_legacy"
    stream = "text"

    def __init__(self, config: LegacyConfig, shapes: dict[str, Any]) -> None:
        super().__init__(config, shapes)
        self.embedding = nn.Embedding(CHARACTERS, 32)
        self.encoder = nn.Sequential(
            nn.Conv1d(32, DIM, 3, 2, 1), nn.ReLU(), nn.Conv1d(DIM, DIM, 3, 2, 1), nn.ReLU(), nn.Conv1d(DIM, DIM, 3)
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose1d(DIM, DIM, 3),
            nn.ReLU(),
            nn.ConvTranspose1d(DIM, DIM, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose1d(DIM, 32, 4, 2, 1),
        )
        self.alphabet = nn.Linear(32, CHARACTERS)

    def view(self, batch: Batch) -> Tensor:
        return batch["text"].long()

    def encode(self, seen: Tensor) -> Quantised:
        symbols = self.encoder(self.embedding(seen).transpose(1, 2))
        found: Quantised = self.quantiser(symbols.transpose(1, 2)[:, :, None].expand(-1, -1, SIDE, -1))
        return found

    def decode_words(self, words: Tensor) -> Tensor:
        decoded: Tensor = self.alphabet(self.decoder(words.mean(2).transpose(1, 2)).transpose(1, 2))
        return decoded

    @in_float32
    def error(self, decoded: Tensor, seen: Tensor) -> Tensor:
        return nn.functional.cross_entropy(decoded.flatten(0, 1), seen.flatten())


PRESETS: dict[str, type[LegacyCode]] = {
    "sound_legacy": LegacySound,
    "sight_legacy": LegacySight,
    "text_legacy": LegacyText,
}
