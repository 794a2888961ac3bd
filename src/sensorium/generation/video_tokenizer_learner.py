"""Reconstruction objective of the video tokenizer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.data.sample_formats import to_images
from sensorium.generation.tokenizer_config import SMALLEST_RANK, VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.randomness import Draw
from sensorium.training.collapse import effective_rank, mean_difference
from sensorium.training.learner import Audio, Batch, Gate, Image, Learner, Metrics
from sensorium.training.normalise import RunningScale

_SHOWN = 8
_SCALES = 3

Perception = Callable[[Tensor, Tensor], Tensor]


def psnr(mean_squared_error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in decibels, for signals in [0, 1]."""
    return -10 * torch.log10(mean_squared_error.clamp_min(1e-10))


def edge_error(images: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of the differences between neighbouring pixels at full, half and quarter size.

    It weights edges, which keeps small objects sharp (Mathieu et al. 2016, arXiv:1511.05440, section 3.2, with squared
    differences). It replaces a perceptual distance and needs no trained network.

    Args:
        images, targets: [B, 3, H, W], H and W multiples of 4.

    Returns:
        [B].
    """
    error, total = images - targets, images.new_zeros(len(images))
    for scale in range(_SCALES):
        error = F.avg_pool2d(error, 2) if scale else error
        across = (error[..., 1:] - error[..., :-1]).square().mean((1, 2, 3))
        down = (error[..., 1:, :] - error[..., :-1, :]).square().mean((1, 2, 3))
        total = total + (across + down) / 2
    return total / _SCALES


class TokenizerLearner(Learner):
    """Squared error and a perceptual distance, each on its running scale (Dreamer 4, eq. 5), in fp32.

    Batches: video uint8 [B, T, H, W, 3], clips of `tokenizer.frames` frames. If the tokenizer has patches, training
    hides a share of them. The share of each frame is uniform between 0 and a maximum that grows over the first steps:
    with most patches hidden from the start, training can get stuck at the mean image.

    Args:
        tokenizer: the model.
        config: its section.
        perception: perceptual distance of images and targets [B, 3, H, W] -> [B].
    """

    observed = ("error", "perception")

    def __init__(
        self, tokenizer: VideoTokenizer, config: VideoTokenizerConfig, perception: Perception = edge_error
    ) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.scale = RunningScale({"error": 1.0, "perception": config.perceptual_weight})
        self._hiding, self._perception = config.transformer, perception

    @property
    def model(self) -> VideoTokenizer:
        """The tokenizer."""
        return self.tokenizer

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        images = to_images(batch["video"])
        reconstructions = self.tokenizer(images, self._hidden(draw, images.shape[1]))[0].float()
        flat, targets = reconstructions.flatten(0, 1), images.flatten(0, 1)
        error = (flat - targets).square().mean((1, 2, 3))
        terms = {"error": error.mean(), "perception": self._perception(flat, targets).mean()}
        metrics = {name: term.detach() for name, term in terms.items()}
        return self.scale(terms), metrics | {"psnr": psnr(error.detach()).mean()}

    def observe(self, metrics: Metrics) -> None:
        """Update the running scales of the terms."""
        self.scale.observe(metrics)

    def _hidden(self, draw: Draw, frames: int) -> Tensor | None:
        """Patches to hide, bool [B, T, P]; None in evaluation, or if the tokenizer has no patches."""
        hiding = self._hiding
        if not (self.training and self.tokenizer.patches and hiding.mask):
            return None
        most = hiding.mask * min(1.0, (draw.step + 1) / max(1, hiding.mask_warmup))
        share = most * draw.uniform("hidden share", frames)
        return draw.uniform("hidden", frames, self.tokenizer.patches) < share[..., None]

    def gates(self, batch: Batch) -> list[Gate]:
        """Tokens and pictures must differ between frames, and pictures must show more than each frame's mean colour.

        Of a tokenizer without weights only the first is asked: it shows what it was given.
        """
        images = to_images(batch["video"])
        reconstructions, tokens = (part.detach().float()[:, -1] for part in self.tokenizer(images))
        tokens = tokens.flatten(1)
        if not list(self.tokenizer.parameters()):
            advice = "recordings whose pictures differ"
            return [_spread(tokens, advice), _difference(tokens, advice)]
        images = images[:, -1]
        error = (reconstructions - images).square().mean()
        average = images.mean(0)
        tints = (images - average).mean((2, 3), keepdim=True)  # all that uniform attention can reconstruct
        spread = reconstructions.std(0).mean() / images.std(0).mean().clamp_min(1e-6)
        advice = "a lower learning rate, more steps or more channels"
        less_hidden = f"{advice}; for a transformer a smaller mask or a longer mask_warmup"
        return [
            _spread(tokens, advice),
            Gate("token_rank", effective_rank(tokens), SMALLEST_RANK, less_hidden),
            _difference(tokens, advice),
            Gate("output_difference", float(spread), 0.1, less_hidden),
            Gate("gain_over_mean_image_db", _gain(error, images - average), 0.3, less_hidden),
            Gate("gain_over_tinted_mean_image_db", _gain(error, images - average - tints), 0.3, less_hidden),
        ]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Originals above, reconstructions below."""
        images = to_images(batch["video"][:_SHOWN])
        reconstructions = self.tokenizer(images)[0].float().clamp(0, 1)
        rows = [torch.cat(list(row[:, -1]), dim=-1) for row in (images, reconstructions)]
        return {"reconstruction": Image(torch.cat(rows, dim=-2))}


def _spread(tokens: Tensor, advice: str) -> Gate:
    return Gate("token_std", float(tokens.std(0).mean()), 0.02, advice)


def _difference(tokens: Tensor, advice: str) -> Gate:
    return Gate("token_difference", mean_difference(tokens), 1e-3, advice)


def _gain(error: Tensor, residue: Tensor) -> float:
    """Gain in decibels of a mean squared error over that of a prediction which leaves `residue`."""
    return float(psnr(error) - psnr(residue.square().mean()))
