"""Contrastive learning of one sense: two views of the same moment against all other moments of the batch."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.data.augment import augment_images, augment_sounds
from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.models.precision import in_float32
from sensorium.perception.config import AudioEncoderConfig, Contrast, VisionEncoderConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.randomness import Draw
from sensorium.training.collapse import effective_rank, mean_difference, relative_std
from sensorium.training.learner import Audio, Batch, CoupledLearner, Gate, Image, Metrics

AGREE, VARY = 25.0, 25.0  # VICReg's weights of invariance and variance, where that of covariance is 1


@in_float32
def nt_xent(views: Tensor, temperature: float) -> Tensor:
    """Normalised temperature-scaled cross entropy (Chen et al. 2020, SimCLR, eq. 1), in float32.

    Args:
        views: [N, 2, D]: two views of each of N samples, N >= 2.
        temperature: divides the cosines.

    Returns:
        scalar; log(2 N - 1) if all views are equal.
    """
    count = len(views)
    unit = F.normalize(views, dim=-1).transpose(0, 1).flatten(0, 1)  # [2 N, D], first views first
    logits = unit @ unit.T / temperature
    logits = logits.masked_fill(torch.eye(2 * count, dtype=torch.bool, device=views.device), float("-inf"))
    partner = torch.arange(2 * count, device=views.device).roll(count)
    return F.cross_entropy(logits, partner)


@in_float32
def variance_hinge(features: Tensor) -> Tensor:
    """Mean over dimensions of max(0, 1 - std) (Bardes et al. 2022, VICReg, eq. 1), in float32; [N, D] -> []."""
    std = (features.var(0) + 1e-4).sqrt()
    return F.relu(1 - std).mean()


@in_float32
def covariance_term(features: Tensor) -> Tensor:
    """Sum of squared covariances of different dimensions over D (VICReg, eqs. 3 and 4), in float32; [N, D] -> []."""
    centred = features - features.mean(0)
    covariance = centred.T @ centred / (len(features) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / features.shape[1]


@in_float32
def contrast(views: Tensor, config: Contrast) -> tuple[Tensor, Metrics]:
    """The chosen objective on projections [N, 2, D], and the share of first views nearest to their own partner.

    In float32.
    """
    sides = views.unbind(1)
    variance = (variance_hinge(sides[0]) + variance_hinge(sides[1])) / 2
    if config.objective == "nt_xent":
        similarity = nt_xent(views, config.temperature)
        loss = similarity + config.variance_weight * variance
        metrics = {"nt_xent": similarity.detach()}
    else:
        invariance = F.mse_loss(sides[0], sides[1])
        covariance = covariance_term(sides[0]) + covariance_term(sides[1])
        loss = AGREE * invariance + VARY * variance + covariance
        metrics = {"invariance": invariance.detach(), "covariance": covariance.detach()}
    unit = F.normalize(views.detach(), dim=-1)
    hits = (unit[:, 0] @ unit[:, 1].T).argmax(1) == torch.arange(len(unit), device=unit.device)
    return loss, metrics | {"variance": variance.detach(), "pairs_found": hits.float().mean()}


def collapse_gates(embeddings: Tensor, wide: float = 3.0) -> list[Gate]:
    """Three gates that a collapsed encoder fails, on embeddings [N, dim] of different inputs."""
    advice = "a lower lr, a higher variance_weight or weaker augmentation"
    return [
        Gate("embedding_std", relative_std(embeddings), 0.05, advice),
        Gate("effective_rank", effective_rank(embeddings), wide, advice),
        Gate("output_difference", mean_difference(embeddings), 0.02, advice),
    ]


def projector(dim: int, out: int) -> nn.Module:
    """Projection head, discarded after training, that absorbs the invariances of the loss (SimCLR, section 4.2)."""
    return nn.Sequential(nn.Linear(dim, 2 * dim), nn.SiLU(), nn.Linear(2 * dim, out))


class ContrastiveLearner(CoupledLearner):
    """An encoder and its projection head; a subclass for each sense makes two views of a batch."""

    def __init__(self, encoder: nn.Module, dim: int, config: Contrast) -> None:
        super().__init__()
        self.encoder, self.contrast = encoder, config
        self.projector = projector(dim, config.projection)

    @property
    def model(self) -> nn.Module:
        """The encoder, without its projection."""
        return self.encoder

    @abstractmethod
    def views(self, batch: Batch, draw: Draw) -> tuple[Tensor, Tensor]:
        """Two augmented views of each row."""

    def encode(self, inputs: Tensor) -> Tensor:
        """Embeddings [B, dim] of one view."""
        return self.encoder(inputs)

    @abstractmethod
    def samples(self, batch: Batch) -> Tensor:
        """The batch's rows as they are, without augmentation."""

    def embed(self, batch: Batch, draw: Draw) -> Tensor:
        """Projections of both views, [rows, 2, projection]."""
        first, second = self.views(batch, draw)
        projections = self.projector(self.encode(torch.cat([first, second])))
        return torch.stack(projections.chunk(2), dim=1)

    def couple(self, embeddings: Tensor, draw: Draw) -> tuple[Tensor, Metrics]:
        """NT-Xent over the global batch and the variance term."""
        return contrast(embeddings, self.contrast)

    def gates(self, batch: Batch) -> list[Gate]:
        """Relative std, effective rank and mutual difference of the embeddings of different inputs."""
        return collapse_gates(self.encode(self.samples(batch)))


class VisionContrast(ContrastiveLearner):
    """Views: two frames at most `neighbours` apart, each augmented; batch: video uint8 [B, neighbours + 1, H, W, 3]."""

    def __init__(self, config: VisionEncoderConfig, shapes: dict[str, int]) -> None:
        super().__init__(VisionEncoder(config, shapes), config.dim, config.contrast)
        self.augmentation = config.augmentation

    def views(self, batch: Batch, draw: Draw) -> tuple[Tensor, Tensor]:
        video = batch["video"]
        rows = torch.arange(len(video), device=video.device)
        chosen = draw.integers("frames", video.shape[1], 2)
        first, second = (to_images(video[rows, chosen[:, side]]) for side in (0, 1))
        return (
            augment_images(first, self.augmentation, draw, "first"),
            augment_images(second, self.augmentation, draw, "second"),
        )

    def samples(self, batch: Batch) -> Tensor:
        return to_images(batch["video"][:, 0])

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Eight frames above and two views of each below."""
        count = min(8, len(batch["video"]))
        rows = {name: value[:count] for name, value in batch.items()}
        draw = Draw(0, 0, 0, count, count, batch["video"].device)
        lines = [self.samples(rows), *self.views(rows, draw)]
        return {"views": Image(torch.cat([torch.cat(list(line), dim=2) for line in lines], dim=1))}


class AudioContrast(ContrastiveLearner):
    """Views: the same window of sound augmented twice; batch: audio int16 [B, frames * samples_per_frame]."""

    encoder: AudioEncoder

    def __init__(self, config: AudioEncoderConfig, shapes: dict[str, int]) -> None:
        super().__init__(AudioEncoder(config, shapes), config.dim, config.contrast)
        self.augmentation, self.rate = config.augmentation, int(shapes["sample_rate"])

    def views(self, batch: Batch, draw: Draw) -> tuple[Tensor, Tensor]:
        sounds = self.samples(batch)
        return (
            augment_sounds(sounds, self.augmentation, draw, "first"),
            augment_sounds(sounds, self.augmentation, draw, "second"),
        )

    def encode(self, inputs: Tensor) -> Tensor:
        return self.encoder.pool(self.encoder(inputs))

    def samples(self, batch: Batch) -> Tensor:
        return to_sounds(batch["audio"])

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """The loudest sound of the batch, one view of it, and both spectrograms."""
        sounds = self.samples(batch)
        row = int(sounds.square().mean(1).argmax())
        sound = {"audio": batch["audio"][row : row + 1]}
        view = self.views(sound, Draw(0, 0, 0, 1, 1, sounds.device))[0].clamp(-1, 1)
        pictures = [self.encoder.spectrogram(each).flip(1) for each in (sounds[row : row + 1], view)]
        picture = ((torch.cat(pictures, dim=2) + 2) / 4).clamp(0, 1)
        return {
            "sound": Audio(sounds[row], self.rate),
            "view": Audio(view[0], self.rate),
            "spectrograms": Image(picture.expand(3, -1, -1)),
        }
