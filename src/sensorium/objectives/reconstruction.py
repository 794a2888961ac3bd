"""Reconstruction objective of the video tokenizer."""

from __future__ import annotations

import torch
from torch import Tensor

from sensorium.models.tokenizers import VideoTokenizer, to_images
from sensorium.objectives.collapse import mean_difference
from sensorium.objectives.learner import Audio, Batch, Gate, Image, Learner, Metrics
from sensorium.randomness import Draw

_SHOWN = 8


def psnr(mean_squared_error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in decibels, for signals in [0, 1]."""
    return -10 * torch.log10(mean_squared_error.clamp_min(1e-10))


def gradient_error(images: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of the differences between neighbouring pixels, [B, 3, H, W] twice -> [B].

    It weighs edges, so small things are drawn rather than blurred away (Mathieu et al. 2016,
    arXiv:1511.05440, section 3.2, with squared differences).
    """
    error = images - targets
    across = (error[..., 1:] - error[..., :-1]).square().mean((1, 2, 3))
    down = (error[..., 1:, :] - error[..., :-1, :]).square().mean((1, 2, 3))
    return (across + down) / 2


class TokenizerLearner(Learner):
    """Squared error plus `gradient_weight` times the squared error of image gradients, in fp32.

    Batches: video uint8 [B, T, H, W, 3]; every frame is an image of its own.
    """

    def __init__(self, tokenizer: VideoTokenizer, gradient_weight: float) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.gradient_weight = gradient_weight

    @property
    def model(self) -> VideoTokenizer:
        """The tokenizer."""
        return self.tokenizer

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        images = to_images(batch["video"]).flatten(0, 1)
        reconstructions = self.tokenizer(images)[0].float()
        error = (reconstructions - images).square().mean((1, 2, 3))
        edges = gradient_error(reconstructions, images)
        loss = (error + self.gradient_weight * edges).mean()
        return loss, {"psnr": psnr(error.detach()).mean(), "gradient_error": edges.detach().mean()}

    def gates(self, batch: Batch) -> list[Gate]:
        """Tokens and pictures must tell frames apart, and pictures must beat the mean picture of the batch."""
        images = to_images(batch["video"]).flatten(0, 1)
        reconstructions, tokens = (part.detach().float() for part in self.tokenizer(images))
        error = (reconstructions - images).square().mean()
        mean_image_error = (images - images.mean(0)).square().mean()
        spread = reconstructions.std(0).mean() / images.std(0).mean().clamp_min(1e-6)
        advice = "a lower learning rate, more steps or more channels"
        return [
            Gate("token_deviation", float(tokens.std(0).mean()), 0.02, advice),
            Gate("output_difference", float(spread), 0.1, advice),
            Gate("token_difference", mean_difference(tokens.flatten(1)), 1e-3, advice),
            Gate("gain_over_mean_image_db", float(psnr(error) - psnr(mean_image_error)), 0.3, advice),
        ]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Originals above, reconstructions below."""
        images = to_images(batch["video"][:_SHOWN, 0])
        reconstructions = self.tokenizer(images)[0].float().clamp(0, 1)
        rows = [torch.cat(list(row), dim=-1) for row in (images, reconstructions)]
        return {"reconstruction": Image(torch.cat(rows, dim=-2))}
