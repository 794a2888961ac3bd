"""Training of the state dynamics: forecast world states many frames ahead, with the variance of the forecast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sensorium.forecasting.config import StateDynamicsConfig
from sensorium.forecasting.state_dynamics import Forecast, StateDynamics
from sensorium.randomness import Draw
from sensorium.training.collapse import effective_rank
from sensorium.training.learner import Batch, Gate, Learner, Metrics

NORMAL_90 = 1.6449  # standard deviations within which 90 % of a Gaussian lie


def likelihood(mean: Tensor, log_variance: Tensor, truth: Tensor) -> Tensor:
    """Negative logarithm of a Gaussian's density, without its constant, for each number."""
    return 0.5 * (log_variance + (truth - mean).square() * torch.exp(-log_variance))


class StateDynamicsLearner(Learner):
    """Trains means by their squared error, and variances by the likelihood of the errors of those means.

    The likelihood alone would weigh each error by the model's certainty: the model would learn first what is easy and
    could leave the rest to the variance (Seitzer et al. 2022, "On the pitfalls of heteroscedastic uncertainty
    estimation"). Batch: state float32 [B, context + horizon, D], and action where recordings have actions.
    """

    def __init__(self, config: StateDynamicsConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        self.config, self.dynamics = config, StateDynamics(config, shapes)

    @property
    def model(self) -> nn.Module:
        """The state dynamics."""
        return self.dynamics

    def compiled(self) -> list[nn.Module]:
        """No module: the model is a loop over frames of very small products."""
        return []

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Squared error plus negative log likelihood, means over all frames, those in the context included."""
        truth, forecast = self._forecast(batch, batch.get("action"))
        error = (forecast.mean - truth).square().mean()
        unsure = likelihood(forecast.mean.detach(), forecast.log_variance, truth).mean()
        alone = (forecast.mean - truth)[:, self.config.context - 1 :].detach().square().mean()
        return error + unsure, {"error": error.detach(), "error_alone": alone, "likelihood": unsure.detach()}

    def gates(self, batch: Batch) -> list[Gate]:
        """It must beat persistence and the mean, vary, use the actions and not be overconfident."""
        given = self.config.context
        truth, forecast = self._forecast(batch, batch.get("action"))
        last = truth[:, given - 2 : given - 1]  # from the same product: another shape may round otherwise
        truth, mean = truth[:, given - 1 :], forecast.mean[:, given - 1 :]
        error = (mean - truth).square().mean()
        inside = (mean - truth).abs() <= NORMAL_90 * torch.exp(0.5 * forecast.log_variance[:, given - 1 :])
        advice = "more steps or a lower learning rate"
        gates = [
            Gate("gain_over_persistence", float(1 - error / (last - truth).square().mean()), 0.02, advice),
            Gate("gain_over_mean", float(1 - error / truth.square().mean()), 0.02, advice),
            Gate("effective_rank", effective_rank((mean - last).flatten(0, 1)), 2.0, advice),
            Gate("inside_90", float(inside.float().mean()), 0.6, "fewer steps, or more recordings"),
        ]
        if "action" in batch:
            other = self._forecast(batch, batch["action"].roll(1, 0))[1].mean[:, given - 1 :]
            rise = float((other - truth).square().mean() / error - 1)
            gates.append(Gate("heeds_actions", rise, 0.005, advice))
        return gates

    def _forecast(self, batch: Batch, action: Tensor | None) -> tuple[Tensor, Forecast]:
        """True states of all frames after the first, on the model's axes, and their forecasts."""
        states = self.dynamics.project(batch["state"])
        return states[:, 1:], self.dynamics(states, action, self.config.context)
