"""Losses of a model and of a critic that is trained against it.

One backward pass serves both players. The model's loss goes through the critic with detached weights, and the critic's
loss takes the made samples detached, so each gradient is that of a backward pass of its own. To the trainer it is one
loss like any other: micro-batches, ranks, skipped steps and exact resume hold for it, too. Whether a player makes a
step is a function of the step, decided by the optimiser: a gradient that is missing on one rank is zero on several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from sensorium.config.critic import RivalryConfig
from sensorium.models.critics import Critic, Opinion
from sensorium.models.precision import in_float32
from sensorium.randomness import Draw
from sensorium.schedules import ramp
from sensorium.training.learner import Gate, Metrics

LEAST_ACCURACY, LEAST_ERROR = 0.55, 0.05  # of a critic that neither sleeps nor wins
Scores = Sequence[Tensor]  # [B, ...] each
Loss = Callable[[Tensor, Tensor], Tensor]


class Objective(NamedTuple):
    """Losses of scores of real and of made samples, element by element.

    Attributes:
        critic: its loss.
        model: the model's loss, of its made samples' scores and the real ones'.
        middle: score between the two kinds; None: a real sample is compared with the made one of its row.
    """

    critic: Loss
    model: Loss
    middle: float | None


# Least squares: Mao et al. 2017, arXiv:1611.04076, equation 9; hinge: Lim and Ye 2017, arXiv:1705.02894;
# relativistic: Huang et al. 2024, arXiv:2501.05441, equation 1.
OBJECTIVES = {
    "least_squares": Objective(
        lambda real, made: (real - 1).square() + made.square(), lambda made, real: (made - 1).square(), 0.5
    ),
    "hinge": Objective(lambda real, made: F.relu(1 - real) + F.relu(1 + made), lambda made, real: -made, 0.0),
    "relativistic": Objective(
        lambda real, made: F.softplus(made - real), lambda made, real: F.softplus(real - made), None
    ),
}


class Round(NamedTuple):
    """What one round between the players comes to: scalars in float32.

    Attributes:
        model: the model's loss; its gradient reaches the made samples alone.
        matching: distance of the critic's features of made samples to those of real ones; likewise.
        critic: the critic's loss; its gradient reaches the critic alone.
        real, made: shares of real and of made samples that the critic takes for what they are, without a gradient.
    """

    model: Tensor
    matching: Tensor
    critic: Tensor
    real: Tensor
    made: Tensor


def play(critic: Critic, real: Tensor, made: Tensor, objective: str) -> Round:
    """Let a critic judge real samples and made ones, [B, ...] each."""
    losses, real = OBJECTIVES[objective], real.detach()
    weights = {name: weight.detach() for name, weight in critic.named_parameters()}
    seen, tried = critic(real), critic(made.detach())
    judged: Opinion = functional_call(critic, weights, (made,))
    scores = [score.detach() for score in seen.scores]
    return Round(
        _mean(losses.model, judged.scores, scores),
        feature_distance(judged.features, seen.features) if seen.features else scores[0].new_zeros(()),
        _mean(losses.critic, seen.scores, tried.scores),
        *accuracies(scores, [score.detach() for score in tried.scores], losses.middle),
    )


def _mean(loss: Loss, first: Scores, second: Scores) -> Tensor:
    """Mean over the parts of a critic, each of them over its scores."""
    pairs = zip(first, second, strict=True)
    return torch.stack([in_float32(loss)(*pair).mean() for pair in pairs]).mean()


@in_float32
def _relative_distance(made: Tensor, real: Tensor) -> Tensor:
    """L1 distance of features [B, ...], in units of the real ones' mean size in their own row."""
    rows = tuple(range(1, real.dim()))  # a mean over the batch would change with the micro-batch
    return ((made - real).abs().mean(rows) / (real.abs().mean(rows) + 1e-4)).mean()


def feature_distance(made: Scores, real: Scores) -> Tensor:
    """Feature matching (Kumar et al. 2019, arXiv:1910.06711, equation 4): mean over layers of relative distances."""
    pairs = zip(made, real, strict=True)
    return torch.stack([_relative_distance(one, other.detach()) for one, other in pairs]).mean()


def accuracies(real: Scores, made: Scores, middle: float | None) -> tuple[Tensor, Tensor]:
    """Shares of the scores of real and of made samples that lie on their side; mean over the parts of a critic."""
    if middle is None:
        right = torch.stack([(one > other).float().mean() for one, other in zip(real, made, strict=True)]).mean()
        return right, right
    above = torch.stack([(scores > middle).float().mean() for scores in real]).mean()
    below = torch.stack([(scores < middle).float().mean() for scores in made]).mean()
    return above, below


def squared_slope(critic: Critic, samples: Tensor) -> Tensor:
    """Mean over rows of the squared norm of the gradient of the mean score, a scalar whose gradient reaches the critic.

    At real samples it is R1, at made ones R2 (Mescheder et al. 2018, arXiv:1801.04406, equations 9 and 10). It is
    differentiated twice, so it is computed in float32 and outside of autocast; validation has no gradients, and this
    makes its own.
    """
    device = samples.device.type
    with torch.enable_grad(), torch.autocast(device, enabled=False):
        samples = samples.detach().float().requires_grad_()
        total = torch.stack([score.flatten(1).mean(1).sum() for score in critic(samples).scores]).mean()
        (slope,) = torch.autograd.grad(total, samples, create_graph=True)
        return slope.square().flatten(1).sum(1).mean()


def rivalry(
    critic: Critic, real: Tensor, made: Tensor, config: RivalryConfig, draw: Draw, training: bool
) -> tuple[Tensor, Metrics]:
    """What a critic adds to the loss of a learner, and its metrics.

    Args:
        critic: one of the learner's rivals.
        real: samples [B, ...].
        made: by the model, with their graph, as many.
        config: of both players.
        draw: of the step, which decides how much the model listens and whether the slope is taken.
        training: False: at a validation, where the model listens in full.
    """
    found = play(critic, real, made, config.objective)
    heard = ramp(draw.step, config.start, config.ramp) if training else 1.0
    loss = heard * (config.weight * found.model + config.matching * found.matching) + found.critic
    metrics = {
        "adversarial": found.model,
        "feature_matching": found.matching,
        "critic_loss": found.critic,
        "critic_real": found.real,
        "critic_made": found.made,
    }
    if training and config.penalty and draw.step % config.penalty_every == 0:
        slope = squared_slope(critic, real) + squared_slope(critic, made)
        loss = loss + config.penalty / 2 * config.penalty_every * slope
        metrics["critic_slope"] = slope
    return loss, {name: value.detach() for name, value in metrics.items()}


def critic_gates(found: Round) -> list[Gate]:
    """The critic must neither sleep nor win: of either the model learns nothing."""
    accuracy = float(found.real + found.made) / 2
    return [
        Gate(
            "critic_accuracy",
            accuracy,
            LEAST_ACCURACY,
            "a critic that learns faster: raise training.critic.lr, or lower training.critic.every or start",
        ),
        Gate(
            "critic_error",
            1 - accuracy,
            LEAST_ERROR,
            "a critic that learns more slowly: lower training.critic.lr, raise training.critic.every, or raise the "
            "critic's penalty",
        ),
    ]
