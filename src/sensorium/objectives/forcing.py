"""Diffusion forcing with x-prediction: the equations, and the learner of the dynamics.

Convention of Dreamer 4 (Hafner et al. 2025, arXiv:2509.24527): the signal level tau is 0 for noise and 1 for
clean, and each frame has its own (Chen et al. 2024, arXiv:2407.01392). Layouts: B windows, T frames, N tokens,
C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sensorium.models.dream import dream
from sensorium.models.dynamics import Dynamics, linear_estimate
from sensorium.models.tokenizers import VideoTokenizer
from sensorium.objectives.collapse import mean_difference
from sensorium.objectives.learner import Audio, Batch, Gate, Image, Learner, Metrics
from sensorium.randomness import Draw

_CONTEXT = 0.5  # share of frames that are nearly clean
_CONTEXT_SIGNAL = 0.8  # lowest signal level of those
_START = 0.35  # share of frames that are pure noise
_SHOWN = 4


def corrupt(clean: Tensor, noise: Tensor, tau: Tensor) -> Tensor:
    """z~ = (1 - tau) z0 + tau z1 (Dreamer 4, flow matching), with noise z0 and data z1 [B, T, N, C], tau [B, T]."""
    tau = tau[..., None, None]
    return (1 - tau) * noise + tau * clean


def ramp(tau: Tensor) -> Tensor:
    """Loss weight w = 0.9 tau + 0.1 (Dreamer 4, ramp weight): levels with more signal have more to teach."""
    return 0.9 * tau + 0.1


def signal_levels(draw: Draw, frames: int) -> tuple[Tensor, Tensor]:
    """Signal levels [B, T] to train on, and which frames are to be predicted, bool [B, T].

    Levels are independent for every frame (diffusion forcing), but not uniform: they are such as a
    dream meets, most frames nearly clean, as a context is, some pure noise, as each dreamed frame begins, the rest
    uniform. So most noised frames have a past worth reading, where uniform levels would leave one window in
    thousands with a clean context. The nearly clean frames are there to be read: they carry no loss, which the
    ramp would let them dominate.
    """
    kind, level = draw.uniform("kind", frames), draw.uniform("tau", frames)
    nearly_clean = _CONTEXT_SIGNAL + (1 - _CONTEXT_SIGNAL) * level
    predicted = kind >= _CONTEXT
    return torch.where(predicted, torch.where(kind < _CONTEXT + _START, 0.0, level), nearly_clean), predicted


class DynamicsLearner(Learner):
    """x-prediction loss, weighted by the ramp (the dynamics loss of Dreamer 4 without its shortcut terms), in fp32.

    Batches: latent [B, T, N, C] and, where there are actions, action [B, T, A] or [B, T].

    Args:
        dynamics: the model, its token statistics set.
        unlabelled: chance that a window trains without its actions.
        tokenizer: decodes tokens for pictures; it is neither trained nor exported.
    """

    def __init__(self, dynamics: Dynamics, unlabelled: float, tokenizer: VideoTokenizer) -> None:
        super().__init__()
        self.dynamics = dynamics
        self.unlabelled = unlabelled
        self._decoder = [tokenizer.requires_grad_(False)]  # in a list, so that it is no part of the learner's state

    @property
    def model(self) -> Dynamics:
        """The dynamics."""
        return self.dynamics

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        clean = self.dynamics.standardise(batch["latent"])
        tau, predicted = signal_levels(draw, clean.shape[1])
        noised = corrupt(clean, draw.normal("noise", *clean.shape[1:]), tau)
        labelled = draw.uniform("labelled") >= self.unlabelled
        prediction = self.dynamics(noised, tau, batch.get("action"), labelled)
        error = (prediction - clean).square().mean((2, 3))
        loss = (ramp(tau) * predicted * error).mean()
        return loss, {"error": error.detach().mean(), "error_from_noise": _mean_where(error.detach(), tau == 0)}

    def gates(self, batch: Batch) -> list[Gate]:
        """What the network adds to the linear estimate of an unseen last frame must differ by context and help."""
        clean = self.dynamics.standardise(batch["latent"])
        noise = torch.randn(clean.shape[1:], generator=torch.Generator().manual_seed(0)).to(clean)
        tau = torch.ones(clean.shape[:2], device=clean.device)
        tau[:, -1] = 0
        noised = corrupt(clean, noise.expand_as(clean), tau)
        prediction = self.dynamics(noised, tau, batch.get("action")).detach()[:, -1]
        estimate = linear_estimate(noised, tau, self.dynamics.change)[:, -1]
        correction, target = prediction - estimate, clean[:, -1]
        gain = 1 - (prediction - target).square().mean() / (estimate - target).square().mean()
        advice = "a lower learning rate, or more steps"
        return [
            Gate("prediction_deviation", float(correction.std(0).mean()), 0.003, advice),
            Gate("output_difference", mean_difference(correction.flatten(1)), 0.01, advice),
            Gate("gain_over_persistence", float(gain), 0.005, advice),
        ]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Windows in pairs of rows: the truth through the tokenizer, and the dream from its first half."""
        latent = batch["latent"][:_SHOWN].float()
        actions = batch["action"][:_SHOWN] if "action" in batch else None
        context = latent.shape[1] // 2
        dreamt = dream(self.dynamics, latent[:, :context], actions, latent.shape[1] - context)
        decoder = self._decoder[0].to(latent.device)
        rows = []
        for truth, imagined in zip(latent, dreamt, strict=True):
            for tokens in (truth, torch.cat([truth[:context], imagined])):
                rows.append(torch.cat(list(decoder.decode(tokens).float().clamp(0, 1)), dim=-1))
        return {"dream": Image(torch.cat(rows, dim=-2))}


def _mean_where(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp_min(1)
