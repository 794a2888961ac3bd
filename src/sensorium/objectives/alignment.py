"""Learning of fusion: foretell what the senses will say, and tell which sound belongs to which sight.

Targets are embeddings of frozen encoders, standardised on the training recordings: a constant state earns an
error of one, so collapse does not pay.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.config import FusionConfig
from sensorium.models.fusion import SENSES, Fusion
from sensorium.objectives.contrastive import collapse_gates
from sensorium.objectives.learner import Audio, Batch, CoupledLearner, Gate, Image, Metrics
from sensorium.randomness import Draw

FIELDS = {"vision": "vision_embedding", "audio": "audio_embedding", "body": "body"}


def symmetric_info_nce(images: Tensor, sounds: Tensor, temperature: float) -> Tensor:
    """Cross entropy of finding the partner among N, both ways (Radford et al. 2021, CLIP, figure 3), in float32.

    Args:
        images, sounds: [N, D] of unit length; row i of both belongs together.
    """
    logits = images.float() @ sounds.float().T / temperature
    partner = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, partner) + F.cross_entropy(logits.T, partner)) / 2


class FusionLearner(CoupledLearner):
    """Fusion with linear heads that read the senses now and `horizon` frames ahead from the world state.

    Batch: vision_embedding and audio_embedding float32 [B, frames + horizon, width], body float32 likewise or absent.
    """

    def __init__(self, config: FusionConfig, shapes: dict[str, int]) -> None:
        super().__init__()
        self.config = config
        self.fusion = Fusion(config, shapes)
        self.foretell = nn.Linear(config.dim, 2 * sum(self.fusion.widths.values()))

    @property
    def model(self) -> nn.Module:
        """The fusion, without the heads."""
        return self.fusion

    def embed(self, batch: Batch, draw: Draw) -> Tensor:
        """Image embedding, sound embedding and prediction error of every row side by side, [rows, 2 D + 2]."""
        senses = self._senses(batch)
        visible = draw.uniform("mask", len(SENSES)) >= self.config.mask
        kept = F.one_hot(draw.integers("kept", len(self.fusion.widths)), len(SENSES)).bool()  # one sense stays
        now, later = self._errors(batch, visible | kept)
        frames = self.config.frames
        images = self.fusion.image_embedding(senses["vision"][:, :frames])
        sounds = self.fusion.sound_embedding(senses["audio"][:, :frames])
        return torch.cat([images, sounds, now[:, None], later[:, None]], dim=1)

    def couple(self, embeddings: Tensor, draw: Draw) -> tuple[Tensor, Metrics]:
        """Mean squared error of both predictions and the image-sound alignment over the global batch."""
        dim = self.config.dim
        images, sounds, now, later = embeddings.split([dim, dim, 1, 1], dim=1)
        alignment = symmetric_info_nce(images, sounds, self.config.temperature)
        loss = now.mean() + later.mean() + self.config.alignment_weight * alignment
        found = (images.detach() @ sounds.detach().T).argmax(1) == torch.arange(len(images), device=images.device)
        return loss, {
            "error_now": now.detach().mean(),
            "error_ahead": later.detach().mean(),
            "alignment": alignment.detach(),
            "pairs_found": found.float().mean(),
        }

    def gates(self, batch: Batch) -> list[Gate]:
        """Collapse of the world state, and whether it foretells better than the mean does."""
        senses = self._senses(batch)
        states = self.fusion(**{sense: values[:, : self.config.frames] for sense, values in senses.items()})
        everything = torch.ones(len(states), len(SENSES), dtype=torch.bool, device=states.device)
        later = self._errors(batch, everything)[1].detach().mean()
        advice = "more steps or a shorter horizon"
        return [
            *collapse_gates(states[:, -1]),
            Gate("foretold_variance", 1 - float(later), 0.0, advice),
        ]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Likeness of 16 images (rows) and their sounds (columns): the diagonal should shine."""
        frames = self.config.frames
        senses = {sense: values[:16, :frames] for sense, values in self._senses(batch).items()}
        images = self.fusion.image_embedding(senses["vision"])
        likeness = images @ self.fusion.sound_embedding(senses["audio"]).T
        picture = ((likeness + 1) / 2).repeat_interleave(8, 0).repeat_interleave(8, 1)
        return {"likeness": Image(picture.expand(3, -1, -1))}

    def _senses(self, batch: Batch) -> dict[str, Tensor]:
        return {sense: batch[FIELDS[sense]] for sense in self.fusion.widths}

    def _errors(self, batch: Batch, present: Tensor) -> tuple[Tensor, Tensor]:
        """Squared errors [B] of reading the senses now and `horizon` frames ahead; each sense weighs the same."""
        frames, horizon = self.config.frames, self.config.horizon
        senses = self._senses(batch)
        states = self.fusion(**{s: values[:, :frames] for s, values in senses.items()}, present=present)
        readings = self.foretell(states).float().split(list(self.fusion.widths.values()) * 2, dim=-1)
        errors = []
        for index, start in enumerate((0, horizon)):
            parts = readings[index * len(senses) : (index + 1) * len(senses)]
            squares = [
                (part - self.fusion.standardise(sense, values[:, start : start + frames])).square().mean((1, 2))
                for part, (sense, values) in zip(parts, senses.items(), strict=True)
            ]
            errors.append(torch.stack(squares).mean(0))
        return errors[0], errors[1]
