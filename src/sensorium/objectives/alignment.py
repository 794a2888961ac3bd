"""Learning of fusion: tell what the senses say, how that has changed and will change, and which sound fits which sight.

Targets are embeddings of frozen encoders, calibrated on the training recordings, and their changes to other frames in
units of that change's root mean square: a constant state, and the answer "nothing changes", earn an error of one.
Changes are asked for, not later values: those are mostly what stands still, and teach little of what moves.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    """Fusion with linear heads that read from the world state the senses now and their change to each offset.

    Batch: vision_embedding and audio_embedding float32 [B, frames + ahead, width], body float32 likewise or absent;
    ahead is the largest offset.
    """

    change: Tensor

    def __init__(self, config: FusionConfig, shapes: dict[str, int]) -> None:
        super().__init__()
        self.config = config
        self.fusion = Fusion(config, shapes)
        self.tell = nn.Linear(config.dim, (1 + len(config.offsets)) * sum(self.fusion.components.values()))
        self.register_buffer("change", torch.ones(len(self.fusion.widths), len(config.offsets)))

    @property
    def model(self) -> nn.Module:
        """The fusion, without the heads."""
        return self.fusion

    def embed(self, batch: Batch, draw: Draw) -> Tensor:
        """Image embedding, sound embedding and errors of every row side by side, [rows, 2 D + 1 + offsets]."""
        senses = self._senses(batch)
        visible = draw.uniform("mask", len(SENSES)) >= self.config.mask
        kept = F.one_hot(draw.integers("kept", len(self.fusion.widths)), len(SENSES)).bool()  # one sense stays
        errors = self._errors(batch, visible | kept)
        frames = self.config.frames
        images = self.fusion.image_embedding(senses["vision"][:, :frames])
        sounds = self.fusion.sound_embedding(senses["audio"][:, :frames])
        return torch.cat([images, sounds, errors], dim=1)

    def couple(self, embeddings: Tensor, draw: Draw) -> tuple[Tensor, Metrics]:
        """Error of now, mean error of the changes, and the image-sound alignment over the global batch."""
        dim, offsets = self.config.dim, self.config.offsets
        images, sounds, errors = embeddings.split([dim, dim, 1 + len(offsets)], dim=1)
        now, *changes = errors.mean(0)
        alignment = symmetric_info_nce(images, sounds, self.config.temperature)
        loss = now + torch.stack(changes).mean() + self.config.alignment_weight * alignment
        found = (images.detach() @ sounds.detach().T).argmax(1) == torch.arange(len(images), device=images.device)
        return loss, {
            "error_now": now.detach(),
            **{f"error_change_{n:+d}": error.detach() for n, error in zip(offsets, changes, strict=True)},
            "alignment": alignment.detach(),
            "pairs_found": found.float().mean(),
        }

    def gates(self, batch: Batch) -> list[Gate]:
        """Collapse of the world state, and whether it tells the senses, all given, better than their mean does."""
        senses = self._senses(batch)
        states = self.fusion(**{sense: values[:, : self.config.frames] for sense, values in senses.items()})
        everything = torch.ones(len(states), len(SENSES), dtype=torch.bool, device=states.device)
        now = float(self._errors(batch, everything).detach().mean(0)[0])
        return [
            *collapse_gates(states[:, -1]),
            Gate("told_variance", 1 - now, 0.1, "more steps or a lower learning rate"),
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

    def _errors(self, batch: Batch, present: Tensor) -> Tensor:
        """Mean squared errors of reading the senses now and their change to each offset, [B, 1 + offsets]."""
        frames, offsets = self.config.frames, self.config.offsets
        senses = self._senses(batch)
        states = self.fusion(**{sense: values[:, :frames] for sense, values in senses.items()}, present=present)
        told = self.tell(states).float().split(list(self.fusion.components.values()) * (1 + len(offsets)), dim=-1)
        truth = [self.fusion.calibrated(sense, values) for sense, values in senses.items()]
        rest = (1 - self.config.vision_weight) / (len(senses) - 1)
        weights = [self.config.vision_weight if sense == "vision" else rest for sense in senses]
        count = len(senses)
        errors = [_weighted(told[:count], [values[:, :frames] for values in truth], weights)]
        for index, offset in enumerate(offsets):
            first = max(0, -offset)  # frames before have nothing so far back in the window
            changes = [
                (values[:, first + offset : frames + offset] - values[:, first:frames]) / self.change[number, index]
                for number, values in enumerate(truth)
            ]
            parts = told[(index + 1) * count : (index + 2) * count]
            errors.append(_weighted([part[:, first:] for part in parts], changes, weights))
        return torch.stack(errors, 1)


def _weighted(told: Sequence[Tensor], truth: list[Tensor], weights: list[float]) -> Tensor:
    """Weighted sum over senses of mean squared errors, [B]."""
    pairs = zip(told, truth, weights, strict=True)
    return torch.stack([weight * (a - b).square().mean((1, 2)) for a, b, weight in pairs]).sum(0)
