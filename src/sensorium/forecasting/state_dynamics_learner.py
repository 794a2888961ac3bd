"""Learning of the state dynamics: foretell world states over many frames, alone, and tell how far off that will be."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sensorium.forecasting.config import StateDynamicsConfig
from sensorium.forecasting.state_dynamics import Forecast, StateDynamics
from sensorium.randomness import Draw
from sensorium.training.collapse import effective_rank
from sensorium.training.learner import Batch, Gate, Learner, Metrics

NORMAL_90 = 1.6449  # deviations within which 90 % of a Gaussian lie


def likelihood(mean: Tensor, log_variance: Tensor, truth: Tensor) -> Tensor:
    """Negative logarithm of a Gaussian's density, without its constant, for each number."""
    return 0.5 * (log_variance + (truth - mean).square() * torch.exp(-log_variance))


class StateDynamicsLearner(Learner):
    """Means by squared error, variances by the likelihood of the errors that those means make.

    The likelihood alone would weigh an error by how sure the model is: it learns first what is easy, and may leave the
    rest to the variance (Seitzer et al. 2022, "On the pitfalls of heteroscedastic uncertainty estimation").
    Batch: state float32 [B, context + horizon, D], action where somebody acts.
    """

    def __init__(self, config: StateDynamicsConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        self.config, self.dynamics = config, StateDynamics(config, shapes)

    @property
    def model(self) -> nn.Module:
        """The state dynamics."""
        return self.dynamics

    def compiled(self) -> list[nn.Module]:
        """Nothing: it is a loop over frames of very small products."""
        return []

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Mean over frames, given and alone alike, of squared error and likelihood."""
        truth, forecast = self._foretell(batch, batch.get("action"))
        error = (forecast.mean - truth).square().mean()
        unsure = likelihood(forecast.mean.detach(), forecast.log_variance, truth).mean()
        alone = (forecast.mean - truth)[:, self.config.context - 1 :].detach().square().mean()
        return error + unsure, {"error": error.detach(), "error_alone": alone, "likelihood": unsure.detach()}

    def gates(self, batch: Batch) -> list[Gate]:
        """Whether it beats 'nothing changes' and 'as always', tells moments apart, heeds actions, is not too sure."""
        given = self.config.context
        truth, forecast = self._foretell(batch, batch.get("action"))
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
            other = self._foretell(batch, batch["action"].roll(1, 0))[1].mean[:, given - 1 :]
            rise = float((other - truth).square().mean() / error - 1)
            gates.append(Gate("heeds_actions", rise, 0.005, advice))
        return gates

    def _foretell(self, batch: Batch, action: Tensor | None) -> tuple[Tensor, Forecast]:
        """The truth of every frame after the first, on the model's axes, and what is told of it."""
        turned = self.dynamics.turned(batch["state"])
        return turned[:, 1:], self.dynamics(turned, action, self.config.context)
