"""Training of fusion: predict the senses, their past and coming changes, and which sound belongs to which picture.

Targets are embeddings of frozen encoders, calibrated on the training recordings, and their changes to other frames in
units of that change's root mean square: a constant state, and predicting no change, have an error of one.
The targets are changes and not later values, because those are mostly what stands still and teach little of motion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.models.precision import in_float32
from sensorium.perception.config import FusionConfig
from sensorium.perception.contrastive_learner import collapse_gates
from sensorium.perception.fusion import SENSES, Fusion
from sensorium.randomness import Draw
from sensorium.training.learner import Audio, Batch, CoupledLearner, Gate, Image, Metrics

FIELDS = {"vision": "vision_embedding", "audio": "audio_embedding", "body": "body"}


@in_float32
def symmetric_info_nce(images: Tensor, sounds: Tensor, temperature: float) -> Tensor:
    """Cross entropy of finding the partner among N, both ways (Radford et al. 2021, CLIP, figure 3), in float32.

    Args:
        images, sounds: [N, D] of unit length; row i of both belongs together.
    """
    logits = images @ sounds.T / temperature
    partner = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, partner) + F.cross_entropy(logits.T, partner)) / 2


class PredictionHeads(nn.Module):
    """Linear heads that read from the world state the senses now and their change to each offset.

    Args:
        config: of the fusion, whose frames, offsets and vision_weight hold here.
        components: numbers of each calibrated sense, vision first.
    """

    change: Tensor

    def __init__(self, config: FusionConfig, components: Mapping[str, int]) -> None:
        super().__init__()
        self.config, self.components = config, dict(components)
        self.heads = nn.Linear(config.dim, (1 + len(config.offsets)) * sum(components.values()))
        self.register_buffer("change", torch.ones(len(components), len(config.offsets)))

    def targets(self, truth: Sequence[Tensor]) -> list[tuple[int, list[Tensor]]]:
        """Targets from calibrated senses [B, frames + ahead, n]: the values now, then the change to each offset.

        Each comes with its first frame: earlier frames have no partner so far back in the window.
        """
        frames = self.config.frames
        targets = [(0, [values[:, :frames] for values in truth])]
        for index, offset in enumerate(self.config.offsets):
            first = max(0, -offset)
            changes = [
                (values[:, first + offset : frames + offset] - values[:, first:frames]) / self.change[number, index]
                for number, values in enumerate(truth)
            ]
            targets.append((first, changes))
        return targets

    def errors(self, states: Tensor, truth: Sequence[Tensor]) -> Tensor:
        """Mean squared errors of the predictions from states [B, frames, D], [B, 1 + offsets]."""
        count, share = len(self.components), self.config.vision_weight
        weights = [share if sense == "vision" else (1 - share) / (count - 1) for sense in self.components]
        sizes = list(self.components.values()) * (1 + len(self.config.offsets))
        predicted = self.heads(states).float().split(sizes, dim=-1)
        errors = []
        for index, (first, values) in enumerate(self.targets(truth)):
            parts = predicted[index * count : (index + 1) * count]
            errors.append(_weighted([part[:, first:] for part in parts], values, weights))
        return torch.stack(errors, 1)


def hidden_senses(config: FusionConfig, senses: int, draw: Draw) -> Tensor:
    """Which senses a row may use in which frame, bool [rows, frames, 3].

    A sense may be hidden in a whole window, but never all of the first `senses`; and sight may be lost for a stretch
    that begins after the first frame and lasts for up to half of the window.
    """
    visible = draw.uniform("mask", len(SENSES)) >= config.mask
    kept = F.one_hot(draw.integers("kept", senses), len(SENSES)).bool()  # one sense stays
    present = (visible | kept)[:, None].repeat(1, config.frames, 1)
    frame = torch.arange(config.frames, device=present.device)
    start = 1 + draw.integers("occluded from", config.frames - 1)[:, None]
    length = 1 + draw.integers("occluded for", config.frames // 2)[:, None]
    occluded = (draw.uniform("occluded") < config.occlusion)[:, None] & (frame >= start) & (frame < start + length)
    present[..., SENSES.index("vision")] &= ~occluded
    return present


class FusionLearner(CoupledLearner):
    """Fusion that learns from the predictions of its world state and from pairs of pictures and sounds.

    Batch: vision_embedding and audio_embedding float32 [B, frames + ahead, width], body float32 likewise or absent;
    ahead is the largest offset.
    """

    def __init__(self, config: FusionConfig, shapes: dict[str, int]) -> None:
        super().__init__()
        self.config = config
        self.fusion = Fusion(config, shapes)
        self.add_module("telling", PredictionHeads(config, self.fusion.components))  # its name in checkpoints

    @property
    def model(self) -> nn.Module:
        """The fusion, without the heads."""
        return self.fusion

    @property
    def prediction_heads(self) -> PredictionHeads:
        """The heads, which are not exported."""
        heads = self.get_submodule("telling")
        assert isinstance(heads, PredictionHeads)
        return heads

    def embed(self, batch: Batch, draw: Draw) -> Tensor:
        """Image and sound embedding and errors of every row, side by side: [rows, 2 window_width + 1 + offsets]."""
        senses = self._senses(batch)
        errors = self._errors(batch, hidden_senses(self.config, len(self.fusion.widths), draw))
        frames = self.config.frames
        images = self.fusion.image_embedding(senses["vision"][:, :frames])
        sounds = self.fusion.sound_embedding(senses["audio"][:, :frames])
        return torch.cat([images, sounds, errors], dim=1)

    @in_float32
    def couple(self, embeddings: Tensor, draw: Draw) -> tuple[Tensor, Metrics]:
        """Error of now, mean error of the changes, and the image-sound alignment over the global batch."""
        offsets, window = self.config.offsets, self.fusion.window_width
        images, sounds, errors = embeddings.split([window, window, 1 + len(offsets)], dim=1)
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
        """The world state must not collapse, and must predict the senses, all given, better than their mean does."""
        senses = self._senses(batch)
        states = self.fusion(**{sense: values[:, : self.config.frames] for sense, values in senses.items()})
        everything = torch.ones(len(states), len(SENSES), dtype=torch.bool, device=states.device)
        now = float(self._errors(batch, everything).detach().mean(0)[0])
        return [
            *collapse_gates(states[:, -1]),
            Gate("predicted_variance", 1 - now, 0.1, "more steps or a lower learning rate"),
        ]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Similarity of 16 images (rows) and their sounds (columns): the diagonal should be bright."""
        frames = self.config.frames
        senses = {sense: values[:16, :frames] for sense, values in self._senses(batch).items()}
        images = self.fusion.image_embedding(senses["vision"])
        similarity = images @ self.fusion.sound_embedding(senses["audio"]).T
        picture = ((similarity + 1) / 2).repeat_interleave(8, 0).repeat_interleave(8, 1)
        return {"similarity": Image(picture.expand(3, -1, -1))}

    def _senses(self, batch: Batch) -> dict[str, Tensor]:
        return {sense: batch[FIELDS[sense]] for sense in self.fusion.widths}

    def _errors(self, batch: Batch, present: Tensor) -> Tensor:
        """Mean squared errors of the senses now and of their change to each offset, [B, 1 + offsets]."""
        senses, frames = self._senses(batch), self.config.frames
        states = self.fusion(**{sense: values[:, :frames] for sense, values in senses.items()}, present=present)
        truth = [self.fusion.calibrated(sense, values) for sense, values in senses.items()]
        return self.prediction_heads.errors(states, truth)


def _weighted(predicted: Sequence[Tensor], truth: list[Tensor], weights: list[float]) -> Tensor:
    """Weighted sum over senses of mean squared errors, [B]."""
    pairs = zip(predicted, truth, weights, strict=True)
    return torch.stack([weight * (a - b).square().mean((1, 2)) for a, b, weight in pairs]).sum(0)
