"""State dynamics: forecasts of the next world states and their variances, from earlier states and the actions.

Layouts: B batch, T frames, D width of a world state. The model projects states on axes along which changes are
uncorrelated, so a variance for each axis is a full covariance of the state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.forecasting.config import StateDynamicsConfig
from sensorium.models.layers import RMSNorm, action_embedding
from sensorium.models.load import Loadable
from sensorium.models.precision import in_float32

STEEPEST = 8.0  # bound of the logarithm of a variance


@dataclass(frozen=True)
class Forecast:
    """A Gaussian for each frame after the first of a window, on the model's axes.

    Attributes:
        mean: [B, T - 1, D].
        log_variance: [B, T - 1, D].
    """

    mean: Tensor
    log_variance: Tensor


class StateDynamics(Loadable):
    """A gated recurrent unit that predicts the change of each frame and continues from its own predictions.

    Its memory holds what a single state does not show, such as speeds. Before training it predicts no change.

    Args:
        config: its section.
        shapes: {"state": D, "action": {"kind": "continuous" | "discrete", "size": numbers or choices} or None}.
    """

    mean: Tensor
    axes: Tensor
    scale: Tensor
    spread: Tensor

    Config = StateDynamicsConfig
    kind = "state_dynamics"

    def __init__(self, config: StateDynamicsConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        dim, width = int(shapes["state"]), config.width
        self.see = nn.Linear(dim, width)
        self.act = action_embedding(shapes["action"], width)
        self.remember = nn.GRUCell(width, width)
        self.norm = RMSNorm(width, eps=1e-6)
        self.think = nn.Linear(width, width)
        self.tell = nn.Linear(width, 2 * dim)
        nn.init.zeros_(self.tell.weight)
        nn.init.zeros_(self.tell.bias)
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("axes", torch.eye(dim))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("spread", torch.ones(()))

    def describe(self, mean: Tensor, change: Tensor, variance: Tensor) -> None:
        """Set the axes from the training recordings: mean [D], covariance of changes [D, D], mean variance []."""
        variances, axes = torch.linalg.eigh(change.double())
        scale = variances.mean().clamp(min=1e-12).sqrt()
        self.mean.copy_(mean)
        self.axes.copy_(axes)
        self.scale.copy_(scale)
        self.spread.copy_((variance.double().sqrt() / scale).clamp(min=1e-3))

    @in_float32
    def project(self, states: Tensor) -> Tensor:
        """World states [..., D] on the model's axes, where a frame's change has a mean square of one; float32."""
        return (states - self.mean) @ self.axes / self.scale  # axes along which little happens need every bit

    def states(self, projected: Tensor) -> Tensor:
        """The inverse of `project`, [..., D] -> [..., D]."""
        return projected * self.scale @ self.axes.T + self.mean

    def forward(self, projected: Tensor, action: Tensor | None, given: int, noise: Tensor | None = None) -> Forecast:
        """Predict each frame from the one before: from a true one up to frame `given`, then from the prediction.

        Args:
            projected: [B, T, D] states on the model's axes; only the first `given` frames are used.
            action: [B, T', ...], action[t] led to frame t, and T' is the number of frames; None: there are no actions,
                and T' is T.
            given: frames that are true, at least 1.
            noise: [B, T' - 1, D]; noise[:, t] is added to the prediction of frame t + 1 before the model continues from
                it; None: no noise.
        """
        frames = projected.shape[1] if action is None else action.shape[1]
        memory = projected.new_zeros(len(projected), self.remember.hidden_size)
        before, means, variances = projected[:, 0], [], []
        for time in range(1, frames):
            seen = self.see(before / self.spread)
            if self.act is not None and action is not None:
                seen = seen + self.act(action[:, time])
            memory = self.remember(F.silu(seen), memory)
            change, log_variance = self.tell(F.silu(self.think(self.norm(memory)))).float().chunk(2, dim=-1)
            predicted = before + change
            means.append(predicted)
            variances.append(STEEPEST * torch.tanh(log_variance / STEEPEST))
            if time < given:
                before = projected[:, time]
            else:
                before = predicted if noise is None else predicted + noise[:, time - 1]
        return Forecast(torch.stack(means, 1), torch.stack(variances, 1))
